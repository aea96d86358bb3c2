"""The Improve tab of a run: asked once, shown as a diff, a version only when a person accepts."""

import json
import time
from pathlib import Path

import pytest
from sqlmodel import col, delete, select

from app.workspace.components.plan_address import mapping_text
from core.database import Database
from evalsets.datasets.adding import standing
from evalsets.models import Case, Label, Run
from evalsets.runs.service import get_run
from prompts import service as prompts
from prompts.models import PromptDraft
from tests.support.bases import fill, make_base, packaged
from tests.support.failed_runs import CONTENT, failed_run
from tests.support.pages import page, speak, words
from tests.support.running import add_cases, add_model
from tests.support.witness import Witness

BETTER = {
    "reason": "See ![x](https://evil.example/x) **why**",
    "messages": ["Say why.", "Tell me about {{ topic }}."],
}


@pytest.fixture
def run_id(workspace, sqlite_db: Database, upstream: Witness) -> str:
    upstream.reset()
    add_model(sqlite_db, upstream, "ok", name="writer", input_price="1", output_price="2")
    with sqlite_db.session_scope("user:admin") as session:
        return failed_run(session)


def proposal(run_id: str, upstream: Witness, text: str):
    upstream.reply("ok", text)
    found = page("runs", id=run_id, tab="improve", writer="writer")
    assert not found.exception
    found.button(key="improve_ask").click().run()
    answered(found)
    assert not found.exception
    return found


def answered(found) -> None:
    """Draw the page anew until its call has ended."""
    deadline = time.monotonic() + 10
    while "Asking" in words(found):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        found.run()


def newest(database: Database):
    with database.read_scope() as session:
        return prompts.get(session, "ask")


def test_a_proposal_is_accepted_and_then_measured_on_held_out_cases(
    run_id: str, sqlite_db: Database, upstream: Witness
):
    found = proposal(run_id, upstream, json.dumps(BETTER))
    assert "5 of 5 failures; held out and not shown: 1" in words(found)
    assert f"Why: {BETTER['reason']}" in [one.value for one in found.text], "words stay words"
    assert newest(sqlite_db).version == 1
    found.button(key="improve_accept").click().run()
    assert not found.exception
    saved = newest(sqlite_db)
    assert (saved.version, saved.content.messages[0].content) == (2, "Say why.")
    assert saved.message == f"From 5 labeled failures of run {run_id}"
    found.button(key="improve_compare").click().run()
    assert not found.exception
    assert found.multiselect(key="plan_arms").value == ["ask@1 | echo", "ask@2 | echo"]
    assert found.selectbox(key="plan_split").value == "holdout"
    assert "2 cells" in words(found), "one case is held out, of both versions"


def test_the_comparison_has_the_parameters_of_the_arm_it_came_from(
    run_id: str, sqlite_db: Database, upstream: Witness
):
    with sqlite_db.session_scope("user:admin") as session:
        run = get_run(session, run_id)
        arms = [{**arm, "params": {"temperature": 0.2}} for arm in run.manifest["arms"]]
        run.manifest = {**run.manifest, "arms": arms}
        session.add(run)
    found = proposal(run_id, upstream, json.dumps(BETTER))
    found.button(key="improve_accept").click().run()
    found.button(key="improve_compare").click().run()
    wanted = [f"ask@{n} | echo | temperature=0.2" for n in (1, 2)]
    assert found.multiselect(key="plan_arms").value == wanted
    found.button(key="plan_start").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        started = session.exec(select(Run).order_by(col(Run.id).desc())).first()
    assert started is not None
    assert [arm["name"] for arm in started.manifest["arms"]] == wanted
    assert [arm["params"] for arm in started.manifest["arms"]] == [{"temperature": 0.2}] * 2
    assert started.manifest["split"] == "holdout"


def test_what_is_refused_shows_the_reason_and_the_words(
    run_id: str, sqlite_db: Database, upstream: Witness
):
    found = proposal(run_id, upstream, json.dumps({**BETTER, "messages": ["{{ topic }}", "Tell."]}))
    assert [one for one in found.button if one.key == "improve_accept"]
    found = proposal(run_id, upstream, json.dumps({**BETTER, "messages": ["Kind.", "Tell."]}))
    assert "no longer reads the variable" in words(found)
    assert not [one for one in found.button if one.key == "improve_accept"]


