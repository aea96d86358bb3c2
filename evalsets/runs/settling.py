"""What came of a run's calls: rows for the writer, cells for the judges and for those who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from connectors.wire import ChatFailure
from core.clock import utcnow
from evalsets.runs import outcomes
from evalsets.runs.feed import KnownAnswer
from evalsets.runs.followers import Followers
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import Change
from evalsets.runs.outcomes import Attempted, Failed, NamedScore, Place
from evalsets.runs.ownership import Owned
from evalsets.runs.rounds import next_round
from evalsets.runs.scoring import Scoring
from evalsets.runs.unkept import KIND as UNKEPT
from evalsets.runs.unkept import REFUSALS, sentence_of, unkept
from evalsets.runs.writer import Writer

_UNSENT_AT_ONCE = 256


class Settling:
    """The ends of a run's work; `open_cells` counts those that have none yet."""

    def __init__(
        self,
        run: Owned,
        lanes: Sequence[Lane],
        writer: Writer,
        scoring: Scoring,
        keep: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`keep` makes a task part of the run."""
        self.run = run
        self.place = Place(run.claim.ref, run.dataset)
        self.lanes = lanes
        self.writer = writer
        self.scoring = scoring
        self.judges = run.manifest.judges
        self.open_cells = run.pending
        self.followers = Followers()
        self.hand_out: dict[Lane, Callable[[Sequence[Work]], Awaitable[None]]] = {}
        self._keep = keep
        self._unsent = 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send."""
        return self.open_cells == 0 and not any(
            lane.unsettled or lane.to_judge for lane in self.lanes
        )

    # -- answers ---------------------------------------------------------------------------

    async def take(self, change: Change, work: Work, known: KnownAnswer) -> None:
        """Fill a cell, score it by its judge, or go on, with the answer that `change` records."""
        more = next_round(self.run.manifest, work, known)
        if more is not None:
            self._keep(self._go_on(change, work, known, more))
            return
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
            scores = await self.scoring.scores(work, known)
            outcomes.add_filled(change, self.place, work, known, scores, cached=cached)
        else:
            score = self.scoring.verdict(work, known)
            outcomes.add_score(change, self.place, work.cell, score, known.id)
            change.tally.judge_cached += cached

    async def _go_on(self, change: Change, work: Work, known: KnownAnswer, more: Work) -> None:
        """Once an answer with tool calls is kept: ask on, for those too who waited for it."""
        if not await self.writer.write(change):
            failed = Change()
            self._add_failed(failed, work, UNKEPT, "Its tool calls cannot be stored as text.")
            self.writer.write(failed)
            return
        followers = self.followers.released(work)
        following = [next_round(self.run.manifest, one, known) for one in followers]
        await self.hand_out[work.lane]([more, *(one for one in following if one is not None)])
        for one in (work, *followers):
            one.lane.settle()

    def _committed(self, work: Work, known: KnownAnswer, done: "asyncio.Future[bool]") -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if not done.result():
            self.followers.pass_on(work)
            self.cells_settled(work.judge is None)
            return
        if followers := self.followers.released(work):
            self._keep(self._share(followers, known))
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

    def take_failure(
        self, lane: Lane, work: Work, attempt: Attempted, outcome: ChatFailure
    ) -> None:
        """End work that failed, or try it again later."""
        change = Change()
        outcomes.add_failed_attempt(change, self.place, attempt, outcome, utcnow())
        delay = lane.gate.retry_delay(outcome, work.tries)
        if delay is None:
            self._add_failed(change, work, outcome.kind, outcome.message)
        elif not lane.stopped:
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

    async def refuse(self, work: Work, reason: str) -> None:
        """Fail work unsent: of a model whose circuit is open, or a judge's without a budget."""
        change = Change()
        self._add_failed(change, work, "circuit_open", reason)
        done = self.writer.write(change)
        self._unsent += 1
        if self._unsent % _UNSENT_AT_ONCE == 0:
            await done
