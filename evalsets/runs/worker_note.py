"""How processes of one data folder learn that a worker lives: the note in its lock."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import orjson

from core.locks import FileLock, holder_note


def _path(data: Path) -> Path:
    return data / "locks" / "worker.lock"


class Worker(NamedTuple):
    """The live worker of a data folder."""

    pid: int


def worker_lock(data: Path) -> FileLock:
    """Held by the worker of a data folder while it lives."""
    return FileLock(_path(data))


def live_worker(data: Path) -> Worker | None:
    """The worker that takes runs of this data folder now, if one lives."""
    note = holder_note(_path(data))
    if note is None:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return Worker(int(orjson.loads(note)["pid"]))
    return Worker(0)


def worker_alive(data: Path) -> bool:
    """Whether a queued run will be taken by itself."""
    return live_worker(data) is not None


def note() -> str:
    """What the worker writes into its lock."""
    return orjson.dumps({"pid": os.getpid()}).decode()
