"""Streams of chat in a closed loop, in a process of its own: tokens by the chunk of usage."""

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import orjson
import uvloop

from benchmarks.processes import child

_SAID = re.compile(rb'"content": ?"[^"]')
_LIMIT = aiohttp.ClientTimeout(total=600)


@dataclass(frozen=True)
class Streams:
    """`streams` at once, `answers` one after another in each.

    `body` is a call without its messages; these are `before` and a question that no other call has.
    Streams take `models` in turn, where there are any; a question is an input where `variable` is
    its name, and then no message.
    """

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    before: tuple[Mapping[str, str], ...]
    streams: int
    answers: int
    seed: int
    models: tuple[str, ...] = ()
    variable: str | None = None

    def call(self, number: int, question: str) -> dict[str, Any]:
        """The body of a call of stream `number`."""
        model = {"model": self.models[number % len(self.models)]} if self.models else {}
        if self.variable is not None:
            asked: dict[str, Any] = {"messages": [], "inputs": {self.variable: question}}
        else:
            asked = {"messages": [*self.before, {"role": "user", "content": question}]}
        return {**self.body, **model, **asked}


@dataclass(frozen=True)
class Streamed:
    """What came of it; `ttft` in milliseconds, from the question to the first word, the median."""

    tokens: int
    wall: float
    ttft: float

    @property
    def rate(self) -> float:
        return self.tokens / self.wall


def streamed(asked: Streams) -> Streamed:
    """Run streams in a process of its own."""
    return Streamed(**child("vllm_streams", json.dumps(asdict(asked))))


async def run(asked: Streams) -> Streamed:
    found: list[tuple[int, float]] = []
    headers = {"Content-Type": "application/json", **asked.headers}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=_LIMIT, headers=headers) as http:

        async def stream(number: int) -> None:
            for answer in range(asked.answers):
                question = f"{asked.seed}, {number}, {answer}: tell a story of these numbers."
                found.append(await one(http, asked.url, asked.call(number, question)))

        started = time.perf_counter()
        await asyncio.gather(*map(stream, range(asked.streams)))
        wall = time.perf_counter() - started
    tokens, firsts = zip(*found, strict=True)
    return Streamed(sum(tokens), wall, statistics.median(firsts))


async def one(http: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> tuple[int, float]:
    """The tokens of an answer, and the milliseconds to its first word (to its end without any)."""
    raw, first = bytearray(), 0.0
    started = time.perf_counter()
    async with http.post(url, data=orjson.dumps(body)) as answer:
        async for data in answer.content.iter_any():
            raw += data
            if not first and _SAID.search(raw):
                first = time.perf_counter()
    if answer.status != 200 or not raw.rstrip().endswith(b"[DONE]"):
        raise RuntimeError(f"{answer.status}: {raw[-300:].decode('utf-8', 'replace')}")
    return tokens_of(raw), ((first or time.perf_counter()) - started) * 1000


def tokens_of(raw: bytes) -> int:
    """The completion's tokens, as the last event with usage tells."""
    for event in reversed(raw.split(b"\n\n")):
        if b'"usage"' in event and (usage := orjson.loads(event[5:]).get("usage")):
            return usage["completion_tokens"]
    raise RuntimeError("the stream told no usage")


if __name__ == "__main__":
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(asdict(uvloop.run(run(Streams(**wanted))))), flush=True)
