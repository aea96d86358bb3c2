"""Limits of keys that hold over restarts and over processes, at the speed of memory.

Requests and tokens are counted in fixed windows of a minute, money in UTC days, streams while they
are open. A process takes allotments of them from the tables and spends those in memory; one
transaction at a time serves all keys that wait. What lies idle goes back within a second. What a
killed process held stays counted as spent until its window ends; the streams it had open are free
again when its lease runs out, 15 s after its last sign of life.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.database import Database
from core.errors import PromptstoneError
from serving.allotments import MINUTE_SECONDS, Amounts
from serving.clerk import Clerk
from serving.key_meters import Gates, KeyMeters
from serving.keys import LiveKey
from serving.limit_answers import Headers, headers, refusal

_SEEN_SECONDS = 0.2
"""So long a refusal stands without asking the tables again."""


@dataclass(slots=True, eq=False)
class Admission:
    """A call that may go ahead, with what was taken for it; `Meters.settle` ends it.

    `meters` is None for a key without limits.
    """

    key: LiveKey
    clock: Callable[[], float]
    meters: KeyMeters | None = None
    gates: Gates = ()
    amounts: Amounts = (0, 0, 0, 0)
    settled: bool = False

    def headers(self) -> Headers:
        """`x-ratelimit-…` of the limits that the key has."""
        return headers(self.gates, self.clock())


class Meters:
    """The limits of all keys in one process; made and used on its event loop, closed at its end.

    `clock` gives seconds since 1970 and decides about windows only.
    """

    def __init__(
        self,
        database: Database,
        actor: str = "serving",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._clerk = Clerk(database, actor, clock)

    async def admit(self, key: LiveKey, *, tokens: int, cost_nano: int, stream: bool) -> Admission:
        """Take what a call may need; raises RateLimited, QuotaExhausted for the day's budget.

        `tokens` and `cost_nano` (10^-9 US dollars) are estimates that `settle` corrects. A key
        without limits never waits.
        """
        self._clerk.used.add(key.id)
        if not key.is_limited:
            return Admission(key, self._clock)
        amounts = (1, tokens, cost_nano, int(stream))
        meters = self._meters(key)
        gates = meters.gates
        if self._clerk.is_asked(meters):
            gates = await self._granted(meters, amounts)
        elif meters.fits(amounts):
            meters.take(gates, amounts, self._loop.time())
        else:
            lacking = meters.lacking(amounts, self._loop.time() - _SEEN_SECONDS)
            if lacking is not None:
                raise refusal(key.name, gates, lacking, amounts[lacking.at], self._clock())
            gates = await self._granted(meters, amounts)
        return Admission(key, self._clock, meters, gates, amounts)

    def settle(self, admission: Admission, *, tokens: int, cost_nano: int) -> None:
        """Correct the estimates by what was used, free the stream; a second time does nothing."""
        if admission.settled:
            return
        admission.settled = True
        key, meters = admission.key, admission.meters
        if meters is not None:
            used = (1, tokens, cost_nano, 0)
            meters.settle(admission.gates, admission.amounts, used, self._loop.time())
        if cost_nano and key.budget_nano is None:
            self._meters(key, newer=False).day.put_back(-cost_nano, self._loop.time())

    async def close(self) -> None:
        """Give back what is unspent and write what is owed; calls under way stay as estimated."""
        await self._clerk.close()

    def _meters(self, key: LiveKey, *, newer: bool = True) -> KeyMeters:
        """What is held for a key, whose limits may be other ones than before if it is `newer`."""
        meters = self._clerk.keys.get(key.id)
        if meters is None:
            meters = self._clerk.keys[key.id] = KeyMeters(key)
        minute = int(self._clock() // MINUTE_SECONDS)
        if meters.minute != minute or (newer and meters.key is not key):
            meters.turn(key if newer else meters.key, minute)
        return meters

    async def _granted(self, meters: KeyMeters, amounts: Amounts) -> Gates:
        asked = self._clerk.ask(meters, amounts)
        try:
            found = await asked
        except asyncio.CancelledError:
            if asked.done() and not asked.cancelled():
                self._withdraw(meters, asked.result(), amounts)
            raise
        if isinstance(found, PromptstoneError):
            raise found
        return found

    def _withdraw(
        self, meters: KeyMeters, found: Gates | PromptstoneError, amounts: Amounts
    ) -> None:
        """Undo what a caller was granted who was cancelled before learning of it."""
        if not isinstance(found, PromptstoneError):
            meters.settle(found, amounts, (0, 0, 0, 0), self._loop.time())
