"""`--wait`: watch a run, or work on it where nobody else does, until it has ended."""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from app.cli import state

if TYPE_CHECKING:
    from evalsets.models import Run


def wait_for(run_id: str) -> str:
    """The state in which the run ended; Ctrl+C pauses what this process works on."""
    from evalsets.runs.worker import serve

    return serve(_wait(run_id))


async def _wait(run_id: str) -> str:
    from app.apps_in_runs import answer_apps
    from evalsets.runs.worker import run_here

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    bar = _Bar()
    try:
        run = await run_here(state.database(), run_id, stop=stop, watch=bar.draw, apps=answer_apps)
    finally:
        bar.end()
    return run.status


class _Bar:
    """One line that is drawn over itself, on a terminal only."""

    def __init__(self) -> None:
        self._shown = False

    def draw(self, run: "Run") -> None:
        if not sys.stderr.isatty():
            return
        self._shown = True
        done = run.succeeded + run.failed
        cost = "unpriced" if run.cost is None else f"${run.cost:.4f}"
        text = f"{run.status}  {done} / {run.total}  failed {run.failed}  {cost}"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
