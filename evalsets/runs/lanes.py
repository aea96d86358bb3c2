"""One model's share of a run: the calls that are ready for it, and where they are sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.limits import ModelGate
from connectors.wire import ChatAnswer, ChatRequest, Target
from evalsets.evaluators.subjects import Subject
from evalsets.runs.feed import KnownAnswer
from evalsets.runs.manifest import FrozenModel

Ask = Callable[[ChatRequest], Awaitable[ChatAnswer]]


@dataclass(slots=True, eq=False)
class Work:
    """A call to make for a cell: its answer, or a judge's word on it (`judge` counts from 0).

    `sources` are the passages in the call, as they are stored with the cell. `subject` is what a
    judge is asked about.

    `tries` are attempts of this round, `attempts` those of earlier ones. `cost` is the estimate
    that is set aside of the budget while the call is under way; `refused` is why it will not be
    sent though the run goes on. `round` counts rounds of mocked tools from 0, and `before` is the
    answer of the last one with the sums of all.
    """

    lane: "Lane"
    cell: int
    arm: int
    case_id: str
    inputs: Mapping[str, Any]
    expected: str | None
    request: ChatRequest
    key: str
    tags: Sequence[str] = ()
    sources: list[dict[str, Any]] | None = None
    judge: int | None = None
    subject: Subject | None = None
    attempts: int = 0
    interrupted: bool = False
    tries: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    refused: str | None = None
    round: int = 0
    before: KnownAnswer | None = None


@dataclass(eq=False)
class Lane:
    """A queue of work for one model, filled ahead by a feeder and emptied by slots.

    `unsettled` counts work that was fed and has no end yet; `fed` says that no more will come.
    `ahead` counts attempts that are recorded and wait at the gate, at most `spare` at a time.
    `closed` is why nothing is sent any more, when the model's circuit has opened.
    """

    model: FrozenModel
    gate: ModelGate
    target: Target
    ask: Ask
    arms: tuple[int, ...] = ()
    judges: tuple[int, ...] = ()
    closed: str | None = None
    fed: bool = False
    stopped: bool = False
    unsettled: int = 0
    ahead: int = 0
    to_judge: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    _ready: deque[Work] = field(default_factory=deque[Work])
    _idle: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    _later: dict[Work, asyncio.TimerHandle] = field(default_factory=dict[Work, asyncio.TimerHandle])
    _hungry: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def group(self) -> int:
        """How much is prepared at once: a few rounds of the slots, so that it is not stale."""
        return max(4, min(64, self.gate.limits.concurrency))

    @property
    def spare(self) -> int:
        """Slots beyond the model's concurrency: a few cover the time of a commit."""
        return self.gate.limits.concurrency // 16

    def feed(self, work: Work) -> None:
        """Append new work."""
        self.unsettled += 1
        self._ready.append(work)
        self._wake_one()

    def again(self, work: Work) -> None:
        """Put work back at the head of the queue."""
        self._later.pop(work, None)
        self._ready.appendleft(work)
        self._wake_one()

    def later(self, work: Work, seconds: float) -> None:
        """Put work back after a while."""
        loop = asyncio.get_running_loop()
        self._later[work] = loop.call_later(seconds, self.again, work)

    def settle(self) -> None:
        """One piece of work has come to its end."""
        self.unsettled -= 1
        if self.unsettled == 0:
            self.wake()

    async def next(self) -> Work | None:
        """Work to do; None when there will be no more."""
        while not self.stopped:
            if self._ready:
                if len(self._ready) <= self.group:
                    self._hungry.set()
                return self._ready.popleft()
            if self.fed and self.unsettled == 0:
                return None
            self._hungry.set()
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(waiting)
            await waiting
        return None

    async def hunger(self) -> None:
        """Wait until less than a group is ready."""
        while len(self._ready) > self.group and not self.stopped:
            self._hungry.clear()
            await self._hungry.wait()

    async def nudged(self, seconds: float) -> None:
        """Wait for a wake, a while at most."""
        self._hungry.clear()
        try:
            await asyncio.wait_for(self._hungry.wait(), seconds)
        except TimeoutError:
            return

    def nudge(self) -> None:
        """Let the feeder look again."""
        self._hungry.set()

    def close(self, reason: str) -> None:
        """The circuit is open: what waits for a retry ends now."""
        self.closed = self.closed or reason
        for work, timer in list(self._later.items()):
            timer.cancel()
            self.again(work)

    def stop(self) -> None:
        """Hand out nothing more; what waits stays pending in the database."""
        self.stopped = True
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        self.wake()

    def wake(self) -> None:
        """Let every idle slot and the feeder look again."""
        while self._idle:
            self._wake_one()
        self._hungry.set()

    def _wake_one(self) -> None:
        while self._idle:
            waiting = self._idle.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
