"""What a published app costs beside its model: latency, CPU, memory, next to other gateways.

    python -m benchmarks.gateway [--rounds 5] [--seconds 3] [--only latency|cpu|stream|ttft|rate|tail|memory]...
                                 [--subjects promptstone,litellm,...]

Every subject passes calls on to one cheap upstream, with one worker. Ours checks keys and limits,
counts cost and keeps traces with content; LiteLLM has a master key and no database. Rounds are
interleaved, a figure is the median of its rounds, CPU is that of the whole process tree by /proc (a
database of its own included). Wall time moves with whatever else the machine does: read ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_least, at_most, header
from benchmarks.gateway_load import Load, Loaded, load
from benchmarks.gateway_ours import Promptstone, PromptstoneApi
from benchmarks.gateway_peers import (
    Direct,
    LiteLLM,
    LiteLLMTuned,
    Nginx,
    Portkey,
    Subject,
    VllmRouter,
    end_in_order,
)
from benchmarks.processes import ROOT, tree_cpu, tree_memory

KINDS: list[type[Subject]] = [
    Direct, Promptstone, PromptstoneApi, LiteLLM, LiteLLMTuned, Portkey, VllmRouter, Nginx,
]  # fmt: skip
PHASES = ("latency", "cpu", "stream", "ttft", "rate", "tail", "memory")
LOW_RATE = 20.0
OURS = ("promptstone", "promptstone api")

Table = dict[str, float]
"""A median for each subject's name."""


class Bench:
    """All subjects, up at once."""

    def __init__(self, subjects: Sequence[Subject], rounds: int, seconds: float) -> None:
        self.subjects, self.rounds, self.seconds = subjects, rounds, seconds

    def table(self, what: str, unit: str, figure: Callable[[Subject], float | None]) -> Table:
        """The median of interleaved rounds of each subject; None leaves a subject out."""
        found: dict[str, list[float]] = {subject.name: [] for subject in self.subjects}
        for _ in range(self.rounds):
            for subject in self.subjects:
                value = figure(subject)
                if value is not None:
                    found[subject.name].append(value)
        print(f"\n{what}, {unit} (load {os.getloadavg()[0]:.2f})")
        medians = {name: statistics.median(values) for name, values in found.items() if values}
        for name, median in medians.items():
            each = ", ".join(f"{value:.3g}" for value in found[name])
            print(f"  {name:16} {median:9.3f}   ({each})", flush=True)
        return medians

    def loaded(
        self, subject: Subject, *, stream: bool = False, model: str = "fast", longer: float = 1,
        clients: int = 1, rate: float = 0.0,
    ) -> Loaded | None:  # fmt: skip
        body = subject.body(model, stream=stream)
        asked = Load(
            subject.port, subject.headers(), body,
            clients=clients, rate=rate, seconds=self.seconds * longer,
        )  # fmt: skip
        found = load(asked)
        if found.errors:
            share = found.errors / (found.errors + found.calls)
            print(f"  {subject.name}: {share:.0%} errors, {found.why[-120:]!r}", flush=True)
        return found if found.calls > found.errors else None

    def cpu_per_call(self, subject: Subject, *, calls_a_second: bool = False, **asked: object):
        """Milliseconds of CPU a call, or calls for each second of CPU."""
        if subject.pid is None:
            return None
        before = _cpu(subject)
        found = self.loaded(subject, **asked)  # type: ignore[arg-type]
        if found is None:
            return None
        spent = (_cpu(subject) - before) / found.calls
        return 1 / spent if calls_a_second else spent * 1000


def latency(bench: Bench) -> None:
    def closed(subject: Subject) -> float | None:
        found = bench.loaded(subject)
        return found and found.p50

    def at_low_rate(subject: Subject) -> float | None:
        found = bench.loaded(subject, rate=LOW_RATE)
        return found and found.p50

    for what, figure in (
        ("latency p50, one client", closed),
        (f"latency p50 at {LOW_RATE:g} calls a second", at_low_rate),
    ):
        found = bench.table(what, "ms", figure)
        direct = found.pop("direct", 0.0)
        added = {name: value - direct for name, value in found.items()}
        for name, value in added.items():
            print(f"  added by {name}: {value:.3f} ms")
        compare(f"added {what}", added, 0.25)


