"""Owners that die, stop and come back: nothing recorded is lost, sent again, or overwritten."""

import asyncio
import random
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlmodel import col, select

from core.database import Database
from core.locks import FileLock
from evalsets.models import Answer, Attempt, Cell, CellScore, Run
from evalsets.runs.ownership import has_owner
from tests.support.depth import DEEP
from tests.support.run_forks import Fork, forks
from tests.support.running import (
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    attempts_of,
    begin,
    cell_rows,
    run_row,
    until,
)
from tests.support.witness import Witness, witness

KILLS = 200 if DEEP else 20
IN_FLIGHT = 8


@pytest.fixture
def w() -> Iterator[Witness]:
    with witness() as running:
        yield running


def visible(db: Database, run_id: str) -> dict[int, tuple[str, str, bool]]:
    """What a person could have seen: the finished cells and their outputs."""
    with db.read_scope() as session:
        query = (
            select(Cell.number, Cell.answer_id, Answer.output, Cell.cached)
            .join(Answer, col(Answer.id) == col(Cell.answer_id))
            .where(Cell.run_id == run_id)
        )
        return {number: tuple(rest) for number, *rest in session.exec(query)}


@pytest.mark.timeout(1800 if DEEP else 180)
async def test_kill_9_loses_nothing_and_sends_nothing_again(db: Database, w: Witness) -> None:
    kills_wanted = KILLS if db.is_sqlite or DEEP else KILLS // 2
    cells = kills_wanted * 30
    add_prompt(db, text="{{ topic }}")
    add_model(db, w, "slow-20", concurrency=IN_FLIGHT, **PRICES)
    add_cases(db, cells)
    run_id = begin(db, "slow-20")
    chance = random.Random(0)
    kills = 0
    with forks(db.settings.data, db.settings.database_url) as start:
        while kills < kills_wanted:
            before = run_row(db, run_id)
            worker = start()
            await until(lambda b=before: run_row(db, run_id).calls > b.calls)
            await asyncio.sleep(chance.uniform(0, 0.08))
            seen = visible(db, run_id)
            asked = w.counts().by_prompt
            worker.kill()
            worker.ended()
            kills += 1
            after = visible(db, run_id)
            assert {number: after[number] for number in seen} == seen
            recorded = {f"topic {number}" for number in seen}
            resent = {p: n for p, n in w.counts().by_prompt.items() if p in recorded}
            assert resent == {p: asked[p] for p in recorded}
            if run_row(db, run_id).status == "completed":
                break
        start()
        await until(lambda: run_row(db, run_id).status == "completed", 300)
    run, counts = run_row(db, run_id), w.counts()
    ledger = attempts_of(db, run_id)
    lost = [one for one in ledger if one.outcome == "interrupted"]
    assert (run.succeeded, run.failed) == (cells, 0)
    assert run.calls == len(ledger)
    assert run.interrupted == len(lost) <= kills * IN_FLIGHT
    # What the ledger has more than the witness was recorded but not sent when the kill came.
    assert 0 <= run.calls - counts.requests <= run.interrupted
    assert 0 <= counts.requests - cells <= run.interrupted
    answered = [one for one in ledger if one.outcome == "answered"]
    assert len(answered) == cells
    assert run.input_tokens == sum(one.input_tokens or 0 for one in answered)
    extra = counts.input_tokens - run.input_tokens
    assert 0 <= extra <= 2 * run.interrupted
    assert run.cost == sum((one.cost or Decimal(0) for one in answered), Decimal(0))
    flagged = {cell.number for cell in cell_rows(db, run_id) if cell.interrupted}
    assert flagged == {one.cell for one in lost}
    tried = {cell.number: cell.attempts for cell in cell_rows(db, run_id)}
    assert sum(tried.values()) == run.calls
    print(f"{kills} kills, {len(lost)} interrupted, {counts.requests} requests for {cells} cells")


async def test_takeover_after_kill_9_is_immediate(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "slow-50")
    add_cases(sqlite_db, 200)
    run_id = begin(sqlite_db, "slow-50")
    with forks(sqlite_db.settings.data) as start:
        worker = start()
        await until(lambda: run_row(sqlite_db, run_id).succeeded > 8)
        worker.kill()
        worker.ended()
        done = run_row(sqlite_db, run_id).succeeded
        start()
        started = time.monotonic()
        await until(lambda: run_row(sqlite_db, run_id).succeeded > done)
        assert time.monotonic() - started < 12, "the lease of 15 s must not be waited for"


