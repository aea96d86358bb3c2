"""The one in a process who goes to the tables of limits: for all keys that wait, then again.

No timer holds a request back: while a transaction runs, the next ones gather.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.clock import new_id
from core.database import Database
from core.errors import PromptstoneError, Unauthorized, Unavailable
from serving.allotments import STREAMS, Amounts, Return
from serving.granting import Ask, Due, Grant, Share, Work, carry_out
from serving.key_meters import Gates, KeyMeters
from serving.limit_answers import refusal

TICK_SECONDS = 0.25
_NOTE_SECONDS = 5.0
"""So often the tables learn what keys without a budget spent, and when keys were last used."""
_PAUSE_SECONDS = 0.5
log = logging.getLogger("promptstone.serving")


class _Waiting(NamedTuple):
    amounts: Amounts
    found: "asyncio.Future[Gates | PromptstoneError]"


class _Order(NamedTuple):
    work: Work
    meters: KeyMeters | None
    gates: Gates = ()
    waiting: tuple[_Waiting, ...] = ()
    returns: tuple[Return, ...] = ()


class Clerk:
    """Serves `ask` in the order of the calls, gives back what lies idle, renews leases."""

    def __init__(self, database: Database, actor: str, clock: Callable[[], float]) -> None:
        self.keys: dict[str, KeyMeters] = {}
        self.used: set[str] = set()
        self._database = database
        self._actor = actor
        self._clock = clock
        self._process = new_id()
        self._waiting: dict[str, list[_Waiting]] = {}
        self._loop = asyncio.get_running_loop()
        self._noted = self._loop.time()
        self._wake = asyncio.Event()
        self._closing = False
        self._is_certain = True
        self._task = self._loop.create_task(self._run())

    def is_asked(self, meters: KeyMeters) -> bool:
        """Whether calls of this key wait, behind which others have to stand."""
        return meters.asking or meters.key.id in self._waiting

    def ask(
        self, meters: KeyMeters, amounts: Amounts
    ) -> "asyncio.Future[Gates | PromptstoneError]":
        """Resolves when the tables have granted or refused what a call needs."""
        found: asyncio.Future[Gates | PromptstoneError] = self._loop.create_future()
        if self._closing:
            found.set_result(Unavailable("The server is stopping. Try again when it is up."))
            return found
        self._waiting.setdefault(meters.key.id, []).append(_Waiting(amounts, found))
        self._wake.set()
        return found

    async def close(self) -> None:
        """Serve who waits, give back what is unspent, write what is owed, end the leases."""
        self._closing = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while not self._closing:
            await self._round()
            if not self._waiting and not self._closing:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._wake.wait()
        while self._waiting:
            await self._round()
        await self._round()

    async def _round(self) -> None:
        orders = self._orders()
        if not orders:
            return
        try:
            grants = await asyncio.to_thread(self._write, [order.work for order in orders])
        except Exception:
            log.exception("the limits of keys cannot be read or written")
            for order in orders:
                self._undo(order)
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        for order, grant in zip(orders, grants, strict=True):
            self._done(order, grant)

    def _write(self, works: Sequence[Work]) -> list[Grant | None]:
        self._is_certain = True
        with self._database.session_scope(self._actor) as session:
            grants = carry_out(session, self._process, works)
            self._is_certain = False
        return grants

    def _orders(self) -> list[_Order]:
        now = self._loop.time()
        notes = self._closing or now - self._noted >= _NOTE_SECONDS
        used: set[str] = set()
        if notes:
            self._noted, used, self.used = now, self.used, set()
        waiting, self._waiting = self._waiting, {}
        found: list[_Order] = []
        for key_id in {*self.keys, *used}:
            here = [one for one in waiting.get(key_id, ()) if not one.found.done()]
            order = self._order(key_id, here, key_id in used, notes)
            if order is not None:
                found.append(order)
        return found

    def _order(
        self, key_id: str, waiting: Sequence[_Waiting], used: bool, notes: bool
    ) -> _Order | None:
        meters = self.keys.get(key_id)
        if meters is None:
            return _Order(Work(key_id, used=True), None)
        now, minute = self._loop.time(), int(self._clock() // 60)
        meters.asking = bool(waiting)
        if waiting:
            meters.turn(meters.key, minute)
        returns = meters.returns(now, minute, all_of_it=self._closing, notes=notes)
        given = [one for one in returns if one.allotment.meter != STREAMS]
        held = meters.lease(now, changed=len(given) < len(returns), ending=self._closing)
        work = Work(
            key_id,
            _asked(meters, waiting) if waiting else None,
            tuple(Due(one.allotment.meter, one.allotment.window, one.amount) for one in given),
            held,
            used,
        )
        if work == Work(key_id):
            if meters.is_idle:
                del self.keys[key_id]
            return None
        return _Order(work, meters, meters.gates, tuple(waiting), tuple(returns))

    def _undo(self, order: _Order) -> None:
        for one in order.returns:
            # What a commit of unknown end may have given back must not be spent here, too.
            if self._is_certain or one.amount < 0:
                one.allotment.grant(one.amount)
        if order.work.used:
            self.used.add(order.work.key_id)
        problem = Unavailable(
            "The limits of this key cannot be checked, because the database does not answer. Try "
            "again in a few seconds."
        )
        self._end(order, [problem] * len(order.waiting))

    def _done(self, order: _Order, grant: Grant | None) -> None:
        meters, now = order.meters, self._loop.time()
        if meters is None:
            return
        if grant is None:
            meters.forget()
            gone = Unauthorized("This key is gone. Use another one.", code="invalid_api_key")
            self._end(order, [gone] * len(order.waiting))
            return
        if order.waiting or order.work.held is not None:
            meters.renewed = now
        for one, taken, left in zip(order.gates, grant.taken, grant.left, strict=False):
            one.grant(taken)
            one.left, one.seen = left, now
        answered = list(zip(order.waiting, grant.short, strict=True))
        for waiting, short in answered:
            # Its caller may have left meanwhile.
            if short is None and not waiting.found.done():
                meters.take(order.gates, waiting.amounts, now)
        self._end(
            order,
            [None if at is None else self._refusal(order, at, w.amounts) for w, at in answered],
        )

    def _refusal(self, order: _Order, short: int, amounts: Amounts) -> PromptstoneError:
        assert order.meters is not None
        one = order.gates[short]
        name = order.meters.key.name
        return refusal(name, order.gates, one, amounts[one.at], self._clock())

    def _end(self, order: _Order, answers: Sequence[PromptstoneError | None]) -> None:
        """Tell those who waited; None goes ahead."""
        if order.meters is not None:
            order.meters.asking = False
        for waiting, problem in zip(order.waiting, answers, strict=True):
            if not waiting.found.done():
                waiting.found.set_result(problem or order.gates)


def _asked(meters: KeyMeters, waiting: Sequence[_Waiting]) -> Ask:
    gates = meters.gates
    shares = tuple(Share(one.meter, one.window, one.limit, one.have, one.held) for one in gates)
    return Ask(shares, tuple(tuple(w.amounts[one.at] for one in gates) for w in waiting))
