"""A watcher that runs, and an environment whose vLLM is a small server of the tests."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from connectors.backends import environment, service
from connectors.backends.environment import Installation
from connectors.backends.gpus import Place
from connectors.backends.models import BackendSettings
from connectors.backends.prepare import FindTrainer
from connectors.backends.public import BackendPublic
from connectors.backends.watch import Watch
from core.database import Database
from prompts.chat_template import check_chat_template

SERVER = Path(__file__).parents[2] / "support" / "vllm_server.py"
GIB = 1 << 30
CPU = Place("cpu", "CPU", 64 * GIB, 60 * GIB)


class Watched:
    """Backends of a database with their watcher."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.data = database.settings.data
        self.places = [CPU]
        self.trainer: FindTrainer | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch."""
        self._stop = asyncio.Event()
        watch = Watch(
            self.database, check=check_chat_template, places=lambda: self.places,
            trainer=self.trainer,
        )  # fmt: skip
        self._task = asyncio.create_task(watch.run(self._stop))

    async def end(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None

    def add(self, name: str, settings: BackendSettings, *, start: bool = True) -> None:
        """A backend, wanted at once."""
        with self.database.session_scope("user:admin") as session:
            service.add_backend(session, name, settings)
            if start:
                service.start_backend(session, name)

    def change(self, name: str, action: Callable[..., object]) -> None:
        """Ask something of a backend."""
        with self.database.session_scope("user:admin") as session:
            action(session, name)

    def get(self, name: str) -> BackendPublic:
        """What is known of it."""
        with self.database.read_scope() as session:
            return service.get_backend(session, name)

    async def until(
        self, name: str, good: Callable[[BackendPublic], bool], seconds: float = 20
    ) -> BackendPublic:
        """Wait for it to be so."""
        until = time.monotonic() + seconds
        while not good(found := self.get(name)):
            assert time.monotonic() < until, f"not in {seconds} s: {found}"
            await asyncio.sleep(0.05)
        return found

    async def ready(self, name: str) -> BackendPublic:
        """Wait until it answers."""
        return await self.until(name, lambda one: one.state == "ready")


@pytest.fixture
async def watched(sqlite_db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """A watcher over a fresh database, in a hurry; what it started must be gone at the end."""
    monkeypatch.setattr("connectors.backends.watch.ROUND_SECONDS", 0.05)
    monkeypatch.setattr("connectors.backends.known.FIRST_PAUSE", 0.3)
    made = Watched(sqlite_db)
    made.begin()
    yield made
    await made.end()
    assert left(made.data) == []


def left(data: Path) -> list[str]:
    """Processes that anyhow belong to a data folder's backends."""
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            hidden = process.environ().get("ENGINE", "")
            mine = str(data) in words or str(data.parent) in hidden
            if mine and process.pid != psutil.Process().pid and process.status() != "zombie":
                found.append(f"{process.pid} {words}")
    return found


@pytest.fixture
def small_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our Python in the place of vLLM's: `-m vllm…` finds the small server."""
    package = tmp_path / "python"
    package.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -P "{SERVER}" "$@"\n')
    package.chmod(0o755)
    found = Installation(package, "cpu", "0.0")
    monkeypatch.setattr(environment, "find", lambda _data: found)
