"""The event file: one line an event, on the disk when the call returns."""

import os
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class Teller:
    """Appends to `events.jsonl`; a silent one, of a second process, writes nothing."""

    def __init__(self, path: Path, *, silent: bool = False) -> None:
        self._path = path
        self._silent = silent
        if not silent:
            self._end_line()

    def __call__(self, kind: type[BaseModel], **parts: Any) -> None:
        """Write an event of `kind`, with the time of now. Raises OSError on a full disk."""
        if self._silent:
            return
        line = kind(at=time.time(), **parts).model_dump_json() + "\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def _end_line(self) -> None:
        """Half a line, of a process that was killed, must not swallow the next one."""
        try:
            with self._path.open("rb+") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except FileNotFoundError:
            pass
