"""Feeders: they turn open cells and answered cells into ready work, a few rounds ahead."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlmodel import Session

from connectors.wire import ChatRequest
from core.database import Database
from evalsets.runs import outcomes
from evalsets.runs.feed import (
    JudgedCell,
    KnownAnswer,
    OpenCell,
    judged_cells,
    known_answers,
    open_cells,
    unscored_cells,
)
from evalsets.runs.judged_pairs import NO_PARTNER, alone, askable
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import Change
from evalsets.runs.outcomes import Failed, NamedScore
from evalsets.runs.prepare import Unrunnable, request_key
from evalsets.runs.retrieving import aprepare_cases
from evalsets.runs.rounds import split
from evalsets.runs.settling import Settling
from rag.answer import Source

_PAGES = 4
_MOST_WAITING = 2048
_LOOK_AGAIN = 0.5

T = TypeVar("T")


class Feeder:
    """Fills one lane from the database: cells of its arms in order, and its judges' work."""

    def __init__(self, database: Database, settling: Settling, lane: Lane) -> None:
        self._database = database
        self._settling = settling
        self._lane = lane
        settling.hand_out[lane] = self._hand_out
        self._run_id = settling.place.run_id
        self._cache = settling.run.manifest.cache
        self._paired: set[tuple[int, int]] = set()

    async def run(self) -> None:
        """Feed until nothing more can come, or the run stops; `find_unjudged` comes before."""
        if self._lane.arms:
            await self._feed_cells()
        while self._lane.judges and not self._lane.stopped:
            if await self._feed_judges():
                continue
            if self._settling.open_cells == 0:
                await self._leave_alone()
                break
            await self._lane.nudged(_LOOK_AGAIN)
        self._lane.fed = True
        self._lane.wake()

    async def _feed_cells(self) -> None:
        after = -1
        while page := await self._page(after):
            after = page[-1].number
            for group in _groups(page, self._lane.group):
                await self._room()
                if self._lane.stopped:
                    return
                await self._feed_group(group)
                await self._feed_judges()

    async def _page(self, after: int) -> list[OpenCell]:
        size = self._lane.group * _PAGES
        return await self._read(lambda s: open_cells(s, self._run_id, self._lane.arms, after, size))

    async def _room(self) -> None:
        while self._settling.followers.waiting > _MOST_WAITING and not self._lane.stopped:
            await self._lane.nudged(_LOOK_AGAIN)
        await self._lane.hunger()

    async def _feed_group(self, cells: Sequence[OpenCell]) -> None:
        ready: list[Work] = []
        for arm in sorted({cell.arm for cell in cells}):
            own = [cell for cell in cells if cell.arm == arm]
            prepared = await aprepare_cases(
                self._database,
                self._settling.run.manifest.arms[arm],
                [cell.inputs for cell in own],
            )
            for cell, (request, sources) in zip(own, prepared, strict=True):
                if isinstance(request, Unrunnable):
                    self._fail(cell, request)
                else:
                    ready.append(self._cell_work(cell, request, sources))
        ready.sort(key=lambda work: work.cell)
        await self._hand_out(ready)

    def _fail(self, cell: OpenCell, problem: Unrunnable) -> None:
        change = Change()
        failed = Failed(problem.kind, problem.sentence, cell.attempts, cell.interrupted)
        outcomes.add_failed_cell(change, self._settling.place, cell.number, failed)
        self._settling.writer.write(change)
        self._settling.cells_settled(1)

    def _cell_work(
        self, cell: OpenCell, request: ChatRequest, sources: Sequence[Source] | None
    ) -> Work:
        return Work(
            self._lane,
            cell.number,
            cell.arm,
            cell.case_id,
            cell.inputs,
            cell.expected,
            request,
            request_key(self._lane.model, request, cell.repeat),
            tags=cell.tags,
            sources=None if sources is None else [one.row() for one in sources],
            attempts=cell.attempts,
            interrupted=cell.interrupted,
        )

    # -- equal calls -----------------------------------------------------------------------

    async def _hand_out(self, works: Sequence[Work]) -> None:
        """Take earlier answers, join calls that are under way, queue the rest."""
        new = [work for work in works if not self._settling.followers.join(work)]
        found = await self._known([work.key for work in new]) if new else {}
        reused: list[tuple[Work, KnownAnswer]] = []
        for work in new:
            known = found.get(work.key)
            if known is not None:
                reused.append((work, known))
            elif not self._settling.followers.join(work):
                self._settling.followers.lead(work)
                self._lane.feed(work)
        ends, more = split(self._settling.run.manifest, reused)
        if ends:
            await self._reuse(ends)
        if more:
            await self._hand_out(more)

    async def _known(self, keys: Sequence[str]) -> Mapping[str, KnownAnswer]:
        only, arms = None if self._cache else self._run_id, self._settling.run.manifest.arms
        rounds = any(arm.prompt is not None and bool(arm.prompt.content.mocks) for arm in arms)
        return await self._read(lambda s: known_answers(s, keys, only_run=only, rounds=rounds))

    async def _reuse(self, reused: Sequence[tuple[Work, KnownAnswer]]) -> None:
        change = Change()
        for work, known in reused:
            await self._settling.add_filled(change, work, known, cached=True)
        kept = await self._settling.writer.write(change)
        self._settling.reused([work for work, _ in reused], kept=kept)

    # -- judges ----------------------------------------------------------------------------

    async def find_unjudged(self) -> None:
        """Judge work that an earlier owner left: looked for before the first answer can come."""
        for judge in self._lane.judges:
            name = self._settling.judges[judge].name
            cells = await self._read(lambda s, n=name: unscored_cells(s, self._run_id, n))
            self._lane.to_judge.extend((judge, cell) for cell in cells)

    async def _feed_judges(self) -> bool:
        """Feed one group of judge work; False when there was none."""
        lane = self._lane
        if not lane.to_judge:
            return False
        size = min(lane.group, len(lane.to_judge))
        taken = [lane.to_judge.popleft() for _ in range(size)]
        await self._room()
        for judge in sorted({judge for judge, _ in taken}):
            numbers = [cell for j, cell in taken if j == judge]
            others = await self._others(judge, numbers)
            numbers = numbers if others is None else [*others]
            cells = await self._read(lambda s, n=numbers: judged_cells(s, self._run_id, n))
            await self._feed_judge(judge, cells, others)
        return True

    async def _others(self, judge: int, numbers: Sequence[int]) -> Mapping[int, str] | None:
        """For a judge of pairs: cells that now have both answers, each handed out once."""
        base = self._settling.scoring.paired(judge)
        if base is None:
            return None
        name = self._settling.judges[judge].name
        found = await self._read(lambda s: askable(s, self._run_id, numbers, base, name))
        new = {cell: text for cell, text in found.items() if (judge, cell) not in self._paired}
        self._paired.update((judge, cell) for cell in new)
        return new

    async def _leave_alone(self) -> None:
        """Answers whose pair has failed are unscored, with that reason, until it is retried."""
        for judge in self._lane.judges:
            base = self._settling.scoring.paired(judge)
            if base is None:
                continue
            name = self._settling.judges[judge].name
            await self._settling.writer.write(Change())  # what failed last stands there now
            left = await self._read(lambda s, b=base, n=name: alone(s, self._run_id, b, n))
            change = Change()
            for cell in left:
                score = NamedScore(name, None, NO_PARTNER)
                outcomes.add_score(change, self._settling.place, cell, score)
            if left:
                await self._settling.writer.write(change)

    async def _feed_judge(
        self, judge: int, cells: Sequence[JudgedCell], others: Mapping[int, str] | None
    ) -> None:
        scoring = self._settling.scoring
        texts = await self._read(lambda s: scoring.passages(s, judge, cells))
        subjects = scoring.subjects(cells, texts, others)
        requests = await scoring.judge_requests(judge, subjects)
        works: list[Work] = []
        for cell, subject, request in zip(cells, subjects, requests, strict=True):
            if isinstance(request, Unrunnable):
                self._unjudged(judge, cell, request)
                continue
            key = request_key(self._lane.model, request, cell.repeat)
            works.append(
                Work(
                    self._lane,
                    cell.number,
                    cell.arm,
                    cell.case_id,
                    cell.inputs,
                    cell.expected,
                    request,
                    key,
                    judge=judge,
                    subject=subject,
                )
            )
        await self._hand_out(works)

    def _unjudged(self, judge: int, cell: JudgedCell, problem: Unrunnable) -> None:
        change = Change()
        score = NamedScore(self._settling.judges[judge].name, None, problem.sentence)
        outcomes.add_score(change, self._settling.place, cell.number, score)
        self._settling.writer.write(change)

    async def _read(self, query: Callable[[Session], T]) -> T:
        def read() -> T:
            with self._database.read_scope() as session:
                return query(session)

        return await asyncio.to_thread(read)


def _groups(cells: Sequence[T], size: int) -> list[Sequence[T]]:
    return [cells[start : start + size] for start in range(0, len(cells), size)]
