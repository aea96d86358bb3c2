"""What a watcher tells others of its data folder: where a backend answers, and with which key.

A note is written whole, readable by its owner alone. Who wants a backend that sleeps leaves a mark
beside it, so that a call needs no database.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.demo_server import publish

_LONGEST = 180


class Note(BaseModel):
    """A backend as its callers find it; `adapters` are those that are loaded, by served name.

    `final`: it failed in a way that trying again does not mend.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["queued", "loading", "ready", "failed"]
    reason: str | None = None
    final: bool = False
    pid: int | None = None
    boot: str = ""
    port: int | None = None
    key: str = Field(default="", repr=False)
    model: str = ""
    context: int | None = None
    adapters: tuple[str, ...] = ()
    refused: Mapping[str, str] = {}


def root(data: Path) -> Path:
    """All that backends keep."""
    return data / "backends"


def folder_of(data: Path, name: str) -> Path:
    """The folder of one backend; no two names share one."""
    safe = name.replace("/", "+")
    if len(safe.encode()) > _LONGEST:
        safe = "+" + hashlib.sha256(name.encode()).hexdigest()[:32]
    return root(data) / safe


def write_note(data: Path, name: str, note: Note) -> None:
    """Put a note in the place of the last."""
    folder = folder_of(data, name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    publish(folder / "server.json", note.model_dump(mode="json"))


def read_note(data: Path, name: str) -> Note | None:
    """The last note; None when the backend is stopped, or its server is gone."""
    note = read_file(folder_of(data, name) / "server.json")
    gone = note is not None and note.pid is not None and not alive(note.pid)
    return None if gone else note


def read_file(place: Path) -> Note | None:
    """A note as it was written, whoever still lives."""
    try:
        return Note.model_validate(orjson.loads(place.read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None


def drop_note(data: Path, name: str) -> None:
    """The backend answers nowhere."""
    (folder_of(data, name) / "server.json").unlink(missing_ok=True)


def ask_for(data: Path, name: str) -> None:
    """Leave the mark that a call wants this backend."""
    folder = folder_of(data, name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "asked").touch(mode=0o600)


def was_asked(data: Path, name: str) -> bool:
    """Whether a call wants it; the mark is taken away."""
    try:
        (folder_of(data, name) / "asked").unlink()
    except OSError:
        return False
    return True


def nudge(data: Path) -> None:
    """Have the watcher look at its rows at once: something was just asked for."""
    root(data).mkdir(parents=True, exist_ok=True, mode=0o700)
    (root(data) / "nudged").touch(mode=0o600)


def nudged(data: Path) -> int:
    """When somebody did so last, in nanoseconds."""
    try:
        return (root(data) / "nudged").stat().st_mtime_ns
    except OSError:
        return 0


def log_of(data: Path, name: str) -> Path:
    """What its server prints."""
    return folder_of(data, name) / "server.log"


def watch_lock(data: Path) -> Path:
    """Held by the one who watches the backends of this data folder."""
    return root(data) / "watch.lock"


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
