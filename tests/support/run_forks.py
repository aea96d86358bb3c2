"""Workers that a test can kill and stop: forks of one process that has everything imported.

with forks(data_dir, url) as start:
    worker = start(lease=1.0)   # works on whatever is queued
    worker.kill(); worker.stop(); worker.go_on(); worker.ended()
"""

import asyncio
import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy.orm import configure_mappers


@dataclass(frozen=True)
class Fork:
    """A worker process."""

    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, and return when all of its threads stand still."""
        os.kill(self.pid, signal.SIGSTOP)
        while {_state(task) for task in Path(f"/proc/{self.pid}/task").iterdir()} - {"T"}:
            time.sleep(0.001)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def alive(self) -> bool:
        try:
            return _state(Path(f"/proc/{self.pid}")) != "Z"
        except OSError:
            return False

    def ended(self, seconds: float = 15) -> None:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while self.alive():
            assert time.monotonic() < deadline, "the worker did not end"
            time.sleep(0.01)


def _state(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


class _Parent:
    """The process that forks, for all tests of this process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.run_forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip

    def start(self, data: Path, url: str | None, options: dict[str, Any]) -> Fork:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"data": str(data), "url": url or "", **options}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Fork(int(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@cache
def _parent() -> _Parent:
    found = _Parent()
    atexit.register(found.close)
    return found


@contextmanager
def forks(data: Path, url: str | None = None) -> Iterator[Callable[..., Fork]]:
    """Starts workers on a data folder; all end with the block."""
    started: list[Fork] = []

    def start(**options: float | bool) -> Fork:
        started.append(_parent().start(data, url, options))
        return started[-1]

    try:
        yield start
    finally:
        for fork in started:
            if fork.alive():
                fork.go_on()
                fork.kill()
                fork.ended()


def worker(data: str, url: str, *, lease: float = 15, fenced: bool = True) -> None:
    """What a fork does."""
    import evalsets.runs.writer
    from core.database import Database
    from core.job_board import JobBoard
    from core.settings import Settings
    from evalsets.runs.execution import Terms
    from evalsets.runs.worker import work

    if not fenced:
        evalsets.runs.writer.apply = unfenced  # the control: what the fence prevents must show
    database = Database(Settings(data_dir=Path(data), database_url=url or None))

    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await work(database, stop, JobBoard(database), Terms(lease=lease))

    asyncio.run(main())


def unfenced(connection: object, claim: object, *rest: object) -> None:
    """`ledger.apply` for a claim that is always the newest."""
    from sqlmodel import col, select

    from core.jobs import Claim
    from core.models import Job
    from evalsets.runs.ledger import apply

    assert isinstance(claim, Claim)
    newest = select(col(Job.fence)).where(col(Job.id) == claim.job_id)
    fence = connection.execute(newest).scalar()  # type: ignore[attr-defined]
    connection.execute(  # type: ignore[attr-defined]
        Job.__table__.update().where(col(Job.id) == claim.job_id).values(state="running")
    )
    apply(connection, claim._replace(fence=fence), *rest)  # type: ignore[arg-type]


def main() -> None:
    """Fork for every line of standard input; end with it."""
    for name in ("app.tables", "evalsets.runs.worker", "psycopg"):
        import_module(name)
    configure_mappers()
    gc.freeze()
    for line in sys.stdin:
        options = json.loads(line)
        pid = os.fork()
        if pid == 0:
            worker(**options)
            os._exit(0)
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()
        print(pid, flush=True)


if __name__ == "__main__":
    main()
