"""Whether a worker lives, told across data folders of one database."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from core.clock import utcnow
from core.database import Database
from core.job_board import JobBoard
from core.models import Setting
from core.settings import Settings
from evalsets.runs.request import RunRequest
from evalsets.runs.service import start
from evalsets.runs.worker import run_here, work
from evalsets.runs.worker_note import worker_alive
from tests.support.run_forks import forks
from tests.support.running import ACTOR, add_cases, add_model, add_prompt, begin, run_row, until
from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def w() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
def elsewhere(postgres_db: Database, tmp_path: Path) -> Iterator[Database]:
    """The same database from another data folder."""
    made = Database(Settings(data_dir=tmp_path / "other", database_url=postgres_db.settings.url))
    yield made
    made.close()


def beats(db: Database) -> list[Setting]:
    with db.read_scope() as session:
        return list(session.exec(select(Setting)))


async def test_a_worker_of_another_folder_is_heard_until_its_end(
    postgres_db: Database, elsewhere: Database
) -> None:
    assert not worker_alive(elsewhere)
    stop = asyncio.Event()
    working = asyncio.create_task(work(postgres_db, stop, JobBoard(postgres_db)))
    await until(lambda: worker_alive(elsewhere))
    assert worker_alive(postgres_db)
    stop.set()
    await working
    assert not worker_alive(elsewhere)
    assert beats(elsewhere) == []


async def test_a_killed_worker_is_believed_for_a_lease_elsewhere_and_not_at_all_here(
    postgres_db: Database, elsewhere: Database
) -> None:
    with forks(postgres_db.settings.data, postgres_db.settings.url) as begin_worker:
        worker = begin_worker()
        await until(lambda: worker_alive(elsewhere))
        worker.kill()
        worker.ended()
    await until(lambda: not worker_alive(postgres_db), 2)
    assert worker_alive(elsewhere)
    with elsewhere.session_scope(ACTOR) as session:
        (row,) = session.exec(select(Setting))
        row.value = (utcnow() - timedelta(seconds=15)).isoformat()
        session.add(row)
    assert not worker_alive(elsewhere)


async def test_a_waiting_command_leaves_its_run_to_a_worker_elsewhere(
    postgres_db: Database, elsewhere: Database, w: Witness
) -> None:
    add_prompt(postgres_db)
    add_model(postgres_db, w, "ok", api_key_env="KEY_THAT_ONLY_THE_WORKER_HAS")
    add_cases(postgres_db, 3)
    stop = asyncio.Event()
    working = asyncio.create_task(work(postgres_db, stop, JobBoard(postgres_db)))
    await until(lambda: worker_alive(elsewhere))
    request = RunRequest(prompts=("ask",), models=("ok",), dataset="cases")
    run_id = start(elsewhere, ACTOR, request, here=True).run_id  # no key here, and none is needed
    assert (await run_here(elsewhere, run_id)).status == "completed"
    stop.set()
    await working


async def test_sqlite_keeps_no_heartbeat(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 1)
    run_id = begin(sqlite_db, "ok")
    stop = asyncio.Event()
    working = asyncio.create_task(work(sqlite_db, stop, JobBoard(sqlite_db)))
    await until(lambda: run_row(sqlite_db, run_id).status == "completed")
    assert worker_alive(sqlite_db)
    assert beats(sqlite_db) == []
    stop.set()
    await working
    assert not worker_alive(sqlite_db)
