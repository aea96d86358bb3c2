"""Whether somebody takes queued runs: a lock on this machine, a heartbeat row from others."""

import asyncio
import contextlib
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from core.clock import utcnow
from core.database import Database
from core.models import Setting
from evalsets.runs import worker

_KEY = "worker.seen"
_EVERY_SECONDS = 5
_GONE = timedelta(seconds=20)


def worker_alive(database: Database) -> bool:
    """Whether a worker lives in this data folder or, on PostgreSQL, anywhere on this database."""
    if worker.worker_alive(database.settings.data):
        return True
    if database.is_sqlite:
        return False
    with database.read_scope() as session:
        row = session.get(Setting, _KEY)
    return row is not None and utcnow() - datetime.fromisoformat(row.value) < _GONE


async def keep_telling(database: Database) -> None:
    """Write the heartbeat of this worker; only where other machines may read it."""
    while not database.is_sqlite:
        # The next one may get through, and a missing one says the truth.
        with contextlib.suppress(SQLAlchemyError):
            await asyncio.to_thread(_tell, database)
        await asyncio.sleep(_EVERY_SECONDS)


def _tell(database: Database) -> None:
    with database.session_scope("worker") as session:
        session.merge(Setting(key=_KEY, value=utcnow().isoformat()))
