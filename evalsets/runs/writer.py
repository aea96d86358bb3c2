"""The one writer of a run: a thread that commits whatever waits as soon as it is free."""

import asyncio
import queue
import threading
import time
from copy import copy
from typing import NamedTuple

from core.database import Database
from core.jobs import Claim
from evalsets.runs.ledger import Change, Tally, apply


class _Waiting(NamedTuple):
    change: Change
    done: "asyncio.Future[None]"


class Writer:
    """Commits changes in the order of `write`, those that wait together in one transaction.

    No timer holds a commit back: under load the commit itself gathers the next group. `totals` is
    what the last commit left in the run's row, `seconds` how long the run has run before. After
    an error (`broken`) nothing more is written.
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

    def write(self, change: Change) -> "asyncio.Future[None]":
        """Resolves when the change is committed; with LostLease when the run has a new owner.

        What is written within one step of the event loop shares a transaction.
        """
        done: asyncio.Future[None] = self._loop.create_future()
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
        if self.broken is None:
            try:
                self._write(waiting)
            except BaseException as error:  # whatever it was, the waiters must learn of it
                self.broken = error
        self._loop.call_soon_threadsafe(_resolve, waiting, self.broken)

    def _write(self, waiting: list[_Waiting]) -> None:
        whole = Change()
        for one in waiting:
            whole.merge(one.change)
        totals = copy(self.totals)
        totals.add(whole.tally)
        with self._database.exclusive_connection() as connection:
            apply(connection, self._claim, whole, totals, self.seconds)
        self.totals = totals


def _resolve(waiting: list[_Waiting], error: BaseException | None) -> None:
    for one in waiting:
        if one.done.done():
            continue
        if error is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(error)
            one.done.exception()  # a slot that was cancelled will never look
