"""Asks the process that holds Chroma; one question at a time, from any thread."""

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rag.vectors import Matrix

WORKER = Path(__file__).with_name("chroma_store.py")
START_SECONDS = 120.0
QUERY_SECONDS = 30.0
WRITE_SECONDS = 3600.0
_OURS = Path(__file__).parents[1]
_NOTHING = np.zeros((0, 0), np.float32)


class Stopped(Exception):
    """The process ended, fell silent or said nonsense."""


class Opened(NamedTuple):
    """A collection: how many rows it has, and whether it was made for this asking."""

    rows: int
    made: bool


class ChromaProcess:
    """One living Chroma; every method raises Stopped once it is not."""

    def __init__(self, place: Path | str) -> None:
        """`place`: a folder, or a server's address. Does not wait for Chroma."""
        home = "/nonexistent"
        if isinstance(place, Path):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            home = str(place.parent)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self._lock = threading.Lock()
        self._child = subprocess.Popen(
            [sys.executable, "-I", str(WORKER), str(_OURS), str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**kept, "ANONYMIZED_TELEMETRY": "False", "HOME": home},
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def open(self, name: str) -> Opened:
        """Work on the collection of that name from now on, an empty one if there was none."""
        found = self._ask({"op": "open", "name": name}, _NOTHING, START_SECONDS)
        return Opened(int(found["count"]), bool(found["made"]))

    def names(self) -> list[str]:
        """Of all collections."""
        return self._ask({"op": "names"}, _NOTHING, START_SECONDS)["names"]

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._ask({"op": "drop", "name": name}, _NOTHING, QUERY_SECONDS)

    def count(self) -> int:
        """Rows in the collection."""
        return int(self._ask({"op": "count"}, _NOTHING, QUERY_SECONDS)["count"])

    def ids(self) -> list[str]:
        """All ids in the collection."""
        return self._ask({"op": "ids"}, _NOTHING, WRITE_SECONDS)["ids"]

    def upsert(self, ids: Sequence[str], vectors: Matrix) -> None:
        """Put rows in, over those with the same id."""
        request = {"op": "upsert", "ids": list(ids), "rows": len(ids)}
        self._ask(request, vectors, WRITE_SECONDS)

    def delete(self, ids: Sequence[str]) -> None:
        """Take rows out."""
        self._ask({"op": "delete", "ids": list(ids)}, _NOTHING, WRITE_SECONDS)

    def query(self, vectors: Matrix, count: int) -> list[list[str]]:
        """For each row of `vectors` the ids of its `count` nearest, nearest first."""
        request = {"op": "query", "rows": len(vectors), "count": count}
        return self._ask(request, vectors, QUERY_SECONDS)["ids"]

    def end(self) -> None:
        """Kill the process; it holds nothing that is not also in SQL."""
        self._child.kill()
        self._child.wait()

    def _ask(self, request: Mapping[str, Any], numbers: Matrix, seconds: float) -> dict[str, Any]:
        body = json.dumps(request).encode()
        raw = numbers.astype("<f4", copy=False).tobytes()
        assert self._child.stdin is not None
        with self._lock:
            try:
                for part in (struct.pack("<II", len(body), len(raw)), body, raw):
                    _write(self._child.stdin.fileno(), part)
            except OSError:
                raise Stopped from None
            return self._receive(seconds)

    def _receive(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        (length,) = struct.unpack("<I", self._read(4, deadline))
        return json.loads(self._read(length, deadline))

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._child.stdout is not None
        source, found = self._child.stdout.fileno(), bytearray()
        while len(found) < size:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([source], [], [], left)
            part = os.read(source, size - len(found)) if ready else b""
            if not part:
                raise Stopped
            found += part
        return bytes(found)


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