async def test_scores_of_judges_are_completed_after_a_kill(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_model(sqlite_db, w, "slow-100", name="judge")
    w.reply("slow-100", '{"reason": "", "verdict": "yes"}')
    add_cases(sqlite_db, 60)
    judge = {"kind": "judge", "rubric": "Is it fine?", "model": "judge"}
    run_id = begin(sqlite_db, "ok", evaluators=(judge, "length"))
    with forks(sqlite_db.settings.data) as start:
        for _ in range(3):
            judged = run_row(sqlite_db, run_id).judge_calls
            worker = start()
            await until(lambda n=judged: run_row(sqlite_db, run_id).judge_calls > n)
            worker.kill()
            worker.ended()
        start()
        await until(lambda: run_row(sqlite_db, run_id).status == "completed")
    run = run_row(sqlite_db, run_id)
    with sqlite_db.read_scope() as session:
        scores = session.exec(select(CellScore).where(CellScore.run_id == run_id)).all()
    assert len(scores) == 120
    assert {one.value for one in scores if one.evaluator == "judge"} == {1.0}
    assert 0 <= run.judge_calls - w.counts("slow-100").requests <= run.interrupted


def stop_between_commits(db: Database, worker: Fork) -> None:
    """SIGSTOP outside of a transaction: what one holds, nobody can take, whoever owns the run."""
    while True:
        worker.stop()
        if not (held_here(db) if db.is_sqlite else held_there(db)):
            return
        worker.go_on()
        time.sleep(0.02)


def held_here(db: Database) -> bool:
    """Whether somebody writes to this SQLite file."""
    lock = FileLock(db.settings.data / "write.lock")
    free = lock.try_acquire()
    lock.release()
    return not free


def held_there(db: Database) -> bool:
    """Whether another connection to this PostgreSQL database is within a transaction."""
    states = (
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    while True:
        with db.read_scope() as session:
            found = set(session.connection().exec_driver_sql(states).scalars())
        if "active" not in found:  # what it was asked before the stop is done first
            return found != {"idle"}
        time.sleep(0.005)


def everything(db: Database, run_id: str) -> list[object]:
    """Every row of a run."""
    with db.read_scope() as session:
        tables = (
            session.exec(select(Run).where(Run.id == run_id)),
            session.exec(select(Cell).where(Cell.run_id == run_id).order_by(col(Cell.number))),
            session.exec(
                select(Attempt).where(Attempt.run_id == run_id).order_by(col(Attempt.number))
            ),
        )
        return [row.model_dump() for table in tables for row in table]


@pytest.mark.parametrize("fenced", [True, False])
async def test_an_owner_that_wakes_too_late_writes_nothing(
    db: Database, w: Witness, fenced: bool
) -> None:
    add_prompt(db)
    add_model(db, w, "slow-1500", concurrency=4)
    add_cases(db, 4)
    run_id = begin(db, "slow-1500")
    with forks(db.settings.data, db.settings.database_url) as start:
        sleeper = start(lease=1.0, fenced=fenced)
        await until(lambda: w.counts().requests == 4)
        stop_between_commits(db, sleeper)
        assert run_row(db, run_id).succeeded == 0
        start(lease=1.0)
        await until(lambda: run_row(db, run_id).status == "completed")
        before = everything(db, run_id)
        assert has_owner(db.settings.data, run_id), "the sleeper still holds its lock"
        sleeper.go_on()
        if fenced:
            await until(lambda: not has_owner(db.settings.data, run_id))
            assert everything(db, run_id) == before
        else:
            await until(lambda: everything(db, run_id) != before)
    if fenced:
        run = run_row(db, run_id)
        assert (run.succeeded, run.status) == (4, "completed")
        assert (
            run.interrupted
            == sum(one.outcome == "interrupted" for one in attempts_of(db, run_id))
            <= 4
        )


async def test_two_workers_share_the_runs_and_no_cell_is_sent_twice(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_model(db, w, "slow-30")
    add_cases(db, 60)
    runs = [begin(db, "slow-30", cache=False) for _ in range(6)]
    with forks(db.settings.data, db.settings.database_url) as start:
        start()
        start()
        await until(lambda: all(run_row(db, one).status == "completed" for one in runs), 60)
    assert w.counts().requests == 6 * 60


async def test_sigterm_ends_a_worker_in_order(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "slow-300", concurrency=4)
    add_cases(sqlite_db, 40)
    run_id = begin(sqlite_db, "slow-300")
    with forks(sqlite_db.settings.data) as start:
        worker = start()
        await until(lambda: run_row(sqlite_db, run_id).succeeded >= 4)
        worker.end()
        worker.ended(12)
    run = run_row(sqlite_db, run_id)
    assert (run.status, run.reason, run.interrupted) == ("paused", "shutdown", 0)
    assert run.succeeded == run.calls == w.counts().requests
