"""Totals of a run when its calls fail, are retried or have no price."""

from typing import Any

import pytest

from core.database import Database
from evalsets.runs.report import run_json
from evalsets.runs.service import resume, retry
from evalsets.runs.worker import run_here
from tests.support.running import (
    ACTOR,
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    begin,
    cell_rows,
    work_on,
)
from tests.support.witness import Witness

JUDGE = {"kind": "judge", "model": "judge", "name": "nice", "rubric": "Is it nice?"}


@pytest.fixture
def w(server: Witness, monkeypatch: pytest.MonkeyPatch) -> Witness:
    monkeypatch.setattr("connectors.limits._FIRST_DELAY", 0.01)
    server.reset()
    return server


def shown(db: Database, run_id: str) -> dict[str, Any]:
    with db.read_scope() as session:
        return run_json(session, run_id)


async def finished(db: Database, *models: str, **request: Any) -> dict[str, Any]:
    run_id = begin(db, *models, **request)
    await work_on(db, run_id)
    return shown(db, run_id)


async def test_calls_of_an_unpriced_model_that_all_failed_cost_null(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_cases(db, 2)
    add_model(db, w, "r400")
    add_model(db, w, "r404", **PRICES)
    assert (await finished(db, "r400"))["cost_usd"] is None
    assert (await finished(db, "r404"))["cost_usd"] == "0"
    both = await finished(db, "r400", "r404")
    assert both["cost_usd"] is None
    assert [arm["cost_usd"] for arm in both["arms"]] == [None, "0"]


async def test_a_priced_run_with_an_unpriced_judge_that_fails_costs_null_for_the_judge_alone(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_cases(db, 2)
    add_model(db, w, "ok", **PRICES)
    add_model(db, w, "r400", name="judge")
    run = await finished(db, "ok", evaluators=(JUDGE,))
    assert run["cost_usd"] not in (None, "0")
    assert (run["evaluation"]["calls"], run["evaluation"]["cost_usd"]) == (2, None)


async def test_nothing_sent_costs_nothing_whatever_the_price(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_cases(db, 2)
    add_model(db, w, "ok")
    queued = begin(db, "ok")
    assert shown(db, queued)["cost_usd"] == "0"
    await work_on(db, queued)
    again = await finished(db, "ok")
    assert (again["calls"], again["cached"], again["cost_usd"]) == (0, 2, "0")


async def test_a_retry_that_fails_again_leaves_right_counts_and_a_resume_sends_nothing(
    db: Database, w: Witness
) -> None:
    add_prompt(db, text="{{ topic }}")
    add_cases(db, 3)
    add_model(db, w, "ok", **PRICES)
    add_model(db, w, "r400", **PRICES)
    run_id = begin(db, "ok", "r400")
    await work_on(db, run_id)
    first, errors = shown(db, run_id), [cell.error for cell in cell_rows(db, run_id)]
    counts = {"total": 6, "succeeded": 3, "failed": 3, "pending": 0}
    assert (first["cells"], first["calls"]) == (counts, 6)
    assert retry(db, ACTOR, run_id) == 3
    waiting = shown(db, run_id)["cells"]
    assert waiting == {"total": 6, "succeeded": 3, "failed": 0, "pending": 3}
    assert [cell.error for cell in cell_rows(db, run_id)] == errors
    await work_on(db, run_id)
    second, cells = shown(db, run_id), cell_rows(db, run_id)
    assert (second["status"], second["cells"], second["calls"]) == ("completed", counts, 9)
    assert second["cost_usd"] == first["cost_usd"]
    assert [cell.error for cell in cells] == errors
    assert [(cell.state, cell.attempts) for cell in cells] == [("succeeded", 1), ("failed", 2)] * 3
    assert resume(db, ACTOR, run_id) == "completed"
    assert (await run_here(db, run_id)).calls == 9
    assert w.counts().requests == 9
