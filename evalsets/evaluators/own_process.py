"""One confined process for each of the administrator's evaluators; started anew when it ended."""

import contextlib
import json
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from core.canonical import Json
from evalsets.evaluators.own_files import hash_of
from evalsets.evaluators.subjects import Score, unscored

WORKER = Path(__file__).with_name("own_worker.py")
MEMORY_BYTES = 1 << 30
SECONDS = 10
MAX_ANSWER = 64 * 1024
_OURS = Path(__file__).parents[2]
_SLACK_SECONDS = 5.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}


class _Gone(Exception):
    """The process ended before it answered."""


class OwnProcess:
    """Asked from any thread, one case at a time."""

    def __init__(self, source: str, seconds: int = SECONDS) -> None:
        self.hash = hash_of(source)
        self._source = source
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._used = False

    def score(self, case: dict[str, Json]) -> Score:
        """What the evaluator says; unscored with a sentence when it fails or takes too long."""
        with self._lock:
            try:
                return self._ask(case)
            except TimeoutError:
                self._stop()
                return unscored(f"it took longer than {self._seconds} s; simplify it")
            except (_Gone, OSError, ValueError):
                old = self._used
                self._stop()
                if not old:
                    return unscored(
                        f"its process ended; it may use {MEMORY_BYTES >> 20:,} MiB and "
                        f"{self._seconds} s"
                    )
            try:  # a process that had answered before may have been ended from outside
                return self._ask(case)
            except (_Gone, OSError, ValueError, TimeoutError):
                self._stop()
                return unscored(f"its process ended; it may take {self._seconds} s")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _ask(self, case: dict[str, Json]) -> Score:
        child = self._living()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(case).encode() + b"\n")
        child.stdin.flush()
        said = json.loads(
            _line(child.stdout, time.monotonic() + 2 * self._seconds + _SLACK_SECONDS)
        )
        self._used = True
        value, reason = said["value"], str(said["reason"])
        return unscored(reason) if value is None else Score(float(value), reason)

    def _living(self) -> "subprocess.Popen[bytes]":
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        self._used = False
        arguments = [str(_OURS), str(MEMORY_BYTES), str(self._seconds)]
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-B", str(WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            bufsize=0,
        )
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(self._source).encode() + b"\n")
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _line(stream: IO[bytes], deadline: float) -> bytes:
    body = bytearray()
    while not body.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise TimeoutError
        piece = stream.read(65_536)
        if not piece:
            raise _Gone
        body += piece
        if len(body) > MAX_ANSWER:
            raise ValueError("the answer is too long")
    return bytes(body)
