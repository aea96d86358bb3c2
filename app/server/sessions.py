"""Which cookie belongs to whom, asked of the database at most once a second per browser."""

import time
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from core.canonical import sha256_text
from core.database import Database
from core.users import mark_seen, needs_seen, session_user

_FRESH_SECONDS = 1.0
_MOST = 10_000


class _Known(NamedTuple):
    user: str
    until: float


class Sessions:
    """Sessions of browsers; a revoked one is noticed within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, _Known] = {}

    async def user(self, cookie: str) -> str | None:
        """The name of the person behind a cookie; None when it is not good (any more)."""
        key = sha256_text(cookie)
        known = self._known.get(key)
        if known is not None and known.until > time.monotonic():
            return known.user
        name = await run_in_threadpool(self._look_up, cookie)
        if name is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = _Known(name, time.monotonic() + _FRESH_SECONDS)
        return name

    def _look_up(self, cookie: str) -> str | None:
        with self._database.read_scope() as session:
            user = session_user(session, cookie)
            due = user is not None and needs_seen(session, cookie)
        if due and user is not None:
            with self._database.session_scope(f"user:{user.name}") as session:
                mark_seen(session, cookie)
        return user.name if user else None
