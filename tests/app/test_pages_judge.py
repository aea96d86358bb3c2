"""A judge in the plan drawer, and its reason in the open cell."""

import pytest

from app import example
from core.clock import new_id
from core.workspace_settings import set_setting
from evalsets.models import Answer, CellScore, Run
from evalsets.runs import service as runs
from tests.support.pages import page, words
from tests.support.runs_factory import make_run

SAVED = {"kind": "judge", "name": "tone", "rubric": "Polite.", "model": "echo"}


@pytest.fixture
def loaded(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    return sqlite_db


def started(database) -> Run:
    with database.read_scope() as session:
        (found,) = [row for row in runs.list_runs(session) if not row.imported]
        return found


def test_a_saved_judge_is_planned_with_its_calls_and_started(loaded):
    with loaded.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"tone": SAVED})
    found = page("runs", do="plan", prompt="news@2", model="echo")
    assert "calls of judges" not in words(found)
    assert "tone" in found.multiselect(key="plan_evaluators").options
    found.multiselect(key="plan_evaluators").set_value(["tone"]).run()
    assert "24 calls of judges, about $0" in words(found)
    found.button(key="plan_start").click().run()
    (frozen,) = started(loaded).manifest["evaluators"]
    assert (frozen["name"], frozen["spec"]["rubric"]) == ("tone", "Polite.")
    assert frozen["judge"]["model"]["name"] == "echo"


def test_a_new_judge_waits_for_its_rubric_and_may_be_another_model(loaded):
    found = page("runs", do="plan", prompt="news@2", model="echo")
    found.multiselect(key="plan_evaluators").set_value(["judge"]).run()
    assert "Write the judge's rubric" in words(found)
    assert not [b for b in found.button if b.key == "plan_start"]
    found.text_area(key="plan_rubric").set_value("Names the topic.").run()
    found.selectbox(key="plan_judge_model").set_value("demo").run()
    found.selectbox(key="plan_judge_scale").set_value("1-5").run()
    assert not found.exception
    assert "24 calls of judges" in words(found)
    found.button(key="plan_start").click().run()
    (frozen,) = started(loaded).manifest["evaluators"]
    assert frozen["spec"]["rubric"] == "Names the topic."
    assert frozen["spec"]["scale"] == "1-5"
    assert frozen["judge"]["model"]["name"] == "demo"


def test_the_judges_reason_and_its_own_answer_stand_in_the_open_cell(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        run = make_run(session, cases=2, imported=True)
        said = Answer(id=new_id(), request="", output="hm")
        session.add(said)
        cell = CellScore(
            run_id=run, cell=0, evaluator="tone", value=0.25, reason="Too *curt*.",
            answer_id=said.id,
        )  # fmt: skip
        unscored = CellScore(run_id=run, cell=1, evaluator="tone", reason="no verdict in it")
        session.add_all([cell, unscored])
    found = page("runs", id=run, tab="cases", sel="0")
    assert "tone: 0.25 · Too *curt*." in words(found)
    assert "What tone answered" in [one.label for one in found.expander]
    found = page("runs", id=run, tab="cases", sel="1")
    assert "tone: unscored · no verdict in it" in words(found)
    assert "What tone answered" not in [one.label for one in found.expander]


def test_the_judges_form_offers_the_models(workspace):
    found = page("evaluators", id="judge")
    assert not found.exception
    assert found.selectbox(key="evaluator_judge_model").options == ["demo", "echo"]
