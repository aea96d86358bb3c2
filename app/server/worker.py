"""The worker process: takes runs and ingests and watches apps until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import sys

from app.apps_in_runs import answer_apps
from app.server.environment import silence_telemetry
from app.server.parenthood import die_with_parent
from core.errors import PromptstoneError
from core.settings import Settings, load_settings


def main() -> int:
    """Entry of `python -m app.server.worker`; settings come from the environment."""
    die_with_parent()
    silence_telemetry()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        return serve(load_settings())
    except PromptstoneError as error:
        print(error.message, file=sys.stderr)
        return 1


def serve(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; what is in flight then is kept, for at most 10 s."""
    from evalsets.runs import worker

    worker.serve(_work(settings))
    return 0


async def _work(settings: Settings) -> None:
    from app.opening import open_database
    from app.server.backends import keep_backends
    from app.server.ingesting import keep_ingesting
    from app.server.tuning import keep_tuning
    from app.server.watching import keep_watching
    from core.job_board import JobBoard
    from evalsets.runs.worker import work
    from tuning.publisher import keep_publishing

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = await asyncio.to_thread(open_database, settings)
    try:
        with contextlib.closing(JobBoard(database)) as board:
            await asyncio.gather(
                work(database, stop, board, apps=answer_apps),
                keep_ingesting(database, stop, board),
                keep_watching(database, stop),
                keep_backends(database, stop),
                keep_tuning(database, stop, board),
                keep_publishing(database, stop, board),
            )
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
