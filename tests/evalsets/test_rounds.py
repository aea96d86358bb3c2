"""Runs of prompts with mocked tools: rounds are attempts, an answer has the sums of all."""

import asyncio
from decimal import Decimal

import pytest

from core.database import Database
from evalsets.models import Answer
from evalsets.runs.service import resume
from prompts.content import Variable
from prompts.mocks import ROUNDS, ToolMock
from tests.support.running import (
    ACTOR,
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    attempts_of,
    begin,
    cell_rows,
    run_row,
    until,
    work_on,
)
from tests.support.witness import Witness

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def answers(db: Database, run_id: str) -> list[Answer]:
    with db.read_scope() as session:
        found = [session.get(Answer, cell.answer_id) for cell in cell_rows(db, run_id)]
    return [one for one in found if one is not None]


def prompt(db: Database, *mocks: ToolMock) -> None:
    add_prompt(db, variables=(Variable(name="topic"),), tools=(TOOL,), mocks=mocks)


async def test_a_round_is_an_attempt_that_is_counted_and_priced(
    sqlite_db: Database, w: Witness
) -> None:
    model = add_model(sqlite_db, w, "tooluse", **PRICES)  # type: ignore[arg-type]
    prompt(sqlite_db, ToolMock(tool="look", result={"n": 7}))
    add_cases(sqlite_db, 3)
    run_id = begin(sqlite_db, model)
    assert (await work_on(sqlite_db, run_id)).status == "completed"
    run, told = run_row(sqlite_db, run_id), answers(sqlite_db, run_id)
    assert [one.output for one in told] == ['told: {"n":7}'] * 3
    assert all(one.tool_calls is None for one in told)
    assert (run.calls, len(attempts_of(sqlite_db, run_id)), run.succeeded) == (6, 6, 3)
    assert run.cost == sum((one.cost or Decimal(0) for one in told), Decimal(0))
    assert run.input_tokens == sum(one.input_tokens or 0 for one in told)
    again = begin(sqlite_db, model)
    assert (await work_on(sqlite_db, again)).status == "completed"
    repeated = run_row(sqlite_db, again)
    assert (repeated.calls, repeated.cached, repeated.cost) == (0, 3, 0)


@pytest.mark.parametrize("cache", [True, False])
async def test_a_stop_between_rounds_pays_none_of_them_twice(
    sqlite_db: Database, w: Witness, cache: bool
) -> None:
    model = add_model(sqlite_db, w, "tooluse+slow-100", concurrency=1)
    prompt(sqlite_db, ToolMock(tool="look", result="7"))
    add_cases(sqlite_db, 2)
    run_id = begin(sqlite_db, model, cache=cache)
    stop = asyncio.Event()
    working = asyncio.create_task(work_on(sqlite_db, run_id, stop))
    await until(lambda: any(a.outcome == "answered" for a in attempts_of(sqlite_db, run_id)))
    stop.set()
    assert (await working).status == "paused"
    before = run_row(sqlite_db, run_id)
    assert before.succeeded < 2
    resume(sqlite_db, ACTOR, run_id)
    assert (await work_on(sqlite_db, run_id)).status == "completed"
    assert (run_row(sqlite_db, run_id).calls, run_row(sqlite_db, run_id).succeeded) == (4, 2)


async def test_rounds_are_bounded_and_without_a_mock_there_is_none(
    sqlite_db: Database, w: Witness
) -> None:
    model = add_model(sqlite_db, w, "tool")
    prompt(sqlite_db, ToolMock(tool="look", result="more"))
    add_cases(sqlite_db, [{"topic": "same"}, {"topic": "same"}])
    run_id = begin(sqlite_db, model)
    assert (await work_on(sqlite_db, run_id)).status == "completed"
    assert run_row(sqlite_db, run_id).calls == ROUNDS + 1  # equal cells share every round
    assert all(one.tool_calls for one in answers(sqlite_db, run_id))
    prompt(sqlite_db)
    plain = begin(sqlite_db, model, cache=False)
    assert (await work_on(sqlite_db, plain)).status == "completed"
    assert run_row(sqlite_db, plain).calls == 1
