"""The engine of a run: one event loop, bounded slots over an iterator, nothing held in memory.

A slot records an attempt, sends it, and records its answer together with its next attempt; it is
taken until that commit. Feeders prepare work a few rounds ahead (`evalsets.runs.feeders`).
"""

import asyncio
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from connectors.wire import ChatAnswer, ChatError, ChatFailure, failure
from core.clock import utcnow
from evalsets.runs import outcomes
from evalsets.runs.budget import Budget, Guesser
from evalsets.runs.feed import KnownAnswer
from evalsets.runs.followers import Followers
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import ZERO, Change
from evalsets.runs.outcomes import Attempted, Failed, NamedScore, Place
from evalsets.runs.ownership import Owned
from evalsets.runs.scoring import Scoring
from evalsets.runs.unkept import KIND as UNKEPT
from evalsets.runs.unkept import REFUSALS, sentence_of, unkept
from evalsets.runs.writer import Writer

DRAIN_SECONDS = 10.0
_UNSENT_AT_ONCE = 256

Why = Literal["pause", "cancel", "budget", "shutdown"]


class Engine:
    """A run in work: lanes with their slots, the budget, and the leaders of equal calls."""

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
        self.place = Place(run.claim.ref, run.dataset)
        self.lanes = lanes
        self.writer = writer
        self.scoring = scoring
        self.judges = run.manifest.judges
        known = outputs or [None] * len(run.manifest.arms)
        self.guessers = [*map(Guesser, known), *(Guesser() for _ in self.judges)]
        spent = (run.tally.cost or ZERO) + (run.tally.judge_cost or ZERO) + run.maybe_paid
        self.budget = Budget(run.budget, spent)
        self.open_cells = run.pending
        self.followers = Followers()
        self.stop_asked: Why | None = None
        self._attempt = run.next_attempt
        self._tasks: dict[asyncio.Task[None], Lane | None] = {}
        self._may_be_cancelled: set[asyncio.Task[None]] = set()
        self._unsent = 0

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
        """As many slots as the model's concurrency; too many leave one by one at the gate."""
        have = sum(1 for owner in self._tasks.values() if owner is lane)
        for _ in range(lane.gate.limits.concurrency - have):
            self.keep(self._slot(lane), lane)

    def keep(self, task: Coroutine[Any, Any, None], lane: Lane | None = None) -> None:
        """Make a task part of the run: the run ends after it, and its error is the run's."""
        self._tasks[asyncio.create_task(task)] = lane

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send, whatever was asked."""
        return self.open_cells == 0 and not any(
            lane.unsettled or lane.to_judge for lane in self.lanes
        )

    def stop(self, why: Why) -> None:
        """Send nothing more; what is in flight is kept. A later shutdown keeps the first reason."""
        self.stop_asked = self.stop_asked or why
        for lane in self.lanes:
            lane.stop()
        self.budget.wake()
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
                await self._refuse(work, lane.closed)
                continue
            self._may_be_cancelled.add(task)
            try:
                entered = await self._enter(lane, work)
            finally:
                self._may_be_cancelled.discard(task)
            if entered:
                await self._send(lane, work)
            elif self.stop_asked is None:
                lane.again(work)

    async def _enter(self, lane: Lane, work: Work) -> bool:
        """Pass the budget and the model's gate; False when the work must not be sent now."""
        work.tokens = 0
        if self.budget.total is not None or lane.gate.limits.tpm is not None:
            guess = self.guessers[self._guesser(work)].guess(work.request)
            work.tokens = sum(guess)
            if not await self._afford(work, guess.cost(lane.model.price)):
                return False
        entered = False
        try:
            entered = await lane.gate.acquire(work.tokens)
        finally:
            if not entered:
                self._spend(work, ZERO)
        if entered and self.stop_asked is not None:
            lane.gate.release(None, work.tokens)
            self._spend(work, ZERO)
            entered = False
        return entered

    async def _afford(self, work: Work, cost: Decimal) -> bool:
        while not self.budget.admits(cost):
            if self.stop_asked is None and self.budget.reserved <= 0:
                self.stop("budget")
            if self.stop_asked is not None:
                return False
            await self.budget.changed()
        work.cost = cost
        self.budget.reserve(cost)
        return True

    def _spend(self, work: Work, cost: Decimal) -> None:
        """What was set aside for a call becomes what it took."""
        self.budget.settle(work.cost, cost)
        work.cost = ZERO

    def _guesser(self, work: Work) -> int:
        return work.arm if work.judge is None else len(self.run.manifest.arms) + work.judge

    async def _send(self, lane: Lane, work: Work) -> None:
        work.tries += 1
        evaluator = None if work.judge is None else self.judges[work.judge].name
        attempt, self._attempt = Attempted(self._attempt, evaluator), self._attempt + 1
        change = Change()
        outcomes.add_start(change, self.place, work, attempt, utcnow())
        await self.writer.write(change)
        try:
            outcome = await self._ask(lane, work)
        except asyncio.CancelledError:
            lane.gate.release(None, work.tokens)
            raise
        lane.gate.release(outcome, work.tokens)
        if isinstance(outcome, ChatAnswer):
            await self._take(lane, work, attempt, outcome)
        else:
            self._take_failure(lane, work, attempt, outcome)

    async def _ask(self, lane: Lane, work: Work) -> ChatAnswer | ChatFailure:
        try:
            return await lane.ask(work.request)
        except ChatError as error:
            return error.failure
        except Exception as error:  # a connector's own mistake is this cell's, not the run's
            text = f"{type(error).__name__}: {error}. `promptstone run retry` sends it again."
            return failure("bad_request", text)

    # -- answers ---------------------------------------------------------------------------

    async def _take(self, lane: Lane, work: Work, attempt: Attempted, answer: ChatAnswer) -> None:
        change = Change()
        known = outcomes.add_answer(change, self.place, lane.model, work, attempt, answer, utcnow())
        self._spend(work, known.cost or ZERO)
        if work.tokens:
            self.guessers[self._guesser(work)].learn(work.request, answer.usage)
        try:
            await self.add_filled(change, work, known, cached=False)
        except REFUSALS as error:  # an answer that cannot be told by its text, as half a character
            why = sentence_of(error)
            change = unkept(change, why)
            self._add_failed(change, work, UNKEPT, why)
            self.writer.write(change)
            return
        work.lane.settle()
        done = self.writer.write(change)
        done.add_done_callback(partial(self._committed, work, known))

    async def add_filled(
        self, change: Change, work: Work, known: KnownAnswer, *, cached: bool
    ) -> None:
        """The end of work that has an answer."""
        if work.judge is None:
            scores = await self.scoring.scores(work.arm, work.inputs, work.expected, known)
            outcomes.add_filled(change, self.place, work, known, scores, cached=cached)
        else:
            score = self.scoring.verdict(work.judge, known)
            outcomes.add_score(change, self.place, work.cell, score, known.id)
            change.tally.judge_cached += cached

    def _committed(self, work: Work, known: KnownAnswer, done: "asyncio.Future[bool]") -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if not done.result():
            self.followers.pass_on(work)
            self.cells_settled(work.judge is None)
            return
        if followers := self.followers.released(work):
            self.keep(self._share(followers, known))
        if work.judge is None:
            self.cells_answered([work.cell])

    async def _share(self, followers: Sequence[Work], known: KnownAnswer) -> None:
        """Cells with an equal call take the answer of the one that was sent."""
        change = Change()
        for work in followers:
            await self.add_filled(change, work, known, cached=True)
        kept = await self.writer.write(change)
        for work in followers:
            work.lane.settle()
        self.reused(followers, kept=kept)

    def reused(self, works: Sequence[Work], *, kept: bool) -> None:
        """Cells that took an answer which was there; not `kept`, they have failed."""
        cells = [work.cell for work in works if work.judge is None]
        if kept:
            self.cells_answered(cells)
        else:
            self.cells_settled(len(cells))

    def cells_answered(self, cells: Sequence[int]) -> None:
        """Hand cells whose answers are committed to the judges."""
        for lane in self.lanes if self.judges else ():
            lane.to_judge.extend((judge, cell) for judge in lane.judges for cell in cells)
            lane.nudge()
        self.cells_settled(len(cells))

    def cells_settled(self, number: int) -> None:
        """Cells came to their end; after the last one no judge gets more work."""
        self.open_cells -= number
        if self.open_cells == 0:
            for lane in self.lanes:
                lane.nudge()

    # -- failures --------------------------------------------------------------------------

    def _take_failure(
        self, lane: Lane, work: Work, attempt: Attempted, outcome: ChatFailure
    ) -> None:
        self._spend(work, ZERO)
        change = Change()
        outcomes.add_failed_attempt(change, self.place, attempt, outcome, utcnow())
        delay = lane.gate.retry_delay(outcome, work.tries)
        if delay is None:
            self._add_failed(change, work, outcome.kind, outcome.message)
        elif self.stop_asked is None:
            lane.later(work, delay)
        self.writer.write(change)

    def _add_failed(self, change: Change, work: Work, kind: str, error: str) -> None:
        """The end of work without an answer; an equal call that waited for it goes on its own."""
        self.followers.pass_on(work)
        work.lane.settle()
        if work.judge is not None:
            score = NamedScore(self.judges[work.judge].name, None, error)
            outcomes.add_score(change, self.place, work.cell, score)
            return
        failed = Failed(kind, error, work.attempts + work.tries, work.interrupted)
        outcomes.add_failed_cell(change, self.place, work.cell, failed)
        self.cells_settled(1)

    async def _refuse(self, work: Work, reason: str) -> None:
        """Fail work of a model whose circuit is open, unsent."""
        change = Change()
        self._add_failed(change, work, "circuit_open", reason)
        done = self.writer.write(change)
        self._unsent += 1
        if self._unsent % _UNSENT_AT_ONCE == 0:
            await done
