"""The kinds of jobs that are open, read once for all in a process who look for work."""

import asyncio
import time
from types import TracebackType
from typing import Self

from sqlalchemy import select
from sqlmodel import col

from core.changes import Changes
from core.database import Database
from core.models import Job

FRESH_SECONDS = 0.1
_KINDS = select(col(Job.kind)).where(col(Job.state).in_(("queued", "running"))).distinct()


class JobBoard:
    """Says whether a look at the jobs of a kind is worth it; `with` frees what it holds.

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._changes.close()

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
