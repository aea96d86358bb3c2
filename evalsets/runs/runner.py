"""The engine of a run: one event loop, bounded slots over an iterator, nothing held in memory.

A slot records an attempt, passes the model's gate, sends it, and records its answer together with
its next attempt; it is taken until that commit. A few slots more than the model takes calls wait at
the gate with their attempts recorded, so that no place there is empty for the time of a commit.
Feeders prepare work a few rounds ahead (`evalsets.runs.feeders`), what a call must pass is in
`admission`, what comes of it in `settling`.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Literal

from connectors.prices import cost as cost_of
from connectors.wire import ChatAnswer, ChatError, ChatFailure, failure
from core.clock import utcnow
from evalsets.runs import outcomes
from evalsets.runs.admission import Admission
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import ZERO, Change
from evalsets.runs.outcomes import Attempted
from evalsets.runs.ownership import Owned
from evalsets.runs.scoring import Scoring
from evalsets.runs.settling import Settling
from evalsets.runs.writer import Writer

DRAIN_SECONDS = 10.0

Why = Literal["pause", "cancel", "budget", "shutdown"]


class Engine:
    """A run in work: the slots of its lanes, and its stop."""

    def __init__(
        self,
        run: Owned,
        lanes: Sequence[Lane],
        writer: Writer,
        scoring: Scoring,
        outputs: Sequence[int | None] = (),
    ) -> None:
        """`outputs`: what answers of each arm took before, for the first guesses."""
        self.run = run
        self.lanes = lanes
        self.writer = writer
        self.settling = Settling(run, lanes, writer, scoring, self.keep)
        self.admission = Admission(run, outputs, lambda: self.stop("budget"))
        self.stop_asked: Why | None = None
        self._attempt = run.next_attempt
        self._tasks: dict[asyncio.Task[None], Lane | None] = {}
        self._may_be_cancelled: set[asyncio.Task[None]] = set()

    # -- the whole -------------------------------------------------------------------------

    async def work(self) -> None:
        """Run all slots to their end; raises what broke the writer or a slot."""
        for lane in self.lanes:
            self.fit_slots(lane)
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._tasks[task]
                if not task.cancelled():
                    task.result()

    def fit_slots(self, lane: Lane) -> None:
        """As many slots as the model's concurrency and a few; too many wait at the gate."""
        have = sum(1 for owner in self._tasks.values() if owner is lane)
        for _ in range(lane.gate.limits.concurrency + lane.spare - have):
            self.keep(self._slot(lane), lane)

    def keep(self, task: Coroutine[Any, Any, None], lane: Lane | None = None) -> None:
        """Make a task part of the run: the run ends after it, and its error is the run's."""
        self._tasks[asyncio.create_task(task)] = lane

    def stop(self, why: Why) -> None:
        """Send nothing more; what is in flight is kept. A later shutdown keeps the first reason."""
        self.stop_asked = self.stop_asked or why
        for lane in self.lanes:
            lane.stop()
        self.admission.wake()
        for task in list(self._may_be_cancelled):
            task.cancel()

    def abandon(self) -> None:
        """Give up what is in flight; the ledger will name it interrupted."""
        for task in list(self._tasks):
            task.cancel()

    # -- a slot ----------------------------------------------------------------------------

    async def _slot(self, lane: Lane) -> None:
        task = asyncio.current_task()
        assert task is not None
        while (work := await lane.next()) is not None:
            if lane.closed is None and lane.gate.circuit_reason is not None:
                lane.close(lane.gate.circuit_reason)
            if lane.closed is not None:
                await self.settling.refuse(work, lane.closed)
                continue
            self._may_be_cancelled.add(task)
            try:
                entered, recorded = await self._entered(lane, work)
            finally:
                self._may_be_cancelled.discard(task)
            if entered:
                await self._send(lane, work, recorded or await self._record(work))
            elif work.refused is not None:
                await self.settling.refuse(work, work.refused)
            elif self.stop_asked is None:
                lane.again(work)

    async def _entered(self, lane: Lane, work: Work) -> tuple[bool, Attempted | None]:
        """Whether the work may be sent now, and its attempt if that is recorded already.

        It is where only a call under way stands before it; what then is not sent is taken back.
        """
        if not await self.admission.afford(lane, work):
            return False, None
        ahead = lane.gate.opens_soon and lane.ahead < lane.spare
        attempt = self._next_attempt(work) if ahead else None
        entered = False
        lane.ahead += ahead
        try:
            if attempt is not None:
                await self._start(work, attempt)
            entered = await self.admission.enter(lane, work)
        finally:
            lane.ahead -= ahead
            if not entered:
                if attempt is not None:
                    self._take_back(work, attempt)
                self.admission.spend(work, ZERO)
        return entered, attempt

    async def _record(self, work: Work) -> Attempted:
        attempt = self._next_attempt(work)
        await self._start(work, attempt)
        return attempt

    def _next_attempt(self, work: Work) -> Attempted:
        evaluator = None if work.judge is None else self.settling.judges[work.judge].name
        attempt, self._attempt = Attempted(self._attempt, evaluator), self._attempt + 1
        return attempt

    def _start(self, work: Work, attempt: Attempted) -> "asyncio.Future[bool]":
        work.tries += 1
        change = Change()
        outcomes.add_start(change, self.settling.place, work, attempt, utcnow())
        return self.writer.write(change)

    def _take_back(self, work: Work, attempt: Attempted) -> None:
        work.tries -= 1
        change = Change()
        outcomes.add_unsent(change, self.settling.place, attempt)
        self.writer.write(change)

    async def _send(self, lane: Lane, work: Work, attempt: Attempted) -> None:
        try:
            outcome = await self._ask(lane, work)
        except asyncio.CancelledError:
            lane.gate.release(None, work.tokens)
            raise
        lane.gate.release(outcome, work.tokens)
        if isinstance(outcome, ChatAnswer):
            await self._take(lane, work, attempt, outcome)
        else:
            self.admission.spend(work, ZERO)
            self.settling.take_failure(lane, work, attempt, outcome)

    async def _ask(self, lane: Lane, work: Work) -> ChatAnswer | ChatFailure:
        try:
            return await lane.ask(work.request)
        except ChatError as error:
            return error.failure
        except Exception as error:  # a connector's own mistake is this cell's, not the run's
            text = f"{type(error).__name__}: {error}. `promptstone run retry` sends it again."
            return failure("bad_request", text)

    async def _take(self, lane: Lane, work: Work, attempt: Attempted, answer: ChatAnswer) -> None:
        change, place = Change(), self.settling.place
        known = outcomes.add_answer(change, place, lane.model, work, attempt, answer, utcnow())
        self.admission.spend(work, cost_of(answer.usage, lane.model.price) or ZERO)
        self.admission.learn(work, answer.usage)
        await self.settling.take(change, work, known)
