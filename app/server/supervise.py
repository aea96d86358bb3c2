"""Child processes of a server: started, restarted with growing pauses, ended with it."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from app.server.parenthood import child_environment

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 30.0
"""A child that lived this long begins with the first pause again."""


class Child:
    """One supervised process."""

    def __init__(self, name: str, arguments: Sequence[str], extra: Mapping[str, str]) -> None:
        self.name = name
        self._arguments = arguments
        self._extra = extra
        self._process: asyncio.subprocess.Process | None = None
        self._ending: float | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and keep it running; from the main thread, because the kernel ties it to it."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running())

    def terminate(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._ending = self._ending or time.monotonic()
        self._send(signal.SIGTERM)

    async def ended(self, seconds: float) -> None:
        """Wait until it has ended, and kill it `seconds` after it was first asked to."""
        self.terminate()
        assert self._ending is not None
        process = self._process
        if self._watch is not None:
            self._watch.cancel()
        if process is None:
            return
        try:
            left = self._ending + seconds - time.monotonic()
            await asyncio.wait_for(process.wait(), max(0.1, left))
        except TimeoutError:
            self._send(signal.SIGKILL)
            await process.wait()

    def kill(self) -> None:
        """End it at once."""
        self.terminate()
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _spawn(self) -> None:
        # A session of its own: Ctrl+C in a terminal reaches the server alone, which ends it.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            env={**child_environment(), **self._extra},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def _keep_running(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            assert self._process is not None
            began = time.monotonic()
            status = await self._process.wait()
            if self._ending is not None:
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            print(
                f"The {self.name} ended with status {status}; it starts again in {pause:.1f} s.",
                file=sys.stderr,
                flush=True,
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if self._ending is not None:
                return
            await self._spawn()
