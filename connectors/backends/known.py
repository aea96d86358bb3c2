"""What a watcher remembers of a backend between its rounds."""

import asyncio
import time
from dataclasses import dataclass, field

from connectors.backends.figures import Figures
from connectors.backends.keeper import Keeper
from connectors.backends.notes import Note
from connectors.backends.outside import Outside
from connectors.backends.prepare import Prepared
from connectors.backends.rows import Asked, Seen

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
STEADY_SECONDS = 60.0
"""A server that was ready for so long begins with the first pause again."""


@dataclass
class Trouble:
    """Why one does not run, and from when on it is tried again."""

    reason: str
    again: float
    asked: Asked

    @property
    def is_over(self) -> bool:
        """Whether it is time to try again."""
        return time.monotonic() >= self.again


@dataclass
class Known:
    """One backend; `told` is what its callers were told last, while it has no keeper."""

    keeper: Keeper | None = None
    prepared: Prepared | None = None
    trouble: Trouble | None = None
    look: "asyncio.Task[str | None] | asyncio.Task[None] | None" = None
    told: Note | None = None
    restarts: int = 0
    failures: int = 0
    ready_at: float | None = None
    position: int | None = None
    parked: str | None = None
    outside: Outside = field(default_factory=Outside)

    def heard(self, asked: Asked) -> None:
        """Forget what no longer holds because somebody asked anew, or otherwise."""
        before = self.trouble.asked if self.trouble is not None else asked
        if (before.settings, before.since, before.running) != (
            asked.settings, asked.since, asked.running,
        ):  # fmt: skip
            self.trouble, self.failures = None, 0
        if self.prepared is not None and self.prepared.settings != asked.settings:
            self.prepared = None

    def is_ready(self) -> None:
        """It answers."""
        self.trouble = None
        self.ready_at = self.ready_at or time.monotonic()

    def fails(self, reason: str, asked: Asked) -> None:
        """Wait before the next try, each time longer."""
        if self.ready_at is not None and time.monotonic() - self.ready_at > STEADY_SECONDS:
            self.failures = 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self.failures)
        self.failures = min(self.failures + 1, 20)
        self.trouble = Trouble(reason, time.monotonic() + pause, asked)
        self.prepared = None

    def waits(self, position: int) -> str:
        """Why it is queued, in words."""
        assert self.prepared is not None
        self.position, self.trouble = position, None
        return _waiting(position, self.prepared)

    def seen(self, asked: Asked) -> Seen:
        """What it is now."""
        if asked.settings.base_url is not None:
            return self.outside.seen(asked)
        if self.keeper is not None:
            self.parked = None
            return Seen.of(self.keeper, self.restarts)
        if not asked.running:
            return Seen("stopped", self.parked, restarts=self.restarts)
        if self.trouble is not None:
            # In tens, because each change is a write.
            again = max(0, round(self.trouble.again - time.monotonic(), -1))
            return Seen("failed", self.trouble.reason, restarts=self.restarts, again=again)
        if self.position is None or self.prepared is None:
            return Seen("queued", None, restarts=self.restarts)
        reason = _waiting(self.position, self.prepared)
        figures = Figures(position=self.position, reserved=self.prepared.planned.need)
        return Seen("queued", reason, restarts=self.restarts, figures=figures)


def _waiting(position: int, prepared: Prepared) -> str:
    need = prepared.planned.need / (1 << 30)
    return f"It waits for {need:.1f} GiB of memory, as number {position} of the queue."
