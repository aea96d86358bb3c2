"""Finds the embedded model's server in the data folder, or starts it; processes share it."""

import asyncio
import fcntl
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from connectors import demo_server
from connectors.chat import ChatClient
from connectors.relay import Relay
from connectors.upstream import StreamAs, Upstream
from connectors.wire import ChatAnswer, ChatError, ChatFailure, ChatRequest, OnDelta, Target
from core.errors import Unavailable
from core.locks import FileLock

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DemoAddress:
    """Where the embedded model answers, and the token it wants."""

    base_url: str
    token: str = field(repr=False)
    pid: int = 0


def model_file() -> Path:
    """The GGUF file; raises Unavailable with the remedy when it was never fetched."""
    named = os.environ.get("PROMPTSTONE_DEMO_MODEL")
    path = Path(named) if named else Path(sys.prefix) / "share" / "promptstone" / MODEL_FILE
    if not path.is_file():
        raise Unavailable(f"The demo model is not here ({path.name} is missing). Run `make setup`.")
    return path


def demo_state(data_dir: Path) -> Literal["ready", "asleep", "missing"]:
    """Whether the server lives, would start at the next call, or cannot; asks it nothing."""
    try:
        pid = int(json.loads((data_dir / "demo" / "server.json").read_bytes())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        try:
            model_file()
        except Unavailable:
            return "missing"
        return "asleep"
    return "ready"


_held: dict[Path, int] = {}
_holding = threading.Lock()


def _hold(folder: Path) -> None:
    """Count this process as a user of the server until it ends or calls `leave_demo`."""
    with _holding:
        if folder in _held:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(folder / "users.lock", flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _held[folder] = descriptor


def leave_demo(data_dir: Path) -> None:
    """Stop counting as a user; the server ends when it was the last."""
    with _holding:
        descriptor = _held.pop(data_dir / "demo", None)
    if descriptor is not None:
        os.close(descriptor)


def ensure_demo(data_dir: Path) -> DemoAddress:
    """The address of the live server, started if need be (about a second). Blocks.

    Raises Unavailable when the model file is missing or the server does not start.
    """
    folder = data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _hold(folder)
    address = _live(folder)
    if address is not None:
        return address
    model = model_file()
    with FileLock(folder / "start.lock"):
        return _live(folder) or _start(folder, model)


def _start(folder: Path, model: Path) -> DemoAddress:
    # -P: the script's own folder must not shadow top-level modules.
    command = [sys.executable, "-P", demo_server.__file__, str(folder), str(model)]
    (folder / "server.json").unlink(missing_ok=True)
    with (folder / "server.log").open("wb") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        address = _live(folder)
        if address is not None:
            threading.Thread(target=child.wait, daemon=True).start()
            return address
        time.sleep(0.05)
    child.kill()
    child.wait()
    raise Unavailable(
        f"The demo model did not start. Read {folder / 'server.log'}, then run `make setup` again."
    )


def _live(folder: Path) -> DemoAddress | None:
    """The server that the note names, if it still answers to the note's token."""
    try:
        note = json.loads((folder / "server.json").read_bytes())
        port, token, pid = int(note["port"]), str(note["token"]), int(note["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/props", headers={"Authorization": f"Bearer {token}"})
        alive = connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return DemoAddress(f"http://127.0.0.1:{port}/v1", token, pid) if alive else None


class DemoConnector:
    """The embedded model over the same wire as any other server."""

    def __init__(self, client: ChatClient, target: Target, data_dir: Path) -> None:
        self._client = client
        self._target = target
        self._data_dir = data_dir
        self._address: Target | None = None
        self._starting = asyncio.Lock()

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """Ask the embedded model, starting it first if need be. Raises ChatError."""
        at = self._address or await self._find()
        with self._forgetting():
            return await self._client.chat(at, request, on_delta=on_delta)

    async def stream(self, relay: Relay, request: ChatRequest, named: StreamAs) -> Upstream:
        """`Relay.open` of the embedded model, starting it first if need be. Raises ChatError."""
        at = self._address or await self._find()
        with self._forgetting():
            return await relay.open(at, request, named)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """It may have been restarted elsewhere, at another port and with another token."""
        try:
            yield
        except ChatError as error:
            if error.failure.kind in ("connection", "auth", "not_found"):
                self._address = None
            if error.failure.kind in ("auth", "not_found"):
                again = replace(error.failure, kind="connection", retryable=True)
                raise ChatError(replace(again, fatal_for_model=False)) from None
            raise

    async def _find(self) -> Target:
        async with self._starting:
            if self._address is None:
                try:
                    found = await asyncio.to_thread(ensure_demo, self._data_dir)
                except Unavailable as error:
                    failed = ChatFailure("connection", error.message, fatal_for_model=True)
                    raise ChatError(failed) from None
                self._address = replace(
                    self._target,
                    kind="openai",
                    base_url=found.base_url,
                    api_key=found.token,
                    local_allowed=True,
                )
            return self._address
