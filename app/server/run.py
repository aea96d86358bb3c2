"""`promptstone up`: one process on one port, with its children, until a signal ends it."""

import asyncio
import contextlib
import gc
import os
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

from app.server import worker
from app.server.binding import bind, url_of
from app.server.context import Context, set_context
from app.server.main import Lifespan, build, guarded
from app.server.start import prepare, sign_in_token
from app.server.streamlit_config import check_guards, configure
from app.server.supervise import Child
from connectors.connections import Connections
from connectors.demo import leave_demo
from connectors.generate import Generations
from core.database import Database
from core.errors import Conflict, Invalid
from core.locks import FileLock, holder_note
from core.settings import Settings

ROLES = ("all", "ui", "api", "worker")
_IN_FLIGHT_SECONDS = 8.0
_CHILD_SECONDS = 9.0
_LAST_SECONDS = 11.5
"""Whatever still hangs so long after a signal is given up: the exit comes within 12 s."""


def up(settings: Settings, role: str) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    if role != "all" and settings.url.startswith("sqlite"):
        raise Invalid(
            f"The role {role} shares the database with other processes and needs PostgreSQL. "
            "Set PROMPTSTONE_DATABASE_URL, or use --role all."
        )
    if role == "worker":
        return worker.serve(settings)
    with _only_one(settings, role) as lock:
        listener = bind(settings.host, settings.port)
        port = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port})
        url = url_of(settings.host, port)
        if lock is not None:
            lock.path.write_text(url)
        return _serve(settings, role, listener, url)


@contextlib.contextmanager
def _only_one(settings: Settings, role: str) -> Iterator[FileLock | None]:
    if role != "all":
        yield None
        return
    lock = FileLock(settings.data / "server.lock")
    if not lock.try_acquire(url_of(settings.host, settings.port)):
        first = holder_note(lock.path) or "an address it has not told yet"
        raise Conflict(
            f"A server already runs on {settings.data}, at {first}. Use that one, or stop it, or "
            "choose another folder with --data-dir."
        )
    try:
        yield lock
    finally:
        lock.release()


def _serve(settings: Settings, role: str, listener: socket.socket, url: str) -> int:
    database = prepare(settings)
    workspace = role in ("all", "ui")
    if workspace:
        configure(settings, settings.port)
    children = [_worker(settings)] if role == "all" else []
    api = build(_lifespan(database, children), workspace=workspace)
    config = uvicorn.Config(
        guarded(api, database), loop="uvloop", http="httptools", lifespan="on", access_log=False,
        log_level="warning", server_header=False, timeout_graceful_shutdown=2,
        ws_max_size=200 * 1024 * 1024,
    )  # fmt: skip
    server = _Server(config, children)
    server.announce = lambda: _announce(database, url, workspace)
    server.run([listener])
    database.close()
    return 0 if server.started else 1


def _worker(settings: Settings) -> Child:
    environment = {"PROMPTSTONE_DATA_DIR": str(settings.data)}
    if settings.database_url is not None:
        environment["PROMPTSTONE_DATABASE_URL"] = settings.database_url
    environment["PROMPTSTONE_KEY_FILE"] = str(settings.key_path)
    return Child("worker", ["-m", "app.server.worker"], environment)


def _lifespan(database: Database, children: list[Child]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        data = database.settings.data
        async with Connections(data) as connections:
            generations = Generations(database, connections)
            loop = asyncio.get_running_loop()
            set_context(Context(database.settings, database, generations, loop))
            for child in children:
                await child.start()
            yield
            await asyncio.gather(
                generations.close(_IN_FLIGHT_SECONDS),
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
    gc.collect()
    gc.freeze()  # Streamlit collects after every script run; what is frozen costs nothing there
    print(f"Promptstone is ready at {url}", flush=True)
    if workspace:
        print(f"Sign in: {url}/sign-in?token={sign_in_token(database)}", flush=True)


class _Server(uvicorn.Server):
    """uvicorn that tells when it answers, ends its children at once, and exits with 0."""

    def __init__(self, config: uvicorn.Config, children: list[Child]) -> None:
        super().__init__(config)
        self.children = children
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
            threading.Thread(target=_give_up, args=(self.children,), daemon=True).start()
        super().handle_exit(sig, frame)
        for child in self.children:
            child.terminate()


def _give_up(children: list[Child]) -> None:
    time.sleep(_LAST_SECONDS)
    for child in children:
        child.kill()
    os._exit(0)
