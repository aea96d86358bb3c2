"""What the pages and routes of one server process share; set once at start-up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.generate import Generations
from core.database import Database
from core.models import User
from core.settings import Settings
from core.users import session_user
from rag.searchers import close_searcher, searcher_of

if TYPE_CHECKING:
    from rag.searching import Searcher


@dataclass(frozen=True)
class Context:
    """The process's settings, database, running generations and the loop that they live on.

    `has_worker`: a worker is part of this server, so that it is not ready without one.
    """

    settings: Settings
    database: Database
    generations: Generations
    loop: asyncio.AbstractEventLoop
    has_worker: bool = False

    @property
    def cookie(self) -> str:
        """Name of the session cookie."""
        return cookie_name(self.settings)

    @property
    def searcher(self) -> "Searcher":
        """Indexes and embedders of knowledge bases, shared with runs; ends with the context."""
        return searcher_of(self.database)

    def close(self) -> None:
        """End what the context started itself."""
        close_searcher(self.database)

    def signed_in(self, cookies: Mapping[str, str]) -> User | None:
        """Who these cookies sign in, as the database says now."""
        cookie = cookies.get(self.cookie)
        if cookie is None:
            return None
        with self.database.read_scope() as session:
            return session_user(session, cookie)


def cookie_name(settings: Settings) -> str:
    """With the port, because a browser shows the cookies of one host to all its ports."""
    return f"promptstone_{settings.port}"


_current: Context | None = None


def set_context(context: Context | None) -> None:
    """Make `context` the process's own and close the one before; None at the end."""
    global _current
    before, _current = _current, context
    if before is not None and before is not context:
        before.close()


def current() -> Context:
    """The context of this process; a RuntimeError before the start has set it."""
    if _current is None:
        raise RuntimeError("the server has not set its context yet")
    return _current
