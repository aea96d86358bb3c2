"""How processes learn that a worker lives: a note in a lock, and a heartbeat for other folders.

On SQLite all share one data folder, so the lock says it all. On PostgreSQL a worker may live on
another machine: it keeps a row of `settings`, which is withdrawn at its end and believed for a
lease after the last beat.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from core.clock import utcnow
from core.database import Database
from core.errors import Unavailable
from core.jobs import LEASE_SECONDS, place
from core.locks import FileLock, holder_note
from core.models import Setting

ACTOR = "worker"
BEAT_SECONDS = 4.0
_SEEN = "worker.seen."


def _path(data: Path) -> Path:
    return data / "locks" / "worker.lock"


class Worker(NamedTuple):
    """The live worker of a data folder."""

    pid: int


def worker_lock(data: Path) -> FileLock:
    """Held by the worker of a data folder while it lives."""
    return FileLock(_path(data))


def live_worker(data: Path) -> Worker | None:
    """The worker that takes runs of this data folder now, if one lives."""
    note = holder_note(_path(data))
    if note is None:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return Worker(int(orjson.loads(note)["pid"]))
    return Worker(0)


def worker_alive(database: Database) -> bool:
    """Whether a queued run will be taken by itself, here or elsewhere on this database."""
    if live_worker(database.settings.data) is not None:
        return True
    if database.is_sqlite:
        return False
    with database.read_scope() as session:
        return heard_elsewhere(session, database.settings.data)


def heard_elsewhere(session: Session, data: Path) -> bool:
    """Whether a worker of another folder beats; of our own folder the lock knows it at once."""
    return any(not key.startswith(_here(data)) for key in _heard(session))


def heard_here(session: Session, data: Path) -> bool:
    """Whether the worker of this folder beats, as one whose loop hangs does not."""
    return any(key.startswith(_here(data)) for key in _heard(session))


def _here(data: Path) -> str:
    return f"{_SEEN}{place(data)}:"


def _heard(session: Session) -> list[str]:
    """The rows of those that beat within a lease."""
    alive = utcnow() - timedelta(seconds=LEASE_SECONDS)
    query = select(Setting).where(col(Setting.key).startswith(_SEEN))
    return [row.key for row in session.exec(query) if datetime.fromisoformat(row.value) > alive]


def note() -> str:
    """What the worker writes into its lock."""
    return orjson.dumps({"pid": os.getpid()}).decode()


@contextlib.asynccontextmanager
async def beating(database: Database) -> AsyncIterator[None]:
    """Keep this worker's heartbeat while the block runs; where nobody else could read it, none."""
    if database.is_sqlite:
        yield
        return
    key = f"{_here(database.settings.data)}{os.getpid()}"
    await asyncio.to_thread(_beat, database, key)
    task = asyncio.create_task(_keep_beating(database, key))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(_withdraw, database, key)


async def _keep_beating(database: Database, key: str) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        await asyncio.to_thread(_beat, database, key)


_DATABASE = (SQLAlchemyError, Unavailable)


def _beat(database: Database, key: str) -> None:
    # The next beat may get through, and a missing one says the truth.
    with contextlib.suppress(*_DATABASE), database.session_scope(ACTOR) as session:
        session.merge(Setting(key=key, value=utcnow().isoformat()))


def _withdraw(database: Database, key: str) -> None:
    """Our own row, and those of workers that were killed long ago."""
    old = utcnow() - timedelta(days=1)
    with contextlib.suppress(*_DATABASE), database.session_scope(ACTOR) as session:
        for row in session.exec(select(Setting).where(col(Setting.key).startswith(_SEEN))):
            if row.key == key or datetime.fromisoformat(row.value) < old:
                session.delete(row)