def cpu(bench: Bench) -> None:
    found = bench.table("CPU a request", "ms", lambda s: bench.cpu_per_call(s, clients=16))
    compare("CPU a request", found, 0.12)


def stream(bench: Bench) -> None:
    for what, model in (("10 ms apart", "paced-10"), ("at once", "fast")):
        found = bench.table(
            f"CPU a stream of 60 tokens, {what}", "ms",
            lambda s, model=model: bench.cpu_per_call(
                s, stream=True, model=model, clients=32, longer=2
            ),
        )  # fmt: skip
        compare(f"CPU a stream, tokens {what}", found, 0.06)


def ttft(bench: Bench) -> None:
    def first(subject: Subject) -> float | None:
        found = bench.loaded(subject, stream=True, model="paced-10", clients=4, longer=2)
        return found and found.ttft

    found = bench.table("time to first token p50", "ms", first)
    for name in OURS:
        if name in found and "direct" in found:
            at_most(f"{name}: time to first token added", found[name] - found["direct"], 3, " ms")


def rate(bench: Bench) -> None:
    found = bench.table(
        "requests for each second of CPU, 64 clients", "1/s",
        lambda s: bench.cpu_per_call(s, clients=64, calls_a_second=True),
    )  # fmt: skip
    for name in OURS:
        if name in found and (peer := _litellm(found, max)):
            at_least(f"{name}: requests/s a core beside LiteLLM", found[name] / peer, 8, " ×")


def tail(bench: Bench) -> None:
    def highest(subject: Subject) -> float | None:
        if not isinstance(subject, LiteLLM):
            return None
        found = bench.loaded(subject, clients=64)
        return found and found.rate

    most = _litellm(bench.table("LiteLLM's highest rate", "1/s", highest), max)
    if most is None:
        return

    def late(subject: Subject) -> float | None:
        found = bench.loaded(subject, rate=0.8 * most, longer=2)
        return found and found.p99

    found = bench.table(f"latency p99 at {0.8 * most:.0f} calls a second, open loop", "ms", late)
    compare("latency p99", found, 0.20)


def memory(bench: Bench) -> None:
    def resident(subject: Subject) -> float | None:
        if subject.pid is None:
            return None
        bench.loaded(subject, clients=16)
        bench.loaded(subject, stream=True, clients=16)
        return tree_memory(subject.pid) / 2**20

    compare("memory", bench.table("memory after calls", "MiB", resident), 0.35)


def compare(what: str, found: Table, most: float) -> None:
    """Ours beside the better of LiteLLM's two settings."""
    peer = _litellm(found, min)
    for name in OURS:
        if name in found and peer:
            at_most(f"{name}: {what} beside LiteLLM", found[name] / peer, most, " ×")


def _litellm(found: Table, better: Callable[[list[float]], float]) -> float | None:
    values = [value for name, value in found.items() if name.startswith("litellm")]
    return better(values) if values else None


def _cpu(subject: Subject) -> float:
    roots = [subject.pid, *getattr(subject, "also", [])]
    return sum(tree_cpu(pid) for pid in roots if pid is not None)


@contextmanager
def upstream() -> Iterator[int]:
    """The cheap model's port."""
    command = [sys.executable, "-m", "benchmarks.gateway_upstream"]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def started(names: Sequence[str], port: int, stack: ExitStack) -> list[Subject]:
    """Those of the subjects that run here; says why others do not."""
    found: list[Subject] = []
    for kind in KINDS:
        if kind.name not in names:
            continue
        subject = kind()
        stack.callback(subject.stop)
        problem = subject.install()
        try:
            if problem is None:
                subject.start(port)
        except RuntimeError as error:
            problem = str(error)
        if problem is None:
            print(f"{subject.name} {subject.version}".strip(), flush=True)
            found.append(subject)
        else:
            print(f"{subject.name} left out: {problem}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What a published app costs beside its model.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", action="append", choices=PHASES)
    parser.add_argument("--subjects", default=",".join(kind.name for kind in KINDS))
    options = parser.parse_args()
    end_in_order()
    header("aiohttp", "orjson", "uvicorn", "starlette")
    with ExitStack() as stack:
        port = stack.enter_context(upstream())
        subjects = started(options.subjects.split(","), port, stack)
        bench = Bench(subjects, options.rounds, options.seconds)
        for name in PHASES:
            if name in (options.only or PHASES):
                globals()[name](bench)


if __name__ == "__main__":
    main()
