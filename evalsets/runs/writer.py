"""The one writer of a run: a thread that commits whatever waits as soon as it is free."""

import asyncio
import logging
import queue
import threading
import time
from copy import copy
from typing import NamedTuple

from core.database import Database
from core.jobs import Claim
from evalsets.runs.ledger import Change, Tally, apply
from evalsets.runs.unkept import REFUSALS, keep_what_can_be

log = logging.getLogger("promptstone.runs")


class _Waiting(NamedTuple):
    change: Change
    done: "asyncio.Future[bool]"


class Writer:
    """Commits changes in the order of `write`, those that wait together in one transaction.

    No timer holds a commit back: under load the commit itself gathers the next group. `totals` is
    what the last commit left in the run's row, `seconds` how long the run has run before. A change
    that holds what the database refuses is written as failures of its cells; after any other error
    (`broken`) nothing more is written.
    """

    def __init__(self, database: Database, claim: Claim, totals: Tally, seconds: float) -> None:
        self.totals = totals
        self._database = database
        self._claim = claim
        self._seconds = seconds
        self._since = time.monotonic()
        self._now: list[_Waiting] = []
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self.broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"run-{claim.ref}", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """Time spent running, all owners together."""
        return self._seconds + time.monotonic() - self._since

    def write(self, change: Change) -> "asyncio.Future[bool]":
        """Resolves when the change is committed; with LostLease when the run has a new owner.

        False says that it could not be kept and its cells have failed instead. What is written
        within one step of the event loop shares a transaction.
        """
        done: asyncio.Future[bool] = self._loop.create_future()
        if not self._now:
            self._loop.call_soon(self._hand_over)
        self._now.append(_Waiting(change, done))
        return done

    async def close(self) -> None:
        """Commit what waits and end the thread; `broken` says what went wrong, if anything."""
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._now:
            self._queue.put(self._now)
            self._now = []

    def _run(self) -> None:
        while (waiting := self._queue.get()) is not None:
            waiting, ends = self._gathered(waiting)
            self._commit(waiting)
            if ends:
                return

    def _gathered(self, waiting: list[_Waiting]) -> tuple[list[_Waiting], bool]:
        """All that waits now, and whether it is the last."""
        while True:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                return waiting, False
            if more is None:
                return waiting, True
            waiting = waiting + more

    def _commit(self, waiting: list[_Waiting]) -> None:
        refused: list[Change] = []
        if self.broken is None:
            try:
                refused = self._write([one.change for one in waiting])
            except BaseException as error:  # whatever it was, the waiters must learn of it
                self.broken = error
        self._loop.call_soon_threadsafe(_resolve, waiting, refused, self.broken)

    def _write(self, changes: list[Change]) -> list[Change]:
        """Commit in order, in one transaction if nothing is refused; the changes that were."""
        whole = Change()
        for one in changes:
            whole.merge(one)
        try:
            self._apply(whole)
        except REFUSALS as error:
            if len(changes) == 1:
                log.warning(
                    "run %s: a change is refused: %s", self._claim.ref, type(error).__name__
                )
                keep_what_can_be(changes[0], error, self._apply)
                return changes
            half = len(changes) // 2
            return self._write(changes[:half]) + self._write(changes[half:])
        return []

    def _apply(self, change: Change) -> None:
        totals = copy(self.totals)
        totals.add(change.tally)
        with self._database.exclusive_connection() as connection:
            apply(connection, self._claim, change, totals, self.seconds)
        self.totals = totals


def _resolve(waiting: list[_Waiting], refused: list[Change], error: BaseException | None) -> None:
    for one in waiting:
        if one.done.done():
            continue
        if error is None:
            one.done.set_result(not any(one.change is change for change in refused))
        else:
            one.done.set_exception(error)
            one.done.exception()  # a slot that was cancelled will never look
