"""Ingests are worked on one after the other, each in a process that ends with it.

So the memory of parsers and models is given back, and a batch's event loop waits for neither.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import threading

from app.server.environment import silence_telemetry
from app.server.parenthood import child_environment, die_with_parent
from core.database import Database
from core.errors import PromptstoneError
from core.job_board import JobBoard
from core.settings import load_settings

POLL_SECONDS = 0.5
_AGAIN_SECONDS = 5.0
_END_SECONDS = 9.0
log = logging.getLogger("promptstone.ingest")


async def keep_ingesting(database: Database, stop: asyncio.Event, board: JobBoard) -> None:
    """Take ingests until `stop` is set; the one under way is then left where it is, to go on."""
    from rag.ingests import KIND
    from rag.owner import next_ingest

    while not stop.is_set():
        found = await board.find(KIND, next_ingest)
        status = 0 if found is None else await _work(database, found, stop)
        pause = _AGAIN_SECONDS if status else POLL_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _work(database: Database, ingest_id: str, stop: asyncio.Event) -> int:
    environment = {**child_environment(), **database.settings.as_environment()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.server.ingesting", ingest_id,
        env=environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    asked = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.terminate()
            await asyncio.wait({ended}, timeout=_END_SECONDS)
    finally:
        asked.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await ended
    return process.returncode or 0


def main() -> int:
    """Entry of `python -m app.server.ingesting INGEST`; settings come from the environment."""
    die_with_parent()
    silence_telemetry()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from app.opening import open_database
    from rag.owner import own_and_run
    from rag.uploads import sweep

    try:
        database = open_database(load_settings())
        try:
            own_and_run(database, sys.argv[1], stop)
            with database.read_scope() as session:
                sweep(session, database.settings.data)
        finally:
            database.close()
    except PromptstoneError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
