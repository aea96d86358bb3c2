"""Makes of what is asked of backends what is: one watcher for a data folder, in its worker.

Each round it reads the rows, starts what was asked for and fits, follows what runs, ends what
nobody wants, and writes what it saw. All that it started dies with it.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping

from connectors.backends import gpus, holdings, launch, naming, notes, orphans, prepare, rows
from connectors.backends.formats import CheckTemplate
from connectors.backends.gpus import Place
from connectors.backends.holdings import Holding
from connectors.backends.keeper import Keeper
from connectors.backends.known import Known
from connectors.backends.notes import Note
from connectors.backends.prepare import FindTrainer, Prepared
from connectors.backends.queue import Held, Placed, TooLarge, assign, promised
from connectors.backends.rows import Asked, Seen
from connectors.client import CheckedClient
from core.changes import Changes
from core.database import Database
from core.errors import PromptstoneError
from core.locks import FileLock

ROUND_SECONDS = 0.5
NUDGE_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
log = logging.getLogger("promptstone.backends")


class Watch:
    """`await Watch(database).run(stop)`; `check` looks at chat templates, `places` at memory.

    `trainer` finds the Python that has PEFT.
    """

    def __init__(
        self,
        database: Database,
        *,
        check: CheckTemplate | None = None,
        places: Callable[[], list[Place]] = gpus.places,
        trainer: FindTrainer | None = None,
    ) -> None:
        self._database = database
        self._data = database.settings.data
        self._check, self._places, self._trainer = check, places, trainer
        self._known: dict[str, Known] = {}
        self._nudged = 0
        self._rows = rows.Rows(database)
        self._changes = Changes(database)
        self._holding = Holding(self._data, "backends")

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; then everything is ended, and starts again with the next watcher."""
        lock = FileLock(notes.watch_lock(self._data))
        mine = False
        async with CheckedClient() as client:
            try:
                while not stop.is_set():
                    if not mine and lock.try_acquire(str(os.getpid())):
                        mine = True
                        await asyncio.to_thread(self._begin)
                    if mine:
                        await self._safely(client)
                    await self._pause(stop)
            finally:
                self._changes.close()
                if mine:
                    await self._leave()
                    lock.release()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Until the next round is due, or somebody asked for it."""
        until = time.monotonic() + ROUND_SECONDS
        look = NUDGE_SECONDS if self._known else ROUND_SECONDS
        while time.monotonic() < until and not stop.is_set():
            last = notes.nudged(self._data)
            if last != self._nudged:
                self._nudged = last
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), look)

    def _begin(self) -> None:
        """Leave nothing of a watcher that was killed."""
        mark = launch.mark_of(self._data, "")
        for place in notes.root(self._data).glob("*/server.json"):
            note = notes.read_file(place)
            if note is not None and note.pid is not None:
                orphans.end_session(note.pid, note.boot, mark)
            place.unlink(missing_ok=True)
        orphans.end_marked(mark)

    async def _safely(self, client: CheckedClient) -> None:
        try:
            await self._round(client)
        except Exception:
            log.exception("a round of watching backends failed; it is done again")
            self._changes.close()
            await asyncio.sleep(ROUND_SECONDS)
        finally:
            self._holding.tell(self._held())

    async def _round(self, client: CheckedClient) -> None:
        if not self._known and not self._changes.since_last():
            return
        asked = await asyncio.to_thread(self._rows.read)
        for name in set(self._known) - set(asked):
            await self._end(name)
            del self._known[name]
        if not asked:
            return
        for name in asked:
            self._known.setdefault(name, Known())
        await self._look(client, asked)
        await self._steer(asked)
        await self._place(asked)
        seen = {name: self._seen(name, one) for name, one in asked.items()}
        await asyncio.to_thread(self._rows.write, seen)

    async def _look(self, client: CheckedClient, asked: Mapping[str, Asked]) -> None:
        """Follow all servers at once; a slow one is waited for in the next rounds."""
        for name, one in asked.items():
            known = self._known[name]
            if known.look is None and known.keeper is not None:
                root = self._data / "tuning"
                looking = known.keeper.look(client, one.adapters, root)
                known.look = asyncio.create_task(looking)
            elif known.look is None and one.settings.base_url is not None:
                known.look = asyncio.create_task(known.outside.look(client, one))
        looks = [known.look for known in self._known.values() if known.look is not None]
        if looks:
            await asyncio.wait(looks, timeout=PATIENCE_SECONDS)
        for name, one in asked.items():
            await self._looked(name, one)

    async def _looked(self, name: str, asked: Asked) -> None:
        known = self._known[name]
        if known.look is None or not known.look.done():
            return
        look, known.look = known.look, None
        why = look.result()
        if known.keeper is None:
            return
        if known.keeper.state == "ready":
            known.is_ready()
        if why is not None:
            await self._end(name)
            known.restarts += 1
            self._failed(name, asked, why, final=False)

    async def _steer(self, asked: dict[str, Asked]) -> None:
        """End what is not wanted any more, or is wanted otherwise; wake what a call asked for."""
        for name, one in list(asked.items()):
            known = self._known[name]
            if one.settings.base_url is not None:
                continue
            if await asyncio.to_thread(notes.was_asked, self._data, name) and not one.running:
                await asyncio.to_thread(self._rows.want, name, "running")
            known.heard(one)
            keeper = known.keeper
            if keeper is not None and (not one.running or keeper.settings != one.settings):
                await self._end(name)
            elif keeper is not None and keeper.is_idle:
                await self._end(name)
                minutes = f"{keeper.settings.idle_minutes:g}"
                known.parked = f"It was idle for {minutes} minutes. A call starts it."
                await asyncio.to_thread(self._rows.want, name, "stopped")
                asked[name] = one._replace(running=False)

    async def _place(self, asked: Mapping[str, Asked]) -> None:
        """Start what fits, in the order in which it was asked for."""
        wanted = [name for name, one in asked.items() if self._wants(name, one)]
        if not wanted:
            return
        places = await asyncio.to_thread(self._places)
        asks = []
        for name in wanted:
            prepared = await self._prepared(name, asked[name], places)
            if prepared is not None:
                asks.append(prepared.ask(name, asked[name].since))
        with holdings.placing(self._data):
            decisions = assign(asks, places, [*self._held(), *self._holding.others()])
            self._holding.tell([*self._held(), *promised(asks, decisions)])
        for name, decision in decisions.items():
            if isinstance(decision, Placed):
                await self._start(name, asked[name], decision.place)
            elif isinstance(decision, TooLarge):
                self._failed(name, asked[name], decision.why)
            else:
                reason = self._known[name].waits(decision.position)
                self._tell(name, Note(state="queued", reason=reason))

    def _held(self) -> list[Held]:
        return [known.keeper.held for known in self._known.values() if known.keeper is not None]

    def _wants(self, name: str, asked: Asked) -> bool:
        known = self._known[name]
        if not asked.running or asked.settings.base_url is not None or known.keeper is not None:
            return False
        return known.trouble is None or known.trouble.is_over

    async def _prepared(self, name: str, asked: Asked, places: list[Place]) -> Prepared | None:
        known = self._known[name]
        if known.prepared is None:
            try:
                known.prepared = await asyncio.to_thread(
                    prepare.prepare, asked.settings, self._data, places, self._check, self._trainer
                )
            except (PromptstoneError, OSError) as error:
                self._failed(name, asked, str(error))
        return known.prepared

    async def _start(self, name: str, asked: Asked, place: Place) -> None:
        known = self._known[name]
        prepared, known.prepared = known.prepared, None
        assert prepared is not None
        model, mark = naming.served_model(asked.settings), launch.mark_of(self._data, name)
        folder = notes.folder_of(self._data, name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keeper = Keeper(self._data, name, asked.settings, model, prepared.planned, place.id, mark)
        try:
            start = prepare.start_of(prepared, place, model, folder, mark)
            await asyncio.to_thread(keeper.begin, start)
        except (PromptstoneError, OSError) as error:
            await keeper.end()
            self._failed(name, asked, f"It could not be started: {error}. Check the data folder.")
            return
        known.keeper, known.ready_at, known.told = keeper, None, None

    def _failed(self, name: str, asked: Asked, reason: str, *, final: bool = True) -> None:
        self._known[name].fails(reason, asked)
        self._tell(name, Note(state="failed", reason=reason, final=final))

    def _tell(self, name: str, note: Note) -> None:
        known = self._known[name]
        if known.told != note:
            notes.write_note(self._data, name, note)
            known.told = note

    async def _end(self, name: str) -> None:
        known = self._known[name]
        if known.look is not None:
            known.look.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await known.look
            known.look = None
        keeper, known.keeper = known.keeper, None
        if keeper is not None:
            await keeper.end()

    def _seen(self, name: str, asked: Asked) -> Seen:
        known = self._known[name]
        if not asked.running and asked.settings.base_url is None and known.told is not None:
            notes.drop_note(self._data, name)
            known.told = None
        return known.seen(asked)

    async def _leave(self) -> None:
        await asyncio.gather(*(self._end(name) for name in self._known))
        self._holding.end()
        seen = {name: Seen("stopped", None) for name in self._known}
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self._rows.write, seen)
