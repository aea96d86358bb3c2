"""One owner's turn at a run: open its models, work, listen for asks, leave it in a right state."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from sqlmodel import Session, select

from connectors.connections import Connections
from core.clock import utcnow
from core.database import Database
from core.errors import LostLease
from core.jobs import LEASE_SECONDS
from evalsets.models import Run
from evalsets.runs.doors import models_of, open_lane, read_doors, renew_lane
from evalsets.runs.feeders import Feeder
from evalsets.runs.forecast import earlier_outputs
from evalsets.runs.lanes import Lane
from evalsets.runs.ledger import Change
from evalsets.runs.ownership import End, Owned, leave
from evalsets.runs.runner import DRAIN_SECONDS, Engine
from evalsets.runs.scoring import open_scoring
from evalsets.runs.writer import Writer

ASK_SECONDS = 0.25
REFRESH_SECONDS = 1.0
log = logging.getLogger("promptstone.runs")
T = TypeVar("T")


class Terms(NamedTuple):
    """How an owner works: its lease, and whether a shutdown leaves the run to the next worker."""

    lease: float = LEASE_SECONDS
    again: bool = True


async def execute(
    database: Database,
    run: Owned,
    connections: Connections,
    stop: asyncio.Event,
    terms: Terms | None = None,
) -> End:
    """Work on a run until it ends, pauses, or `stop` is set; the end is written, then returned.

    Raises LostLease, with nothing more written, when another owner has taken it over.
    """
    terms = terms or Terms()
    try:
        end = await _work(database, run, connections, stop, terms)
    except LostLease:
        log.warning("run %s has a new owner", run.claim.ref)
        raise
    except Exception as error:
        log.exception("run %s failed", run.claim.ref)
        cause = (str(error).splitlines() or [""])[0][:300]
        end = End("failed", f"{type(error).__name__}: {cause}. `promptstone run retry` goes on.")
    await asyncio.to_thread(leave, database, run.claim, end)
    return end


async def _work(
    database: Database, run: Owned, connections: Connections, stop: asyncio.Event, terms: Terms
) -> End:
    models = models_of(run.manifest)
    doors = await asyncio.to_thread(read_doors, database, run.manifest, models)
    lanes = [
        open_lane(connections, run.manifest, model, door)
        for model, door in zip(models, doors, strict=True)
    ]
    writer = Writer(database, run.claim, run.tally, run.seconds)
    known = await asyncio.to_thread(_earlier_outputs, database, run, lanes)
    scoring = await asyncio.to_thread(open_scoring, database, run.manifest)
    engine = Engine(run, lanes, writer, scoring, known)
    _obey(engine, run.wanted)
    feeders = [Feeder(database, engine.settling, lane) for lane in lanes]
    for feeder in feeders:
        await feeder.find_unjudged()
    for feeder in feeders:
        engine.keep(feeder.run())
    work = asyncio.create_task(engine.work())
    listen = asyncio.create_task(_Listener(database, connections, engine, stop, terms).run())
    try:
        await asyncio.wait({work, listen}, return_when=asyncio.FIRST_COMPLETED)
        if listen.done():
            listen.result()
        await work
    finally:
        await _quiet(listen)
        engine.abandon()
        await _quiet(work)
        await writer.close()
    if writer.broken is not None:
        raise writer.broken
    return _end(engine, terms)


def _earlier_outputs(database: Database, run: Owned, lanes: Sequence[Lane]) -> list[int | None]:
    """As the plan guesses, so that a budget above the plan's cost is enough; only where needed."""
    if run.budget is None and all(lane.gate.limits.tpm is None for lane in lanes):
        return []
    with database.read_scope() as session:
        return earlier_outputs(session, run.manifest.arms)


async def _quiet(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def _end(engine: Engine, terms: Terms) -> End:
    match engine.stop_asked:
        case _ if engine.settling.finished:
            return End("completed")
        case None:
            return End("failed", "The run ended with cells left. Resume it, and report this.")
        case "pause":
            return End("paused", "command")
        case "cancel":
            return End("cancelled", "command")
        case "budget":
            return End("paused", "budget")
        case "shutdown":
            return End("paused", "shutdown", again=terms.again)


def _obey(engine: Engine, wanted: str | None) -> None:
    if wanted == "pause":
        engine.stop("pause")
    elif wanted == "cancel":
        engine.stop("cancel")


class _Asked(NamedTuple):
    wanted: str | None
    budget: Decimal | None


class _Listener:
    """Listens for asks in the database and for the shutdown; keeps the lease and the limits."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        engine: Engine,
        stop: asyncio.Event,
        terms: Terms,
    ) -> None:
        self._database = database
        self._connections = connections
        self._engine = engine
        self._stop = stop
        self._terms = terms

    async def run(self) -> None:
        """Ends only by cancelling, or with the error of a heartbeat that lost the lease."""
        loop = asyncio.get_running_loop()
        beat = fresh = loop.time()
        while True:
            if await self._stopped_within(ASK_SECONDS):
                return await self._shut_down()
            asked = await self._read(self._asked)
            _obey(self._engine, asked.wanted)
            self._engine.admission.budget.raise_to(asked.budget)
            if loop.time() - beat >= self._terms.lease / 3:
                beat = loop.time()
                await self._beat()
            if loop.time() - fresh >= REFRESH_SECONDS:
                fresh = loop.time()
                await self._refresh()

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _shut_down(self) -> None:
        self._engine.stop("shutdown")
        await asyncio.sleep(DRAIN_SECONDS)
        self._engine.abandon()
        await asyncio.sleep(DRAIN_SECONDS)

    def _asked(self, session: Session) -> _Asked:
        run = session.exec(select(Run).where(Run.id == self._engine.settling.place.run_id)).one()
        return _Asked(run.wanted, run.budget)

    async def _beat(self) -> None:
        until = utcnow() + timedelta(seconds=self._terms.lease)
        await self._engine.writer.write(Change(lease_until=until))

    async def _refresh(self) -> None:
        manifest = self._engine.run.manifest
        lanes = self._engine.lanes
        models = [lane.model for lane in lanes]
        doors = await asyncio.to_thread(read_doors, self._database, manifest, models)
        for lane, door in zip(lanes, doors, strict=True):
            renew_lane(self._connections, manifest, lane, door)
            if not lane.stopped:
                self._engine.fit_slots(lane)

    async def _read(self, query: Callable[[Session], T]) -> T:
        def read() -> T:
            with self._database.read_scope() as session:
                return query(session)

        return await asyncio.to_thread(read)
