"""Tokens a second and the first word through a published app, beside the model's server itself.

    python -m benchmarks.vllm --base-url http://127.0.0.1:8000/v1 --model NAME
                              [--streams 1 32 128] [--tokens 128] [--answers 4] [--rounds 3]

The server is vLLM or any other that speaks OpenAI's API and is already up; ours is one
`up --role api` on PostgreSQL that checks a key and limits, counts cost and keeps traces. The model
is sent the same either way. Rounds are interleaved, and who begins alternates; a figure is the
median of its rounds. Each answer has just so many tokens where the server knows `ignore_eos`.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_least, header
from benchmarks.gateway_peers import end_in_order
from benchmarks.processes import tree_cpu
from benchmarks.vllm_ours import APP, SYSTEM, PromptstoneBefore
from benchmarks.vllm_streams import Streamed, Streams, streamed

LEAST = 0.97
_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
Ways = Mapping[str, Streams]
"""How the model is reached, by name: `direct` and ours."""


class Round(NamedTuple):
    """One way at one number of streams; `cpu` is ours in milliseconds an answer."""

    found: Streamed
    cpu: float


def ways(ours: PromptstoneBefore, answers: int) -> dict[str, Streams]:
    """The same call of the model, asked of it and of the app on it."""
    direct = Streams(
        f"{ours.base_url}/chat/completions", {}, {"model": ours.model, **ours.params, **_USAGE},
        ({"role": "system", "content": SYSTEM},), 1, answers, 0,
    )  # fmt: skip
    through = replace(
        direct, url=f"http://127.0.0.1:{ours.port}/v1/chat/completions", headers=ours.headers(),
        body={"model": APP, **_USAGE}, before=(),
    )  # fmt: skip
    return {"direct": direct, ours.name: through}


def rounds(
    ours: PromptstoneBefore, by_name: Ways, streams: int, count: int
) -> dict[str, list[Round]]:
    """Interleaved rounds of each way, after one answer a stream that does not count."""
    found: dict[str, list[Round]] = {name: [] for name in by_name}
    for number in range(-1, count):
        for name in list(by_name)[:: 1 if number % 2 else -1]:
            asked = replace(by_name[name], streams=streams, seed=time.monotonic_ns())
            if number < 0:
                streamed(replace(asked, answers=1))
                continue
            before = _cpu(ours)
            got = streamed(asked)
            spent = (_cpu(ours) - before) * 1000 / (streams * asked.answers)
            found[name].append(Round(got, spent))
    return found


def told(ours: PromptstoneBefore, streams: int, found: Mapping[str, Sequence[Round]]) -> None:
    """Each figure with its rounds, and what is claimed of them."""
    rates = {name: [one.found.rate for one in each] for name, each in found.items()}
    firsts = {name: [one.found.ttft for one in each] for name, each in found.items()}
    counted = sum(one.found.tokens for one in found[ours.name])
    rate = _table(f"tokens/s, {streams} streams", rates)
    first = _table(f"time to first token p50, {streams} streams, ms", firsts)
    cpu = statistics.median(one.cpu for one in found[ours.name])
    added = first[ours.name] - first["direct"]
    print(f"  {ours.name}: {counted} tokens in all, {cpu:.2f} ms of CPU an answer,")
    print(f"  first token {first[ours.name] / first['direct']:.3f} × direct, {added:+.2f} ms")
    share = rate[ours.name] / rate["direct"]
    at_least(f"{ours.name}: tokens/s beside direct, {streams} streams", share, LEAST, " ×")


def _table(what: str, found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    print(f"\n{what} (load {os.getloadavg()[0]:.2f})")
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, median in medians.items():
        each = ", ".join(f"{value:.4g}" for value in found[name])
        print(f"  {name:16} {median:9.2f}   ({each})", flush=True)
    return medians


def _cpu(ours: PromptstoneBefore) -> float:
    return sum(tree_cpu(pid) for pid in (ours.pid, *ours.also) if pid is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base-url", required=True, help="up to and with /v1")
    parser.add_argument("--model", required=True, help="the model's name at its server")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--tokens", type=int, default=128, help="of an answer")
    parser.add_argument("--answers", type=int, default=4, help="of a stream in a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    end_in_order()
    header("aiohttp", "orjson", "uvicorn", "starlette")
    params: dict[str, Any] = {"max_tokens": options.tokens, "ignore_eos": True}
    ours = PromptstoneBefore(options.base_url.rstrip("/"), options.model, params)
    problem = ours.install()
    if problem is not None:
        sys.exit(problem)
    try:
        ours.serve()
        by_name = ways(ours, options.answers)
        for streams in options.streams:
            told(ours, streams, rounds(ours, by_name, streams, options.rounds))
    finally:
        ours.stop()


if __name__ == "__main__":
    main()
