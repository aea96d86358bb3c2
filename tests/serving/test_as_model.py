"""A whole app as an arm of a run, and tried by a person: the same pipeline, asked like a model."""

import pytest

from app.apps_in_runs import answer_apps
from core.database import Database
from evalsets.runs.cell_detail import cell_detail
from evalsets.runs.report import arm_reports
from evalsets.runs.request import RunRequest
from evalsets.runs.service import plan, start
from evalsets.runs.worker import run_here
from serving.as_model import freeze_apps
from serving.guards import LengthGuard
from tests.support.apps import ACTOR, change, make_app, push, release
from tests.support.running import add_cases, cell_rows


@pytest.fixture
def apps(sqlite_db: Database) -> Database:
    """The app faq on echo in two releases, the second with a guard; a data set of three topics."""
    push(sqlite_db, "About {{ topic }}.")
    make_app(sqlite_db)
    release(sqlite_db)
    change(sqlite_db, guards=[LengthGuard(most=7, action="block").model_dump()])
    release(sqlite_db)
    add_cases(sqlite_db, [{"topic": "cats"}, {"topic": "elephants"}, {"topic": "dogs"}])
    return sqlite_db


async def test_a_run_compares_releases_of_an_app_with_a_prompt(apps: Database):
    request = RunRequest.model_validate(
        {
            "prompts": ["faq"], "models": ["echo"], "apps": ["faq@1", "faq@latest"],
            "dataset": "cases", "evaluators": ["contains:s"],
        }
    )  # fmt: skip
    figures = plan(apps, request, freeze_apps)
    assert (figures.cells, figures.calls, figures.unpriced) == (9, 9, ())
    run_id = start(apps, ACTOR, request, freeze_apps).run_id
    run = await run_here(apps, run_id, apps=answer_apps)
    assert run.status == "completed"
    with apps.read_scope() as session:
        reports = {one.arm: one for one in arm_reports(session, run_id)}
    assert list(reports) == ["faq@1 | echo", "app:faq@1", "app:faq@2"]
    assert [one.succeeded for one in reports.values()] == [3, 3, 2]
    failed = [cell for cell in cell_rows(apps, run_id) if cell.state == "failed"]
    assert len(failed) == 1
    assert "guard length" in (failed[0].error or "")


async def test_answers_of_a_release_are_taken_again(apps: Database):
    request = RunRequest(apps=("faq@1",), dataset="cases")
    await run_here(apps, start(apps, ACTOR, request, freeze_apps).run_id, apps=answer_apps)
    assert plan(apps, request, freeze_apps).cached == 3
    other = RunRequest(apps=("faq@2",), dataset="cases")
    assert plan(apps, other, freeze_apps).cached == 0  # another release is another model


async def test_cases_with_further_columns_and_with_turns(apps: Database):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "well?"},
             {"role": "user", "content": "bye"}]  # fmt: skip
    add_cases(apps, [{"topic": "cats", "note": "mine", "messages": turns}], "turns")
    push(apps, "Be kind.", "kind", role="system")
    make_app(apps, "chat", prompt="kind")
    release(apps, "chat")
    request = RunRequest(apps=("faq@1", "chat@1"), dataset="turns")
    run = await run_here(apps, start(apps, ACTOR, request, freeze_apps).run_id, apps=answer_apps)
    assert (run.succeeded, run.failed) == (2, 0)
    said = [cell_detail(apps, run.id, number).output for number in (0, 1)]
    assert said == ["About cats.", "bye"]


def test_a_run_needs_arms():
    for fields in ({}, {"prompts": ["a"]}, {"models": ["m"], "apps": ["x"]}):
        with pytest.raises(ValueError, match="needs a prompt and a model, or an app"):
            RunRequest.model_validate({"dataset": "cases", **fields})
