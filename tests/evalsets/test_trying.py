"""An evaluator is tried on real answers, and a judge's calls are known before they are made."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlmodel import Session, select

from connectors import service as models
from connectors.models import ModelSettings
from connectors.tokens import count_messages
from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.specs import load_evaluator
from evalsets.evaluators.subjects import Passage, Subject
from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.models import Cell
from evalsets.runs.prepare import Unrunnable
from evalsets.runs.trying import JudgeCall, freeze_for, judge_calls, runs_to_try, samples, spread
from tests.support.runs_factory import make_run

JUDGE = {"kind": "judge", "rubric": "Is it *polite*?", "model": "strict"}


@pytest.fixture
def session(sqlite_db: Database) -> Iterator[Session]:
    with sqlite_db.session_scope("user:ann") as opened:
        yield opened


@pytest.mark.parametrize(
    ("good", "bad", "chosen"),
    [
        ([], [], [0, 2, 4]),
        ([6], [], [6, 0, 2]),
        ([5, 6], [1, 8], [5, 1, 6]),
        ([4, 5], [4], [4, 0, 2]),
        ([2], [3, 4], [2, 4, 0]),
    ],
)
def test_good_and_bad_come_in_turn_and_each_case_once(good, bad, chosen):
    cases = {number: number // 2 for number in range(10)}
    assert spread(cases, good, bad, 3) == chosen


def test_arms_come_in_turn():
    cases = {number: number // 2 for number in range(10)}
    assert spread(cases, [], [], 3, {number: number % 2 for number in cases}) == [0, 3, 4]
    assert spread(cases, [4, 6, 7], [8], 3, {number: number % 2 for number in cases}) == [4, 8, 7]


def test_a_case_comes_twice_where_there_are_too_few():
    assert spread({0: 7, 1: 7, 2: 7}, [], [2], 3) == [2, 0, 1]
    assert spread({4: 7}, [], [], 3) == [4]
    assert spread({}, [], [], 3) == []


def test_samples_are_answers_with_what_people_said(session: Session):
    run = make_run(
        session, imported=True, output=lambda row, arm, _: None if row == 0 else f"{row}.{arm}"
    )
    pick_label(session, run, 9, checked("bad"))
    pick_label(session, run, 12, checked("good"))
    found = samples(session, run)
    assert [(one.number, one.case_id, one.label) for one in found] == [
        (12, "c6", "good"), (9, "c4", "bad"), (2, "c1", None),
    ]  # fmt: skip
    assert found[1].arm == "base@2 | echo"
    subject = found[1].subject
    assert (subject.output, subject.expected) == ("4.1", "expected 4")
    assert subject.inputs == {"question": "number 4"}


def test_a_run_without_an_answer_is_not_offered(session: Session):
    make_run(session, cases=1, imported=True)
    assert runs_to_try(session) == []
    with pytest.raises(NotFound):
        samples(session, "no-such")


def add_model(session: Session, name: str, **settings) -> None:
    given = {"base_url": "https://llm.test/v1", "model": "some", **settings}
    models.add_model(session, name, ModelSettings(**given))


def test_a_judge_needs_to_know_whom_to_ask(session: Session):
    run = make_run(session, cases=1, imported=True)
    with pytest.raises(Invalid, match="which model to ask"):
        freeze_for(session, run, {**JUDGE, "model": None})
    with pytest.raises(NotFound, match="strict"):
        freeze_for(session, run, JUDGE)


def calls_of(session: Session, spec=JUDGE, cases: int = 4) -> list[JudgeCall | Unrunnable]:
    run = make_run(session, cases=cases, imported=True)
    frozen = freeze_for(session, run, spec)
    assert frozen.judge is not None
    subjects = [one.subject for one in samples(session, run)]
    return judge_calls(load_evaluator(spec), frozen.judge, subjects)  # type: ignore[arg-type]


def test_what_a_judge_is_sent_and_what_it_takes(session: Session):
    add_model(
        session, "strict", params={"max_tokens": 100},
        input_price=Decimal(3), output_price=Decimal(15),
    )  # fmt: skip
    found = calls_of(session)
    assert len(found) == 3
    one = found[1]
    assert isinstance(one, JudgeCall)
    system, user = (str(message["content"]) for message in one.messages)
    assert "Is it *polite*?" in system
    assert '"answer": "answer 1 of arm 1, 1"' in user
    assert one.output_tokens == 100
    assert one.input_tokens == count_messages(one.messages, "some").n
    assert one.cost == (one.input_tokens * Decimal(3) + 1500) / 1_000_000


def test_an_unpriced_judge_is_not_free(session: Session):
    add_model(session, "strict")
    (one,) = calls_of(session, cases=1)[:1]
    assert isinstance(one, JudgeCall)
    assert (one.cost, one.output_tokens) == (None, 256)


def test_messages_are_those_on_the_wire(session: Session):
    """A model that is told the schema in words is sent more than the prompt holds."""
    add_model(session, "strict", structured="prompt")
    (one, *_) = calls_of(session)
    assert isinstance(one, JudgeCall)
    assert len(str(one.messages)) > len(str(one.request.messages))
    assert one.input_tokens == count_messages(one.messages, "some").n


def test_what_cannot_be_asked_says_why(session: Session):
    add_model(session, "strict")
    found = calls_of(session, {"kind": "faithfulness", "model": "strict"})
    assert [one.sentence for one in found if isinstance(one, Unrunnable)] == [
        "no passage was given"
    ] * 3


def test_passages_that_are_gone_are_not_made_up(session: Session):
    run = make_run(session, cases=1, arms=("a@1 | m",), imported=True)
    cell = session.exec(select(Cell).where(Cell.run_id == run)).one()
    cell.sources = [{"n": 1, "document": "a.md", "document_id": "d", "chunk_id": "gone"}]
    session.add(cell)
    session.flush()
    (one,) = samples(session, run)
    assert one.subject.sources == cell.sources
    assert list[Passage](one.subject.passages) == []


def test_variables_of_a_judge_are_mapped_to_columns_and_passages() -> None:
    judge = Judge(rubric="r", mapping={"reply": "output", "gold": "note", "sources": "context"})
    subject = Subject(
        "ours", {"note": "N", "output": "a column of that name"}, expected="E",
        passages=[Passage(1, "d", "one"), Passage(2, "d", "two")],
    )  # fmt: skip
    given = judge.variables(subject)
    assert (given["reply"], given["gold"], given["note"]) == ("ours", "N", "N")
    assert given["sources"] == given["context"] == "[1] one\n\n[2] two"
    assert judge.unfit(subject) is None
    assert judge.unfit(Subject("ours")) == "the case has no column 'note'"
    assert judge.reads_context([])
    assert Judge(rubric="r").reads_context(["context"])
    assert not Judge(rubric="r").reads_context(["case"])
