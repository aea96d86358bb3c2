"""Tuning jobs are worked on one after the other; the training itself is a process of its own."""

import asyncio
import contextlib
import threading

from core.database import Database
from core.job_board import JobBoard

POLL_SECONDS = 1.0


async def keep_tuning(database: Database, stop: asyncio.Event, board: JobBoard) -> None:
    """Take tuning jobs until `stop` is set; the one under way then saves where it is."""
    from tuning.jobs import KIND
    from tuning.owner import next_job, own_and_run

    left = threading.Event()
    asked = asyncio.create_task(_pass_on(stop, left))
    try:
        while not stop.is_set():
            found = await board.find(KIND, next_job)
            if found is not None:
                await asyncio.to_thread(own_and_run, database, found, left)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
    finally:
        asked.cancel()


async def _pass_on(stop: asyncio.Event, left: threading.Event) -> None:
    await stop.wait()
    left.set()
