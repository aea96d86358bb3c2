"""What looks after published apps beside their calls: canaries, alerts, samples, old calls."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from connectors.connections import Connections
from core.clock import utcnow
from core.database import Database
from core.duty import Duty

if TYPE_CHECKING:
    from serving.judging import Judged, Work
    from serving.models import App

CANARY_SECONDS = 3.0
JUDGE_SECONDS = 5.0
ALERT_SECONDS = 15.0
EXPIRE_SECONDS = 600.0
_TICK = 1.0
_ANY = text("SELECT 1 FROM apps LIMIT 1")
log = logging.getLogger("promptstone.serving")


@dataclass
class _Round:
    """Something that is done every so many seconds; it begins one period after the start."""

    seconds: float
    do: Callable[[], Awaitable[None]]
    due: float = 0.0


async def keep_watching(database: Database, stop: asyncio.Event) -> None:
    """Do all rounds until `stop` is set; the trouble of one holds up no other.

    Of several workers one does them: two would pay a judge twice.
    """
    duty = Duty(database, "watching")
    async with Connections(database.settings.data) as connections:
        watch = _Watch(database, connections)
        rounds = [
            _Round(CANARY_SECONDS, watch.canaries),
            _Round(JUDGE_SECONDS, watch.samples),
            _Round(ALERT_SECONDS, watch.alerts),
            _Round(EXPIRE_SECONDS, watch.expire),
        ]
        for one in rounds:
            one.due = time.monotonic() + one.seconds
        while not stop.is_set():
            for one in rounds:
                if time.monotonic() >= one.due and not stop.is_set():
                    await _done(one, duty)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK)
    await asyncio.to_thread(duty.leave)


async def _done(one: _Round, duty: Duty) -> None:
    try:
        if await asyncio.to_thread(duty.is_mine):
            await one.do()
    except Exception:
        log.exception("a round of watching failed; it is done again later")
    one.due = time.monotonic() + one.seconds


class _Watch:
    """The rounds; what they need is loaded with the first app there is."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    async def canaries(self) -> None:
        """End canaries that lose."""
        if await self._apps():
            await asyncio.to_thread(self._judge_canaries)

    def _judge_canaries(self) -> None:
        from serving.canary import losing_canaries, stop_canaries

        with self._database.read_scope() as session:
            losing = losing_canaries(session)
        if losing:
            with self._database.session_scope("system:canary") as session:
                stop_canaries(session, losing)

    async def alerts(self) -> None:
        """Tell what is due."""
        if await self._apps():
            from serving.alerts import tell_due

            await tell_due(self._database)

    async def samples(self) -> None:
        """Let the judges of apps look at a few calls each."""
        for app in await self._apps():
            from serving import judging

            work = await asyncio.to_thread(self._work_of, app)
            if work is not None:
                judged = await judging.ask(self._connections, work)
                await asyncio.to_thread(self._keep, work, judged)

    def _work_of(self, app: "App") -> "Work | None":
        from serving import judging

        with self._database.read_scope() as session:
            return judging.work_of(session, self._database, app, utcnow())

    def _keep(self, work: "Work", judged: "list[Judged]") -> None:
        from serving import judging

        with self._database.session_scope(judging.ACTOR) as session:
            judging.keep(session, work, judged)

    async def expire(self) -> None:
        """Let go of what is past its days."""
        if await self._apps():
            await asyncio.to_thread(self._expire)

    def _expire(self) -> None:
        from serving import idempotency, retention

        left = 1
        while left:
            with self._database.session_scope("system:retention") as session:
                left = retention.expire(session, utcnow())
        with self._database.session_scope("system:retention") as session:
            idempotency.sweep(session)

    async def _apps(self) -> "list[App]":
        return await asyncio.to_thread(self._read_apps)

    def _read_apps(self) -> "list[App]":
        with self._database.read_scope() as session:
            if not session.connection().execute(_ANY).first():
                return []
            from sqlmodel import select

            from serving.models import App

            return list(session.exec(select(App)))