def test_a_newer_version_and_a_draft_are_not_overwritten(
    run_id: str, sqlite_db: Database, upstream: Witness
):
    found = proposal(run_id, upstream, json.dumps(BETTER))
    typed = PromptDraft(based_on=1, content={"messages": []})
    with sqlite_db.session_scope("user:admin") as session:
        prompts.save_draft(session, "ask", typed)
    found.button(key="improve_accept").click().run()
    assert "unsaved changes of ask" in words(found)
    other = CONTENT.model_copy(update={"options": {"temperature": 0}})
    with sqlite_db.session_scope("user:bob") as session:
        prompts.drop_draft(session, "ask")
        prompts.save_version(session, "ask", other, based_on=1)
    with sqlite_db.session_scope("user:admin") as session:
        prompts.drop_draft(session, "ask")
    found.button(key="improve_accept").click().run()
    assert "ask got version 2 from user:bob" in words(found).replace("\\", "")
    assert newest(sqlite_db).version == 2


def test_a_run_without_failures_says_what_to_do(run_id: str, sqlite_db: Database):
    with sqlite_db.session_scope("user:admin") as session:
        for case in session.exec(select(Case)):
            case.split = "holdout"
    found = page("runs", id=run_id, tab="improve")
    assert not found.exception
    assert "are of held-out cases (" in words(found)


def test_a_described_task_opens_as_an_unsaved_draft(run_id, sqlite_db, upstream: Witness):
    told = [{"role": "system", "text": "Be *kind*."}, {"role": "user", "text": "{{ question }}"}]
    upstream.reply("ok", json.dumps({"reason": "Help desk.", "messages": told}))
    found = page("prompts", do="describe")
    found.selectbox(key="describe_model").set_value("writer")
    found.text_area(key="describe_task").set_value("Answer customers").run()
    assert not found.exception
    found.button(key="describe_ask").click().run()
    answered(found)
    assert "Why: Help desk." in words(found)
    (name,) = [one for one in found.text_input if one.label == "Name"]
    name.set_value("desk")
    (submit,) = [one for one in found.button if one.label == "Open in the editor"]
    submit.click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        assert prompts.get(session, "desk").content.messages[0].content == ""
        draft = prompts.load_draft(session, "user:admin", "desk")
    assert draft is not None
    assert draft.content["messages"][0]["content"] == "Be *kind*."
    assert found.query_params["id"] == "desk"
    assert "Be *kind*." in [one.value for one in found.text_area]


def test_generated_cases_are_shown_and_then_added(workspace, sqlite_db, upstream: Witness):
    add_model(sqlite_db, upstream, "ok", name="writer")
    add_cases(sqlite_db, [{"topic": "cats and dogs"}])
    told = [{"inputs": {"topic": one}, "expected": None} for one in ("Cats and dogs!", "*mice*")]
    upstream.reply("ok", json.dumps({"cases": told}))
    found = page("datasets", id="cases", do="generate")
    found.selectbox(key="generate_model").set_value("writer")
    found.text_area(key="generate_task").set_value("Animals").run()
    assert not found.exception
    found.button(key="generate_ask").click().run()
    answered(found)
    assert "New cases: 1. Left out: near-duplicates 1" in words(found)
    found.button(key="generate_add").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        known = standing(session, "cases")
    assert known.version == 2
    assert known.cases is not None
    assert [(one.inputs["topic"], one.tags) for one in known.cases.cases] == [
        ("cats and dogs", []), ("*mice*", ["synthetic"]),
    ]  # fmt: skip


