"""Better prompts from labeled failures: what a model sees, and what of its words is taken."""

import json

import pytest
from sqlmodel import Session, select

from core.database import Database
from core.errors import Invalid
from evalsets.improving.asking import estimate, messages
from evalsets.improving.drafting import drafted
from evalsets.improving.failures import MOST_CHARS, MOST_TOKENS, cut, failures
from evalsets.improving.proposal import RefusedError, proposed
from evalsets.models import Answer, Case, Dataset
from prompts.content import MessageTemplate, PromptContent
from tests.support.failed_runs import CONTENT, failed_run
from tests.support.runs_factory import make_run


@pytest.fixture
def run_id(sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:ann") as session:
        return failed_run(session)


def shown(session: Session, run_id: str) -> str:
    return json.dumps(messages(failures(session, run_id)), ensure_ascii=False)


def test_what_teaches_most_comes_first_and_held_out_cases_stay_unseen(
    sqlite_db: Database, run_id: str
):
    with sqlite_db.read_scope() as session:
        found = failures(session, run_id, prompt="ask")
        text = shown(session, run_id)
    assert [one.case_id for one in found.chosen] == ["c3", "c1", "c4", "c0", "c5"]
    assert (found.labeled, found.held_out) == (5, 1)
    assert all(word in text for word in ("Say **why**.", "Too vague", "wrong", "expected 0"))
    assert "secret" not in text
    assert "answer 2" not in text


def test_a_case_that_a_later_version_holds_out_is_not_shown(sqlite_db: Database, run_id: str):
    with sqlite_db.session_scope("user:ann") as session:
        assert "topic 3" in shown(session, run_id)  # the control
        make_run(session, cases=[{"topic": "topic 3"}], split="test")
        assert session.exec(select(Dataset.newest)).one() == 2
        assert "topic 3" not in shown(session, run_id)


def test_long_texts_are_cut_and_the_handful_is_bounded(sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        run_id = failed_run(session, 30)
        for answer in session.exec(select(Answer)):
            answer.output = "many words " * 50_000
        session.flush()
        found = failures(session, run_id)
        took = estimate(messages(found), found.prompt.content, "gpt-4o", None)
    assert 1 <= len(found.chosen) <= 8
    assert found.labeled == 29
    assert took.input_tokens < MOST_TOKENS + 1_000
    assert took.cost is None
    assert len(cut("x" * 10_000)) < MOST_CHARS + 100


def test_an_arm_must_be_chosen_where_there_are_several(sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        run_id = failed_run(session, arms=("ask | echo", "ask | other"))
        with pytest.raises(Invalid, match="Whose failures"):
            failures(session, run_id)
        assert failures(session, run_id, arm="ask@1 | other").labeled == 5
        with pytest.raises(Invalid, match="no arm of the prompt other"):
            failures(session, run_id, prompt="other")


def test_nothing_bad_that_may_be_seen_is_refused(sqlite_db: Database, run_id: str):
    with sqlite_db.session_scope("user:ann") as session:
        for case in session.exec(select(Case)):
            case.split = "test"
        session.flush()
        with pytest.raises(Invalid, match="6 are of cases held out"):
            failures(session, run_id)


def said(*texts: str, **more: object) -> str:
    return json.dumps({"reason": "**why**", "messages": texts, **more})


def test_a_proposal_keeps_everything_but_the_texts():
    made = proposed(CONTENT, f"```json\n{said('Say why.', 'About {{ topic }}?')}\n```")
    assert [message.content for message in made.content.messages] == [
        "Say why.", "About {{ topic }}?",
    ]  # fmt: skip
    assert [message.role for message in made.content.messages] == ["system", "user"]
    assert made.content.inputs == CONTENT.inputs
    assert made.reason == "**why**"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Here is a better prompt: Be kind.", "not one JSON object"),
        ('{"messages": "Be kind."}', "not a list of texts"),
        (said("only one {{ topic }}"), "1 messages and the prompt 2"),
        (said("Be brief.", "Tell me about {{ topic }}."), "as it was"),
        (said("", "  "), "empty"),
        (said("Be kind.", "Tell me."), "no longer reads the variable 'topic'"),
        (said("Be {{ mood }}.", "{{ topic }}"), "'mood', which no case has"),
        (said("Be kind.", "{{ topic "), "no valid template"),
        (said('{% include "other@1" %}', "{{ topic }}"), "snippet 'other@1'"),
        (said("Be kind.\x00", "{{ topic }}"), "cannot be kept"),
        (said("Be kind.", "{{ topic }}", tools=[]), "'tools' beside"),
    ],
)
def test_what_is_refused_says_why(answer: str, why: str):
    with pytest.raises(RefusedError, match=why):
        proposed(CONTENT, answer)


def test_an_optional_variable_may_be_read_and_a_chinese_one_stays():
    before = PromptContent(messages=(MessageTemplate(role="user", content="讲讲 {{ 主题 }}"),))
    made = proposed(before, said("简短地讲讲 {{ 主题 }}"))
    assert made.content.messages[0].content == "简短地讲讲 {{ 主题 }}"


def draft(*texts: object) -> str:
    return json.dumps({"messages": [{"role": "user", "text": text} for text in texts]})


def test_a_draft_declares_what_it_reads():
    made = drafted(draft("{{ question }}", "{{ tone | default('kind') }}")).content
    assert [(one.name, one.required) for one in made.inputs] == [
        ("question", True),
        ("tone", False),
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("A prompt", "not one JSON object"),
        (draft(), "no list of 1 to 10"),
        (draft(3), "cannot be kept"),
        (draft(" "), "empty"),
        (draft("{{ question "), "no valid template"),
        (draft('{% include "tone@1" %}'), "snippet 'tone@1'"),
        (draft("x").replace("user", "tool"), "not a role"),
    ],
)
def test_a_draft_that_is_refused_says_why(answer: str, why: str):
    with pytest.raises(RefusedError, match=why):
        drafted(answer)
