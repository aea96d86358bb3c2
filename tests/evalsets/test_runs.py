"""Runs as people ask for them: one run a key, frozen at the start, asked of whoever owns it."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlmodel import select

from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from core.job_board import JobBoard
from evalsets.models import Cell, Run
from evalsets.runs.execution import Terms
from evalsets.runs.service import (
    RunRequest,
    cancel,
    get_run,
    list_runs,
    pause,
    resume,
    retry,
    start,
)
from evalsets.runs.worker import run_here, work
from evalsets.runs.worker_note import live_worker, worker_alive, worker_lock
from tests.support.run_forks import forks
from tests.support.running import (
    ACTOR,
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    begin,
    run_row,
    until,
    work_on,
)
from tests.support.witness import Witness


def test_fifty_submits_with_one_key_make_one_run(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_model(db, w, "ok")
    add_cases(db, 3)
    request = RunRequest(prompts=("ask",), models=("ok",), dataset="cases", idempotency_key="once")
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda _: start(db, ACTOR, request), range(50)))
    assert len({one.run_id for one in made}) == 1
    assert sum(one.created for one in made) == 1
    with db.read_scope() as session:
        assert len(session.exec(select(Run)).all()) == 1
        assert len(session.exec(select(Cell)).all()) == 3
    without = [begin(db, "ok") for _ in range(2)]
    assert len(set(without)) == 2


async def test_a_run_stays_true_when_prompt_and_model_move_on(db: Database, w: Witness) -> None:
    add_prompt(db, text="old {{ topic }}")
    add_model(db, w, "ok", **PRICES)
    add_cases(db, 3)
    run_id = begin(db, "ok")
    add_prompt(db, text="new {{ topic }}")
    add_model(db, w, "other", name="ok")
    await work_on(db, run_id)
    assert (w.counts("ok").requests, w.counts("other").requests) == (3, 0)
    assert set(w.counts().by_prompt) == {f"old topic {n}" for n in range(3)}
    assert run_row(db, run_id).cost is not None


async def test_a_removed_model_is_still_asked_by_the_run_that_froze_it(
    sqlite_db: Database, w: Witness
) -> None:
    from connectors.service import remove_model

    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 2)
    run_id = begin(sqlite_db, "ok")
    with sqlite_db.session_scope(ACTOR) as session:
        remove_model(session, "ok")
    await work_on(sqlite_db, run_id)
    assert run_row(sqlite_db, run_id).succeeded == 2


async def test_a_queued_run_is_paused_and_cancelled_without_an_owner(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_model(db, w, "ok")
    add_cases(db, 2)
    run_id = begin(db, "ok")
    assert pause(db, ACTOR, run_id) == "paused"
    assert resume(db, ACTOR, run_id) == "queued"
    assert cancel(db, ACTOR, run_id) == "cancelled"
    assert cancel(db, ACTOR, run_id) == "cancelled"
    for act in (resume, retry, pause):
        with pytest.raises(Conflict):
            act(db, ACTOR, run_id)
    assert w.counts().requests == 0
    with db.read_scope() as session, pytest.raises(NotFound):
        get_run(session, "none")


async def test_cancelling_a_retry_keeps_the_old_errors(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_model(db, w, "r400")
    add_cases(db, 4)
    run_id = begin(db, "r400")
    await work_on(db, run_id)
    assert retry(db, ACTOR, run_id) == 4
    assert cancel(db, ACTOR, run_id) == "cancelled"
    run = run_row(db, run_id)
    assert (run.total, run.failed, run.succeeded) == (4, 4, 0)


async def test_the_worker_takes_several_runs_and_obeys_asks_at_once(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_model(db, w, "slow-100", concurrency=2)
    add_cases(db, 100)
    runs = [begin(db, "slow-100", cache=False, concurrency=2) for _ in range(3)]
    stop = asyncio.Event()
    assert not worker_alive(db)
    working = asyncio.create_task(work(db, stop, JobBoard(db)))
    await until(lambda: all(run_row(db, one).succeeded > 2 for one in runs))
    worker = live_worker(db.settings.data)
    assert worker is not None
    assert worker.pid == os.getpid()
    for run_id in runs:
        await asyncio.to_thread(cancel, db, ACTOR, run_id)
    began = asyncio.get_running_loop().time()
    await until(lambda: all(run_row(db, one).status == "cancelled" for one in runs))
    assert asyncio.get_running_loop().time() - began < 10
    stop.set()
    await working
    assert not worker_alive(db)


async def test_wait_works_on_the_run_only_where_no_worker_lives(
    sqlite_db: Database, w: Witness
) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "slow-200")
    add_cases(sqlite_db, 20)
    seen: list[str] = []
    alone = begin(sqlite_db, "slow-200")
    run = await run_here(sqlite_db, alone, watch=lambda row: seen.append(row.status))
    assert run.status == "completed"
    assert "running" in seen
    lock = worker_lock(sqlite_db.settings.data)
    assert lock.try_acquire('{"pid": 1}')
    watched = begin(sqlite_db, "slow-200", cache=False)
    waiting = asyncio.create_task(run_here(sqlite_db, watched))
    await asyncio.sleep(0.6)
    assert run_row(sqlite_db, watched).status == "queued"
    lock.release()  # the worker dies: whoever waits takes over
    assert (await waiting).status == "completed"


async def test_stopping_a_command_pauses_its_run_until_somebody_resumes_it(
    sqlite_db: Database, w: Witness
) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "slow-100", concurrency=2)
    add_cases(sqlite_db, 30)
    run_id = begin(sqlite_db, "slow-100")
    stop = asyncio.Event()
    waiting = asyncio.create_task(run_here(sqlite_db, run_id, stop=stop))
    await until(lambda: run_row(sqlite_db, run_id).succeeded > 2)
    stop.set()
    assert (await waiting).status == "paused"
    with forks(sqlite_db.settings.data) as begin_worker:
        begin_worker()
        await asyncio.sleep(1)
        assert run_row(sqlite_db, run_id).status == "paused"
        resume(sqlite_db, ACTOR, run_id)
        await until(lambda: run_row(sqlite_db, run_id).status == "completed")


async def test_a_start_without_its_key_is_refused_naming_variable_and_process(
    sqlite_db: Database, w: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok", api_key_env="WITNESS_KEY")
    add_cases(sqlite_db, 1)
    request = RunRequest(prompts=("ask",), models=("ok",), dataset="cases")
    with pytest.raises(Invalid, match=f"WITNESS_KEY.*this process .pid {os.getpid()}"):
        start(sqlite_db, ACTOR, request, here=True)
    with forks(sqlite_db.settings.data) as begin_worker:
        worker = begin_worker()
        await until(lambda: worker_alive(sqlite_db))
        with pytest.raises(Invalid, match=f"WITNESS_KEY.*the worker .pid {worker.pid}"):
            start(sqlite_db, ACTOR, request)
    monkeypatch.setenv("WITNESS_KEY", "sk-secret-of-the-test")
    run_id = start(sqlite_db, ACTOR, request, here=True).run_id
    await work_on(sqlite_db, run_id)
    assert w.requests()[-1]["headers"]["authorization"] == "Bearer sk-secret-of-the-test"


async def test_a_key_that_is_gone_closes_the_model_with_the_reason(
    sqlite_db: Database, w: Witness
) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok", api_key_env="WITNESS_KEY_THAT_IS_NOT_SET")
    add_cases(sqlite_db, 3)
    run_id = begin(sqlite_db, "ok")
    await work_on(sqlite_db, run_id)
    run = run_row(sqlite_db, run_id)
    assert (run.status, run.failed, run.calls) == ("completed", 3, 0)


async def test_a_running_run_is_not_retried(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "slow-200", concurrency=1)
    add_cases(sqlite_db, 10)
    run_id = begin(sqlite_db, "slow-200")
    stop = asyncio.Event()
    working = asyncio.create_task(work_on(sqlite_db, run_id, stop, Terms(again=False)))
    await until(lambda: run_row(sqlite_db, run_id).calls > 0)
    with pytest.raises(Conflict, match="going on"):
        await asyncio.to_thread(retry, sqlite_db, ACTOR, run_id)
    stop.set()
    await working


def test_lists_go_by_state_and_cursor(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 1)
    runs = [begin(sqlite_db, "ok") for _ in range(5)]
    cancel(sqlite_db, ACTOR, runs[0])
    with sqlite_db.read_scope() as session:
        newest = list_runs(session, limit=2)
        older = list_runs(session, limit=2, before=newest[-1].id)
        cancelled = list_runs(session, status="cancelled")
    assert [run.id for run in newest] == [runs[4], runs[3]]
    assert [run.id for run in older] == [runs[2], runs[1]]
    assert [run.id for run in cancelled] == [runs[0]]


def test_a_budget_below_what_is_spent_is_refused(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok", **PRICES)
    add_cases(sqlite_db, 1)
    run_id = begin(sqlite_db, "ok", budget=Decimal(1))
    asyncio.run(work_on(sqlite_db, run_id))
    with pytest.raises(Invalid, match="has spent"):
        resume(sqlite_db, ACTOR, run_id, Decimal("0.000001"))
