"""The least that can be done: aiohttp and orjson, 64 workers over an iterator."""

import asyncio
import json
import os
import sys
import time

import aiohttp
import orjson
import uvloop

from benchmarks.processes import child, tree_cpu
from benchmarks.task import IN_FLIGHT, PROMPT, case


def bare(base_url: str, cells: int, loop: str = "asyncio") -> dict[str, float]:
    """The bare loop in a process of its own."""
    return child("bare", base_url, cells, loop)


def main(base_url: str, cells: int, loop: str) -> None:
    """All calls on a loop, and their figures."""

    async def calls() -> None:
        numbers = iter(range(cells))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def worker() -> None:
                for number in numbers:
                    text = PROMPT
                    for name, value in case(number).items():
                        text = text.replace(f"{{{{ {name} }}}}", value)
                    body = {"model": "ok", "messages": [{"role": "user", "content": text}]}
                    async with session.post(
                        f"{base_url}/chat/completions",
                        data=orjson.dumps(body),
                        headers={"Content-Type": "application/json"},
                    ) as answer:
                        found = orjson.loads(await answer.read())
                        assert found["choices"][0]["message"]["content"]

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    started = time.perf_counter()
    (uvloop.run if loop == "uvloop" else asyncio.run)(calls())
    figures = {
        "cells": cells,
        "wall": time.perf_counter() - started,
        "cpu": tree_cpu(os.getpid()),
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