def test_cases_are_written_from_passages_that_one_may_see(
    workspace, sqlite_db, upstream: Witness, tmp_path: Path
):
    add_model(sqlite_db, upstream, "ok", name="writer")
    add_cases(sqlite_db, [{"topic": "cats and dogs"}])
    make_base(sqlite_db, packaged())
    folder = tmp_path / "passages"
    folder.mkdir()
    (folder / "tea.md").write_text("Tea is hot and green.")
    (folder / "ice.md").write_text("Ice is cold and white.")
    fill(sqlite_db, packaged(), folder)
    told = [{"inputs": {"topic": "What is ice?"}, "expected": "cold", "passage": 1}]
    upstream.reply("ok", json.dumps({"cases": told}))
    found = page("datasets", id="cases", do="generate")
    found.selectbox(key="generate_model").set_value("writer")
    found.selectbox(key="generate_kb").set_value("docs").run()
    assert "Passages drawn: 2, from 2 of 2 documents" in words(found)
    found.selectbox(key="generate_document_docs").set_value("ice.md").run()
    assert "Passages drawn: 1, from 1 of 1 documents" in words(found)
    found.button(key="generate_ask").click().run()
    answered(found)
    sent = upstream.requests()[-1]
    assert "Ice is cold" in json.dumps(sent["body"])
    assert "Tea is hot" not in json.dumps(sent["body"])
    found.button(key="generate_add").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        known = standing(session, "cases")
    assert known.cases is not None
    assert known.cases.cases[-1].inputs == {
        "topic": "What is ice?", "relevant": ["ice.md"], "passage": "ice.md 0-22",
    }  # fmt: skip


def test_a_data_set_that_is_not_there_is_said_to_be_missing(workspace, sqlite_db):
    add_cases(sqlite_db, [{"topic": "cats"}])
    found = page("datasets", id="gone", do="generate")
    assert not found.exception
    assert "There is no dataset gone. Make it from a file" in words(found)
    assert not [one for one in found.text_area if one.key == "generate_task"]


def test_cases_are_written_like_the_failures_of_a_run(
    run_id: str, sqlite_db: Database, upstream: Witness
):
    verdict = page("runs", id=run_id, tab="verdict")
    verdict.button(key="verdict_improve").click().run()
    assert verdict.query_params["tab"] == "improve"
    found = page("runs", id=run_id, tab="improve", writer="writer")
    assert [one for one in found.button if one.key == "improve_more"]
    with sqlite_db.read_scope() as session:
        dataset = get_run(session, run_id).dataset
    found = page("datasets", id=dataset, do="generate", like=run_id)
    found.selectbox(key="generate_model").set_value("writer").run()
    assert "5 of 5 failures; held out and not shown: 1" in words(found)
    told = [{"inputs": {"topic": "tin openers"}, "expected": None}]
    upstream.reply("ok", json.dumps({"cases": told}))
    found.button(key="generate_ask").click().run()
    answered(found)
    assert "New cases: 1." in words(found)
    asked = upstream.requests()[-1]["body"]["messages"][-1]["content"]
    assert len(json.loads(asked.rsplit("\n\n", 1)[0])["failures"]) == 5


@pytest.mark.parametrize(
    ("said", "proposed"),
    [
        ('["topic=subject", "n=zahl"]', ["topic=subject", "n=zahl"]),
        ('["topic", 3, " "]', []),
        ("[" * 100_000, []),
        ('{"topic": "subject"}', []),
        ("[", []),
    ],
)
def test_a_plan_takes_the_mapping_of_the_run_it_comes_from(run_id: str, said: str, proposed):
    found = page("runs", do="plan", mapping=said)
    assert not found.exception
    assert found.multiselect(key="plan_mapping").value == proposed


def test_only_what_differs_is_a_mapping():
    assert mapping_text({"topic": "subject", "n": "n"}) == '["topic=subject"]'
    assert mapping_text({"n": "n"}) is None


def test_without_a_bad_label_the_next_step_stands_there(workspace, sqlite_db: Database):
    with sqlite_db.session_scope("user:admin") as session:
        run = failed_run(session)
        session.execute(delete(Label))
    found = page("runs", id=run, tab="improve")
    assert not found.error
    assert "is labeled bad yet" in words(found)
    speak(sqlite_db, "zh")
    assert "还没有被标为差的回答" in words(page("runs", id=run, tab="improve"))
