"""The rows of backends as their watcher reads and writes them: short transactions, only on change.

On PostgreSQL several machines share the table. A row belongs to the watcher of the place that it
was added at, until that one has been silent for a while.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import col, select

from connectors.backends.figures import Figures
from connectors.backends.keeper import Keeper
from connectors.backends.models import Backend, BackendSettings, State
from connectors.backends.prepare import is_name
from core.clock import utcnow
from core.database import Database
from core.jobs import place

ACTOR = "system:backends"
BEAT_SECONDS = 10.0
SILENT_SECONDS = 45.0


class Asked(NamedTuple):
    """What is asked of a backend; `since` is its turn."""

    settings: BackendSettings
    running: bool
    since: datetime
    adapters: Mapping[str, str]


class Seen(NamedTuple):
    """What a backend is; `again` is the seconds until it is tried again."""

    state: State
    reason: str | None
    progress: float | None = None
    base_url: str | None = None
    pid: int | None = None
    restarts: int = 0
    figures: Figures = Figures()
    adapters: tuple[str, ...] = ()
    again: float = 0

    @classmethod
    def of(cls, keeper: Keeper, restarts: int) -> "Seen":
        """What its keeper knows."""
        refused = list(keeper.holding.refused.values())
        return cls(
            keeper.state, refused[0] if refused else None, keeper.progress, keeper.address.root,
            keeper.pid, restarts, keeper.figures, tuple(keeper.holding.loaded),
        )  # fmt: skip

    def values(self) -> dict[str, Any]:
        """As columns."""
        later = f" It is tried again in about {self.again:.0f} s." if self.again > 5 else ""
        return {
            "state": self.state,
            "reason": f"{self.reason}{later}" if self.reason else None,
            "progress": self.progress,
            "base_url": self.base_url,
            "pid": self.pid,
            "restarts": self.restarts,
            "figures": self.figures.model_dump(mode="json", exclude_none=True),
            "adapters": list(self.adapters),
        }

    @property
    def standing(self) -> tuple[object, ...]:
        """What is written at once when it changes; the rest waits for the next beat."""
        return (self.state, self.reason, self.progress, self.base_url, self.pid, self.restarts,
                self.adapters, self.figures.position)  # fmt: skip


class Rows:
    """The rows that are this watcher's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._here = place(database.settings.data)
        self._written: dict[str, tuple[Seen, datetime]] = {}

    def read(self) -> dict[str, Asked]:
        """What is asked, of each backend that is ours to run."""
        with self._database.read_scope() as session:
            found = list(session.exec(select(Backend)))
        return {row.name: _asked(row) for row in found if self._is_ours(row)}

    def write(self, seen: Mapping[str, Seen]) -> None:
        """Keep what changed, and say now and then that somebody watches."""
        now = utcnow()
        due = {name: one for name, one in seen.items() if self._is_due(name, one, now)}
        if not due:
            return
        with self._database.session_scope(ACTOR) as session:
            for name, one in due.items():
                changed = {**one.values(), "seen_at": now, "owner": self._here}
                if one.figures.running or one.figures.waiting or one.figures.tokens_per_second:
                    changed["used_at"] = now
                session.connection().execute(
                    update(Backend).where(col(Backend.name) == name).values(**changed)
                )
        self._written |= {name: (one, now) for name, one in due.items()}

    def want(self, name: str, wanted: str) -> None:
        """Ask for it to run, as a call does, or to stop, as idleness does."""
        changed = {"wanted": wanted, "asked_at": utcnow()}
        with self._database.session_scope(ACTOR) as session:
            session.connection().execute(
                update(Backend).where(col(Backend.name) == name).values(**changed)
            )

    def _is_due(self, name: str, seen: Seen, now: datetime) -> bool:
        before = self._written.get(name)
        if before is None or before[0].standing != seen.standing:
            return True
        if (now - before[1]).total_seconds() < (BEAT_SECONDS if seen == before[0] else 2.0):
            return False
        return seen.state != "stopped" or seen != before[0]

    def _is_ours(self, row: Backend) -> bool:
        if self._database.is_sqlite or row.owner in (None, self._here):
            return True
        silent = utcnow() - timedelta(seconds=SILENT_SECONDS)
        if row.seen_at is not None and row.seen_at > silent:
            return False
        source = BackendSettings.model_validate(row.settings)
        here = is_name(source.source) or Path(source.source).exists()
        return row.wanted == "running" and (here or source.base_url is not None)


def _asked(row: Backend) -> Asked:
    return Asked(
        BackendSettings.model_validate(row.settings),
        row.wanted == "running",
        row.asked_at or row.created_at,
        dict(row.asked_adapters),
    )
