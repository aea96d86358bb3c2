"""One warm child process that renders: started when needed, killed when it hangs."""

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("render_worker.py")
_OURS = Path(__file__).parent.parent
START_SECONDS = 20.0


class WorkerDiedError(Exception):
    """The child ended, or was killed, before it had answered; the text says why."""


class _KilledError(WorkerDiedError):
    """Someone else ended the child."""


def _jinja_folder() -> str:
    spec = importlib.util.find_spec("jinja2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("jinja2 is not installed; run `make setup`")
    return str(Path(spec.origin).parent.parent)


class RenderProcess:
    """Owns one child; not thread-safe: whoever holds it has it alone."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """Process id of the living child."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> None:
        """Start the child, unless it lives, and wait until it answers."""
        self.launch()
        if not self._ready:
            self._exchange(b'{"op":"variables","sources":[]}', START_SECONDS)
            self._ready = True

    def launch(self) -> None:
        """Start the child, unless it lives, without waiting for it."""
        if self.pid is not None:
            return
        self.kill()
        self._ready = False
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(WORKER), _jinja_folder(), str(_OURS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            bufsize=0,
        )

    def ask(self, request: bytes, seconds: float) -> Any:
        """The answer to one JSON request; raises WorkerDiedError after at most `seconds`."""
        self.start()
        try:
            return json.loads(self._exchange(request, seconds))
        except (
            _KilledError
        ):  # by someone else, such as the system short of memory: no template's fault
            self.start()
            return json.loads(self._exchange(request, seconds))

    def kill(self) -> None:
        """End the child and close its pipes."""
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        if child.poll() is None:
            child.kill()
        child.wait()

    def _exchange(self, request: bytes, seconds: float) -> bytearray:
        deadline = time.monotonic() + seconds
        try:
            self._write(len(request).to_bytes(4, "big") + request, deadline)
            size = int.from_bytes(self._read(4, deadline), "big")
            return self._read(size, deadline)
        except (OSError, EOFError):
            error = self._death()
            self.kill()
            raise error from None
        except BaseException:  # an answer that nobody reads would be taken for the next one's
            self.kill()
            raise

    def _write(self, data: bytes, deadline: float) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        stream, view = self._child.stdin.fileno(), memoryview(data)
        if len(data) <= select.PIPE_BUF:
            os.write(stream, data)
            return
        os.set_blocking(stream, False)
        while view:
            self._wait(stream, select.POLLOUT, deadline)
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(stream, view) :]

    def _read(self, size: int, deadline: float) -> bytearray:
        assert self._child is not None
        assert self._child.stdout is not None
        stream, body = self._child.stdout.fileno(), bytearray()
        while len(body) < size:
            self._wait(stream, select.POLLIN, deadline)
            piece = os.read(stream, min(size - len(body), 1 << 20))
            if not piece:
                raise EOFError
            body += piece
        return body

    @staticmethod
    def _wait(stream: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(stream, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise WorkerDiedError("it takes too long")

    def _death(self) -> WorkerDiedError:
        """What ended the child, as far as its exit status tells."""
        assert self._child is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._child.wait(1.0)
            if status == -signal.SIGXCPU:
                return WorkerDiedError("it computes for too long")
            if status in (-signal.SIGKILL, -signal.SIGTERM):
                return _KilledError("its process was ended from outside")
        return WorkerDiedError("it needs too much memory")
