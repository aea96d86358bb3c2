"""Who executes runs: the worker of a data folder, or a command that waits for its run.

The worker's lock tells commands that a run will be taken care of; a run's own lock and lease
(`evalsets.runs.ownership`) tell who may write it.
"""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from connectors.connections import Apps, Connections
from core.database import Database
from core.errors import LostLease
from core.job_board import JobBoard
from evalsets.models import Run
from evalsets.runs.execution import Terms, execute
from evalsets.runs.ownership import KIND, Owned, owned
from evalsets.runs.service import get_run
from evalsets.runs.worker_note import beating, note, worker_alive, worker_lock
from prompts.template import renderer

POLL_SECONDS = 0.2
RUNS_AT_ONCE = 4
_SETTLED = ("completed", "cancelled", "failed", "paused")
T = TypeVar("T")
log = logging.getLogger("promptstone.worker")


def serve(main: Coroutine[Any, Any, T]) -> T:
    """Run `work` or `run_here` as all that a process does: on uvloop, its garbage seldom looked at.

    What was imported is never garbage, and looking through it again and again took a sixth of the
    CPU of a call.
    """
    renderer().launch()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    return uvloop.run(main)


AnswerApps = Callable[[Database, Connections], Apps]
"""Who answers for apps that are arms of runs; they stand above this floor."""


async def work(
    database: Database,
    stop: asyncio.Event,
    board: JobBoard,
    terms: Terms | None = None,
    apps: AnswerApps | None = None,
) -> None:
    """Take runs, a few at once, until `stop` is set; in-flight answers are kept, 10 s at most."""
    lock = worker_lock(database.settings.data)
    announced = lock.try_acquire(note())
    async with Connections(database.settings.data) as connections, beating(database):
        if apps is not None:
            connections.serve_apps(apps(database, connections))
        crew = _Crew(database, connections, stop, terms or Terms())
        try:
            while not stop.is_set():
                announced = announced or lock.try_acquire(note())
                free = len(crew.tasks) < RUNS_AT_ONCE
                took = free and await board.has(KIND) and await crew.take()
                await _stopped_within(stop, 0 if took else POLL_SECONDS)
        finally:
            await crew.ended()
            lock.release()


async def _stopped_within(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


class _Crew:
    """The runs that one process works on."""

    def __init__(
        self, database: Database, connections: Connections, stop: asyncio.Event, terms: Terms
    ) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._database = database
        self._connections = connections
        self._stop = stop
        self._terms = terms

    async def take(self, run_id: str | None = None) -> bool:
        """Start on the next run, or on that one; False when there is none to take."""
        holding = contextlib.ExitStack()
        mine = await asyncio.to_thread(
            holding.enter_context, owned(self._database, run_id=run_id, lease=self._terms.lease)
        )
        if mine is None:
            holding.close()
            return False
        task = asyncio.create_task(self._execute(mine, holding))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return True

    async def _execute(self, mine: Owned, holding: contextlib.ExitStack) -> None:
        try:
            await execute(self._database, mine, self._connections, self._stop, self._terms)
        except LostLease:
            return
        except Exception:  # one run's trouble is not the worker's; its lock falls and it is retried
            log.exception("run %s could not be left in order", mine.claim.ref)
            await asyncio.sleep(1)
        finally:
            holding.close()

    async def ended(self) -> None:
        """Wait until every run has been left."""
        while self.tasks:
            await asyncio.wait(self.tasks)


Watch = Callable[[Run], None]


async def run_here(
    database: Database,
    run_id: str,
    *,
    stop: asyncio.Event | None = None,
    watch: Watch | None = None,
    terms: Terms | None = None,
    apps: AnswerApps | None = None,
) -> Run:
    """Wait for a run, working on it in this process where nobody else does; `--wait`.

    `watch` is told the run's row a few times a second. Returns the row when the run is completed,
    paused, cancelled or failed, or when `stop` is set (then our own work is paused first).
    """
    stop = stop or asyncio.Event()
    terms = terms or Terms(again=False)
    async with Connections(database.settings.data) as connections:
        if apps is not None:
            connections.serve_apps(apps(database, connections))
        crew = _Crew(database, connections, stop, terms)
        while True:
            row = await asyncio.to_thread(_row, database, run_id)
            if watch is not None:
                watch(row)
            if row.status in _SETTLED and not crew.tasks:
                return row
            if stop.is_set():
                await crew.ended()
                return await asyncio.to_thread(_row, database, run_id)
            if not crew.tasks and not await asyncio.to_thread(worker_alive, database):
                await crew.take(run_id)
            if crew.tasks:
                await asyncio.wait(crew.tasks, timeout=POLL_SECONDS)
            else:
                await _stopped_within(stop, POLL_SECONDS)


def _row(database: Database, run_id: str) -> Run:
    with database.read_scope() as session:
        return get_run(session, run_id)
