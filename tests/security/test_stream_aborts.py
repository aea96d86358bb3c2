"""SAFETY E7 for the pages' streams: readers that go away, at any moment, leave nothing behind."""

import asyncio
import random
import socket
import struct
import time
from pathlib import Path

from app.server import context
from connectors.connections import Connections
from connectors.generate import prepare
from connectors.models import ModelSettings
from connectors.service import add_model
from connectors.wire import Target
from tests.app.test_server_work import listening
from tests.support.depth import DEEP
from tests.support.serving import ask
from tests.support.witness import Witness, witness

__all__ = ["listening"]
NO_GOODBYE = struct.pack("ii", 1, 0)


def _begin(w: Witness, behaviour: str) -> str:
    here = context.current()
    with here.database.session_scope("user:admin") as session:
        settings = ModelSettings(model=behaviour, base_url=w.base_url, timeout=300)
        add_model(session, behaviour, settings, allow_local=True)
        ask = [{"role": "user", "content": "a b c"}]
        call = prepare(session, "user:admin", behaviour, ask, here.settings.key_path)
    return here.generations.start(call)


def _tasks() -> int:
    async def count() -> int:
        return len(asyncio.all_tasks())

    return asyncio.run_coroutine_threadsafe(count(), context.current().loop).result(5)


def _sockets() -> int:
    return sum(
        str(entry.readlink()).startswith("socket:")
        for entry in Path("/proc/self/fd").iterdir()
        if entry.is_symlink()
    )


def _settled(before: tuple[int, int], seconds: float) -> tuple[int, int]:
    deadline = time.monotonic() + seconds
    while True:
        now = (_tasks(), _sockets())
        if (now[0] <= before[0] and now[1] <= before[1]) or time.monotonic() > deadline:
            return now
        time.sleep(0.05)


def test_readers_that_go_away_leave_no_task_and_no_socket(listening: tuple[int, str]) -> None:
    port, cookie = listening
    chance = random.Random(3)
    with witness() as w:
        running = _begin(w, "drip-1")
        ask(port, "/healthz")
        time.sleep(0.5)
        before = (_tasks(), _sockets())
        head = (
            f"GET /ui/streams?ids={running} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncookie: {cookie}"
        )
        kept = []
        for number in range(500 if DEEP else 50):
            reader = socket.create_connection(("127.0.0.1", port), timeout=5)
            reader.sendall(head.encode() + b"\r\n\r\n")
            if number % 3:
                reader.recv(chance.choice((1, 200)))
            if number % 2:
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
            if number < 3:
                kept.append(reader)  # the control: a reader that stays is counted
            else:
                reader.close()
        during = (_tasks(), _sockets())
        assert during[0] >= before[0] + 3
        assert during[1] >= before[1] + 3
        for reader in kept:
            reader.close()
        after = _settled(before, 5)
        assert after[0] <= before[0], (before, during, after)
        assert after[1] <= before[1], (before, during, after)
        assert w.counts("drip-1").in_flight == 1, "the call goes on: its text is kept for the page"
        context.current().generations.stop(running)
        deadline = time.monotonic() + 2
        while w.counts("drip-1").in_flight:
            assert time.monotonic() < deadline, "a stopped call must end at its server within 2 s"
            time.sleep(0.05)


class _Broken:
    async def chat(self, *_: object, **__: object) -> None:
        raise RuntimeError("a mistake of ours")


def test_an_unforeseen_mistake_ends_the_stream_too(
    listening: tuple[int, str], monkeypatch: object
) -> None:
    port, cookie = listening

    def broken(_self: Connections, _target: Target) -> _Broken:
        return _Broken()

    monkeypatch.setattr(Connections, "connector", broken)  # type: ignore[attr-defined]
    with witness() as w:
        failed = _begin(w, "ok")
        body = ask(port, f"/ui/streams?ids={failed}", headers={"cookie": cookie}).body
    assert b'"state":"failed"' in body
