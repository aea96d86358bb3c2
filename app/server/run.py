"""One serving process with its children, from its start until a signal ends it."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.server.context import Context, set_context
from app.server.heap import keep_little, trim
from app.server.main import Lifespan, build, guarded
from app.server.preload import preload
from app.server.protocol import BoundedProtocol
from app.server.start import prepare, sign_in_token
from app.server.streamlit_config import check_guards, configure
from app.server.supervise import Child
from connectors.connections import Connections
from connectors.demo import leave_demo
from connectors.generate import Generations
from core.database import Database
from core.settings import Settings
from serving.http.serving import serving_apps
from serving.live import Live

_IN_FLIGHT_SECONDS = 10.0
"""Calls of apps and of pages that are under way at a signal have so long, together."""
_CHILD_SECONDS = 11.0
_FILES = 16_384
_LAST_SECONDS = 11.5
"""Whatever still hangs so long after a signal is given up: the exit comes within 12 s."""


def serve(settings: Settings, role: str, listener: socket.socket, url: str) -> int:
    """Serve on a bound socket until SIGTERM or SIGINT; returns the exit status."""
    _allow_many_files()
    keep_little()
    database = prepare(settings)
    workspace = role in ("all", "ui")
    if workspace:
        configure(settings, settings.port)
    children = [_worker(settings)] if role == "all" else []
    live = Live(database)
    ending = _Ending()
    api = build(_lifespan(database, children, live, ending), workspace=workspace)
    config = uvicorn.Config(
        guarded(api, database, live), loop="uvloop", http=BoundedProtocol, lifespan="on",
        access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=9,
        ws="auto" if workspace else "none", ws_max_size=200 * 1024 * 1024,
    )  # fmt: skip
    server = _Server(config, children, ending)
    server.announce = lambda: _announce(database, url, workspace)
    server.run([listener])
    database.close()
    return 0 if server.started else 1


def _allow_many_files() -> None:
    """A call holds two sockets, and many systems let a process have 1,024 unless it asks."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(most[1], _FILES) if most[1] != resource.RLIM_INFINITY else _FILES
    if most[0] != resource.RLIM_INFINITY and most[0] < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most[1]))


def _worker(settings: Settings) -> Child:
    return Child("worker", ["-m", "app.server.worker"], settings.as_environment())


class _Ending:
    """When the signal came, if it has."""

    began: float | None = None

    def left(self) -> float:
        """Seconds that what is in flight still has."""
        passed = 0.0 if self.began is None else time.monotonic() - self.began
        return max(0.5, _IN_FLIGHT_SECONDS - passed)


def _lifespan(database: Database, children: list[Child], live: Live, ending: _Ending) -> Lifespan:
    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        data = database.settings.data
        async with (
            Connections(data) as connections,
            serving_apps(database, connections, live) as api.state.serving,
        ):
            generations = Generations(database, connections)
            loop = asyncio.get_running_loop()
            here = Context(database.settings, database, generations, loop, bool(children))
            set_context(here)
            for child in children:
                await child.start()
            yield
            await asyncio.gather(
                generations.close(ending.left()),
                *(child.ended(_CHILD_SECONDS) for child in children),
            )
        await _leave_demo(data)
        set_context(None)

    return lifespan


async def _leave_demo(data: Path) -> None:
    """Wait for the embedded model's process, if we were its last user."""
    leave_demo(data)
    for _ in range(25):
        if not (data / "demo" / "server.json").exists():
            return
        await asyncio.sleep(0.1)


def _announce(database: Database, url: str, workspace: bool) -> None:
    if workspace:
        check_guards()
        preload()
    # Streamlit collects after every script run; what is frozen costs nothing there.
    gc.collect()
    gc.freeze()
    trim()
    print(f"Promptstone is ready at {url}", flush=True)
    if workspace:
        place = database.settings.public_url or url
        print(f"Sign in: {place}/sign-in?token={sign_in_token(database)}", flush=True)


class _Server(uvicorn.Server):
    """uvicorn that tells when it answers, ends its children at once, and exits with 0."""

    def __init__(self, config: uvicorn.Config, children: list[Child], ending: _Ending) -> None:
        super().__init__(config)
        self.children = children
        self.ending = ending
        self.announce = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without uvicorn's raising of the signal once more, which would exit with 143."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            self.ending.began = time.monotonic()
            threading.Thread(target=_give_up, args=(self.children,), daemon=True).start()
        super().handle_exit(sig, frame)
        for child in self.children:
            child.terminate()


def _give_up(children: list[Child]) -> None:
    time.sleep(_LAST_SECONDS)
    for child in children:
        child.kill()
    os._exit(0)
