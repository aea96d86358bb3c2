"""The one writer of traces: a thread that commits what waits as one group, several times a second.

Whoever answers a call only puts its record down. A database that is gone holds up nobody: what
waits is kept in bounded memory and tried again.
"""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from core.database import Database
from serving.records import CallRecord
from serving.trace_rows import weight
from serving.trace_writer import TraceWriter

log = logging.getLogger("promptstone.serving")

MOST_IN_GROUP = 200
"""Calls of one transaction, all of whose rows are in memory at once."""
_LONGEST_PAUSE = 5.0


class _Waiting(NamedTuple):
    record: CallRecord
    weight: int


@dataclass
class Counts:
    """What became of the records so far; `dropped` had to make room while nothing could be kept.

    `contents_dropped`: calls of which only figures were kept. `unkept`: values that no column
    holds. `failures`: groups that had to be tried again.
    """

    written: int = 0
    dropped: int = 0
    contents_dropped: int = 0
    unkept: int = 0
    failures: int = 0


class Recorder:
    """Takes records from any thread and never raises; `close` writes all that waits.

    What waits holds at most about `most_bytes` and `most_rows`: beyond, contents go first, then
    the oldest calls.
    """

    def __init__(
        self,
        database: Database,
        group_seconds: float = 0.15,
        *,
        most_bytes: int = 64 << 20,
        most_rows: int = 50_000,
    ) -> None:
        self.counts = Counts()
        self._writer = TraceWriter(database)
        self._group_seconds = group_seconds
        self._most_bytes, self._most_rows = most_bytes, most_rows
        self._bytes = 0
        self._waiting: dict[str, _Waiting] = {}
        self._writing: dict[str, _Waiting] = {}
        self._changed = threading.Condition()
        self._urgent = self._closed = False
        self._pause = group_seconds
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, record: CallRecord) -> None:
        """Take a record over; it must not be changed any more."""
        taken = _Waiting(record, weight(record))
        with self._changed:
            self._waiting[record.id] = taken
            if len(self._waiting) in (1, MOST_IN_GROUP):
                self._changed.notify_all()
            self._bytes += taken.weight
            if self._bytes > self._most_bytes or len(self._waiting) > self._most_rows:
                self._make_room()

    def pending(self, request_id: str) -> bool:
        """Whether a call's record waits to be written."""
        return request_id in self._waiting or request_id in self._writing

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._waiting) + len(self._writing)

    async def settled(self, request_id: str, seconds: float = 2.0) -> None:
        """Return once a call's record is no longer pending, hurried, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while self.pending(request_id) and time.monotonic() < deadline:
            self._hurry()
            await asyncio.sleep(0.01)

    def flush(self, seconds: float = 5.0) -> bool:
        """Write all that waits now; whether it was done in time."""
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            self._hurry()
            time.sleep(0.01)
        return not self.waiting

    def close(self, seconds: float = 5.0) -> bool:
        """Write all that waits and end the thread; whether nothing was left."""
        done = self.flush(seconds)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1.0)
        if not done:
            log.error("%d calls could not be recorded before the end", self.waiting)
        return done

    def _hurry(self) -> None:
        with self._changed:
            self._urgent = True
            self._changed.notify_all()

    def _make_room(self) -> None:
        """Forget contents, oldest first, then the oldest calls; called under the lock."""
        heavy = [one for one in self._waiting.values() if one.record.content is not None]
        for one in heavy:
            if self._bytes <= self._most_bytes * 0.9:
                break
            one.record.content = None
            light = _Waiting(one.record, weight(one.record))
            self._waiting[one.record.id] = light
            self._bytes -= one.weight - light.weight
            self.counts.contents_dropped += 1
        while len(self._waiting) > self._most_rows:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._bytes -= oldest.weight
            self.counts.dropped += 1

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            try:
                unkept = self._writer.write(group)
            except Exception as error:  # whatever it was, it is tried again
                self._keep(error)
            else:
                self._done(unkept)

    def _next_group(self) -> list[CallRecord] | None:
        """What waits, after the time to gather; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._is_due, self._pause)
            self._urgent = False
            if self._closed:
                return None
            self._writing = dict(islice(self._waiting.items(), MOST_IN_GROUP))
            for key in self._writing:
                del self._waiting[key]
            self._bytes -= sum(one.weight for one in self._writing.values())
            return [one.record for one in self._writing.values()]

    def _is_due(self) -> bool:
        # A database that is gone is asked after its pause, however much waits.
        full = len(self._waiting) >= MOST_IN_GROUP and self._pause <= self._group_seconds
        return self._urgent or self._closed or full

    def _done(self, unkept: int) -> None:
        with self._changed:
            self.counts.unkept += unkept
            self.counts.written += len(self._writing)
            self._writing = {}
            self._pause = self._group_seconds

    def _keep(self, error: Exception) -> None:
        if self._pause <= self._group_seconds:
            log.warning("calls cannot be recorded (%s); they are kept", type(error).__name__)
        with self._changed:
            self.counts.failures += 1
            self._waiting = {**self._writing, **self._waiting}
            self._bytes += sum(one.weight for one in self._writing.values())
            self._writing = {}
            self._pause = min(2 * max(self._pause, 0.05), _LONGEST_PAUSE)
            self._make_room()
