"""The kinds of jobs that are open, read once for all in a process who look for work."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import col

from core.changes import Changes
from core.database import Database
from core.models import Job

T = TypeVar("T")
FRESH_SECONDS = 0.1
_KINDS = select(col(Job.kind)).where(col(Job.state).in_(("queued", "running"))).distinct()


class JobBoard:
    """Says whether a look at the jobs of a kind is worth it; `close` frees what it holds.

    The table is read when the database was written, and at most every `FRESH_SECONDS`. A kind with
    jobs is looked at each time: whether an owner still lives stands in no table.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = Changes(database)
        self._kinds: frozenset[str] = frozenset()
        self._stale = True
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    def close(self) -> None:
        """Free its connection."""
        self._changes.close()

    async def find(self, kind: str, look: Callable[[Database], T | None]) -> T | None:
        """What `look` finds, in a thread, where a job of the kind is open."""
        return await asyncio.to_thread(look, self._database) if await self.has(kind) else None

    async def has(self, kind: str) -> bool:
        """Whether any job of the kind has not ended. Raises what the database raises."""
        async with self._reading:
            if time.monotonic() >= self._fresh_until:
                self._stale = self._changes.since_last() or self._stale
                if self._stale:
                    self._kinds = await asyncio.to_thread(self._read)
                    self._stale = False
                    self._fresh_until = time.monotonic() + FRESH_SECONDS
        return kind in self._kinds

    def _read(self) -> frozenset[str]:
        with self._database.read_scope() as session:
            return frozenset(session.connection().execute(_KINDS).scalars())
