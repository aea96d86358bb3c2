"""Calls over kept connections, in a process of its own: closed loop or open loop, whole or streamed.

An open loop sends at its moments whether or not earlier calls were answered, and a call's latency
counts from its moment: a slow server cannot slow down the question.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import uvloop

from benchmarks.gateway_upstream import TOKENS
from benchmarks.processes import child

_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
WORD = b"word"


@dataclass(frozen=True)
class Load:
    """`clients` in a closed loop, or `rate` calls a second in an open one."""

    port: int
    headers: Mapping[str, str]
    body: str
    path: str = "/v1/chat/completions"
    clients: int = 1
    rate: float = 0.0
    seconds: float = 3.0


@dataclass(frozen=True)
class Loaded:
    """What came of it; times in milliseconds, `ttft` from the question to the first word."""

    calls: int
    errors: int
    wall: float
    p50: float
    p95: float
    p99: float
    ttft: float
    why: str = ""

    @property
    def rate(self) -> float:
        return self.calls / self.wall


def load(asked: Load) -> Loaded:
    """Run a load in a process of its own."""
    found = child("gateway_load", json.dumps(asdict(asked)))
    return Loaded(**{field.name: found[field.name] for field in fields(Loaded)})


class Client(asyncio.Protocol):
    """One connection with at most one call."""

    def __init__(self, run: "Run") -> None:
        self.run = run

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.since = 0.0

    def ask(self, since: float) -> None:
        self.since, self.first = since, 0.0
        self.pieces: list[bytes] = []
        self.size, self.wanted = 0, -1
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        if not self.since:
            return
        if not self.first and WORD in data:
            self.first = time.perf_counter()
        self.pieces.append(data)
        self.size += len(data)
        if self.wanted < 0:
            self.head()
        ended = data.endswith(b"0\r\n\r\n") if self.wanted == 0 else self.size >= self.wanted > 0
        if ended:
            since, self.since = self.since, 0.0
            self.run.done(self, since, self.first, b"".join(self.pieces))

    def head(self) -> None:
        """The size of the answer: 0 when it comes in chunks."""
        raw = b"".join(self.pieces)
        end = raw.find(b"\r\n\r\n")
        if end >= 0:
            length = _LENGTH.search(raw, 0, end)
            self.wanted = end + 4 + int(length[1]) if length else 0

    def connection_lost(self, exc: Exception | None) -> None:
        if self.since:
            since, self.since = self.since, 0.0
            self.run.done(None, since, 0.0, b"the connection was lost")


class Run:
    """One load and its figures."""

    def __init__(self, asked: Load) -> None:
        self.asked = asked
        body = asked.body.encode()
        headers = {"Host": f"127.0.0.1:{asked.port}", "Content-Type": "application/json"}
        lines = [f"{name}: {value}" for name, value in (headers | dict(asked.headers)).items()]
        head = [f"POST {asked.path} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""]
        self.request = "\r\n".join(head).encode() + body
        self.words = TOKENS
        self.latencies: list[float] = []
        self.firsts: list[float] = []
        self.idle: deque[Client] = deque()
        self.waiting: deque[float] = deque()
        self.errors, self.why = 0, ""
        self.in_flight = self.opened = 0
        self.until = 0.0
        self.ended = asyncio.Event()

    async def connect(self) -> Client:
        self.opened += 1
        loop = asyncio.get_running_loop()
        made = await loop.create_connection(lambda: Client(self), "127.0.0.1", self.asked.port)
        return made[1]

    def done(self, client: Client | None, since: float, first: float, raw: bytes) -> None:
        now = time.perf_counter()
        self.in_flight -= 1
        if raw.startswith(b"HTTP/1.1 200") and raw.count(WORD) == self.words:
            self.latencies.append((now - since) * 1000)
            self.firsts.append((first - since) * 1000)
        else:
            self.errors += 1
            self.why = self.why or raw[-300:].decode("latin-1")
        if self.asked.rate:
            self.next_open(client)
        elif now < self.until and client is not None:
            self.send(client, now)
        elif not self.in_flight:
            self.ended.set()

    def next_open(self, client: Client | None) -> None:
        if client is None:
            self.opened -= 1
        elif self.waiting:
            self.send(client, self.waiting.popleft())
        else:
            self.idle.append(client)

    def send(self, client: Client, since: float) -> None:
        self.in_flight += 1
        client.ask(since)

    async def closed_loop(self) -> None:
        clients = [await self.connect() for _ in range(self.asked.clients)]
        started = time.perf_counter()
        self.until = started + self.asked.seconds
        for client in clients:
            self.send(client, time.perf_counter())
        await asyncio.wait_for(self.ended.wait(), self.asked.seconds + 60)
        self.wall = time.perf_counter() - started

    async def open_loop(self) -> None:
        self.idle.extend([await self.connect() for _ in range(16)])
        started = time.perf_counter()
        for number in range(int(self.asked.rate * self.asked.seconds)):
            moment = started + number / self.asked.rate
            if (ahead := moment - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            if not self.idle and self.opened < 256:
                self.idle.append(await self.connect())
            if self.idle:
                self.send(self.idle.popleft(), moment)
            else:
                self.waiting.append(moment)
        deadline = time.perf_counter() + 60
        while (self.in_flight or self.waiting) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self.wall = time.perf_counter() - started

    async def main(self) -> Loaded:
        await (self.open_loop() if self.asked.rate else self.closed_loop())
        many = len(self.latencies) > 1
        cuts = statistics.quantiles(self.latencies, n=100) if many else [float("inf")] * 99
        first = statistics.median(self.firsts) if many else float("inf")
        calls = len(self.latencies)
        return Loaded(
            calls, self.errors, self.wall, cuts[49], cuts[94], cuts[98], first, self.why
        )  # fmt: skip


if __name__ == "__main__":
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(asdict(uvloop.run(Run(Load(**wanted)).main()))), flush=True)
