"""Our own vLLM: publishing an adapter, tokens a second with many of them, and the prompt's layout.

    python -m benchmarks.backends --source FOLDER [--adapters 4] [--streams 8] [--tokens 32]
                                  [--answers 2] [--rounds 3] [--loads 20]

`FOLDER` holds safetensors of a model like Llama with a chat template. vLLM is the one that
`promptstone backend install vllm` made, or that PROMPTSTONE_VLLM_PYTHON names. The server is a
plain `promptstone up`. Rounds are interleaved; a figure is the median of its rounds.
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.backends_ours import BACKEND, Bench
from benchmarks.figures import at_least, at_most, header
from benchmarks.vllm_streams import Streams, streamed

SYSTEM = "You are kind."
COMMON = " ".join(
    f"Rule {n}: answer question {n} of the customer in one plain sentence, say what you are not "
    "sure of, and promise nothing that the contract does not."
    for n in range(30)
)
"""Some nine hundred tokens that every call has, as instructions and passages are."""
_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def publishing(bench: Bench, others: Streams, loads: int) -> None:
    """Publish one adapter again and again while calls of another model go on."""
    bench.trained("hot")
    bench.publish("hot")
    bench.over("hot")
    bench.app("hot", "hot", SYSTEM, "system", {"max_tokens": 1})
    asked = replace(others, headers=bench.headers("hot"), models=("hot",), streams=1, answers=1)
    held: list[float] = []
    first: list[float] = []
    with _Traffic(others) as traffic:
        for _ in range(loads):
            bench.unpublish("hot")
            began = time.perf_counter()
            held.append(bench.publish("hot"))
            found = streamed_here(replace(asked, seed=time.monotonic_ns()))
            first.append(time.perf_counter() - began)
            bench.over("hot")
            assert found > 0
    _rounds("published until vLLM holds it, ms", [one * 1000 for one in held])
    _rounds("published until the first word through its app, ms", [one * 1000 for one in first])
    at_most("hot load p95", statistics.quantiles(held, n=20)[-1], 1, " s")
    at_most("first word through the endpoint, median", statistics.median(first), 2, " s")
    print(f"  {traffic.calls} calls of another model meanwhile")
    at_most("of which failed", traffic.failed, 0)


class _Traffic:
    """Calls that go on meanwhile."""

    def __init__(self, asked: Streams) -> None:
        self._asked = replace(asked, streams=2, answers=1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.calls = self.failed = 0

    def __enter__(self) -> "_Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.calls += self._asked.streams
            try:
                streamed_here(replace(self._asked, seed=time.monotonic_ns()))
            except Exception as error:
                self.failed += 1
                print(f"  a call failed: {error}", flush=True)


def streamed_here(asked: Streams) -> int:
    """Streams in this process, where starting another would take longer than they do; tokens."""
    import asyncio

    from benchmarks.vllm_streams import run

    return asyncio.run(run(asked)).tokens


def compare(what: str, ways: Mapping[str, Streams], rounds: int, unit: str) -> dict[str, float]:
    """Interleaved rounds of each way, after one that does not count; medians of `unit` a second."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            asked = replace(ways[name], seed=time.monotonic_ns())
            got = streamed(replace(asked, answers=1) if number < 0 else asked)
            if number >= 0:
                count = got.tokens if unit == "tokens" else asked.streams * asked.answers
                found[name].append(count / got.wall)
    print(f"\n{what}, {unit}/s (load {os.getloadavg()[0]:.2f})")
    return {name: _rounds(f"  {name}", values) for name, values in found.items()}


def _rounds(what: str, values: Sequence[float]) -> float:
    median = statistics.median(values)
    each = ", ".join(f"{value:.4g}" for value in values)
    print(f"{what}: {median:.4g}   ({each})", flush=True)
    return median


def adapters(
    bench: Bench, through: Streams, direct: Streams, params: dict[str, Any], asked: Any
) -> None:
    """Streams over many adapters, through apps and asked of vLLM itself."""
    names = tuple(f"tuned-{n}" for n in range(asked.adapters))
    for name in names:
        bench.trained(name)
        bench.publish(name)
        bench.over(name)
        bench.app(name, name, SYSTEM, "system", params)
    served = tuple(bench.served(name) for name in names)
    ways = {
        "direct": replace(direct, models=served),
        "promptstone": replace(through, headers=bench.headers(*names), models=names),
    }
    rates = compare(
        f"{asked.adapters} adapters, {asked.streams} streams", ways, asked.rounds, "tokens"
    )
    at_least("tokens/s beside direct", rates["promptstone"] / rates["direct"], 0.97, " ×")


def layout(bench: Bench, through: Streams, rounds: int) -> None:
    """The same prompt with the part that all calls share at its beginning, and at its end."""
    few: dict[str, Any] = {"max_tokens": 8, "ignore_eos": True}
    bench.app("common-first", BACKEND, f"{COMMON}\n\nQuestion: {{{{ q }}}}", "user", few)
    bench.app("common-last", BACKEND, f"Question: {{{{ q }}}}\n\n{COMMON}", "user", few)
    headers = bench.headers("common-first", "common-last")
    ways = {
        name: replace(through, headers=headers, models=(name,), variable="q")
        for name in ("common-first", "common-last")
    }
    rates = compare("layout of the prompt", ways, rounds, "answers")
    share = rates["common-first"] / rates["common-last"]
    at_least("common part first", share, 1.5, " ×")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of safetensors")
    parser.add_argument("--adapters", type=int, default=4)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--answers", type=int, default=2, help="of a stream in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loads", type=int, default=20)
    asked = parser.parse_args()
    header("aiohttp", "orjson", "uvicorn", "starlette")
    bench = Bench(asked.source.resolve(), asked.adapters, asked.streams, context=2048)
    try:
        note = bench.ready()
        params: dict[str, Any] = {"max_tokens": asked.tokens, "ignore_eos": True}
        bench.app("base", BACKEND, SYSTEM, "system", params)
        through = Streams(
            f"http://127.0.0.1:{bench.port}/v1/chat/completions", bench.headers("base"),
            dict(_USAGE), (), asked.streams, asked.answers, 0, models=("base",),
        )  # fmt: skip
        direct = Streams(
            f"http://127.0.0.1:{note.port}/v1/chat/completions",
            {"Authorization": f"Bearer {note.key}"}, {**params, **_USAGE},
            ({"role": "system", "content": SYSTEM},), asked.streams, asked.answers, 0,
        )  # fmt: skip
        publishing(bench, through, asked.loads)
        adapters(bench, through, direct, params, asked)
        layout(bench, through, asked.rounds)
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
