"""How much a batch costs beside its calls: CPU per call, wall time, memory.

    python -m benchmarks.batch [--cells 4000] [--rounds 5] [--skip-peers] [--only cpu|wall|memory]

CPU: seconds of the whole process tree at 64 in flight against the loopback witness, as the slope
between two sizes, so that start-up does not count; rounds are interleaved, figures are medians.
Memory: the most that 20,000 cells take, ours over its whole process tree.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bare import bare
from benchmarks.engine import ours
from benchmarks.inspect_peer import InspectAI
from benchmarks.promptfoo import Promptfoo
from benchmarks.task import IN_FLIGHT
from tests.support.witness import witness

Peer = InspectAI | Promptfoo
MOST_CPU = {"inspect-ai": 0.1, "promptfoo": 0.15}


def slope(small: dict[str, float], large: dict[str, float]) -> float:
    """Milliseconds of CPU per call."""
    return (large["cpu"] - small["cpu"]) / (large["cells"] - small["cells"]) * 1000


def measure_cpu(base_url: str, cells: int, rounds: int, peers: Sequence[Peer]) -> None:
    few = cells // 8
    subjects = {
        "bare loop": bare,
        "bare loop on uvloop": lambda url, n: bare(url, n, "uvloop"),
        "promptstone": ours,
    }
    subjects |= {peer.name: peer.run for peer in peers}
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            found[name].append(slope(subject(base_url, few), subject(base_url, cells)))
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(
            f"CPU per call, {name}: {medians[name]:.3f} ms  ({', '.join(f'{v:.3f}' for v in values)})"
        )
    ratio = medians["promptstone"] / medians["bare loop"]
    verdict("CPU beside a bare aiohttp+orjson loop", ratio, 4.0, " ×")
    for peer in peers:
        share = medians["promptstone"] / medians[peer.name]
        verdict(f"CPU beside {peer.name}", share, MOST_CPU[peer.name], " ×")


def measure_wall(base_url: str, cells: int) -> None:
    figures = ours(base_url, cells, "slow-200")
    ideal = cells * 0.2 / IN_FLIGHT
    print(f"wall time of {cells} calls of 200 ms: {figures['wall']:.2f} s, ideal {ideal:.2f} s")
    verdict("wall time beside the ideal", figures["wall"] / ideal, 1.08, " ×")


def measure_memory(base_url: str, cells: int, peer: Peer | None) -> None:
    figures = ours(base_url, cells, watch=True)
    over = (figures["memory"] - figures["idle"]) / 2**20
    print(f"{cells} cells in {figures['wall']:.1f} s; idle {figures['idle'] / 2**20:.0f} MiB")
    verdict("memory over idle", over, 350, " MiB")
    if peer is not None:
        theirs = peer.run(base_url, cells)["memory"]
        print(f"peak: ours {figures['memory'] / 2**20:.0f}, {peer.name} {theirs / 2**20:.0f} MiB")
        verdict(f"memory beside {peer.name}", figures["memory"] / theirs, 0.5, " ×")


def verdict(what: str, figure: float, most: float, unit: str) -> None:
    """One line a claim."""
    word = "holds" if figure <= most else "MISSED"
    print(f"{what}: {figure:.3g}{unit} (at most {most:g}{unit}): {word}", flush=True)


def installed() -> list[Peer]:
    """The peers that are here or can be had."""
    found: list[Peer] = []
    for peer in (InspectAI(), Promptfoo()):
        problem = peer.install()
        print(f"{peer.name} left out: {problem}" if problem else f"{peer.name} {peer.version}")
        if not problem:
            found.append(peer)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What a batch costs beside its calls.")
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--only", choices=["cpu", "wall", "memory"])
    options = parser.parse_args()
    python = f"Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "orjson", "sqlalchemy"))
    print(f"{python}, {libraries}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    wanted = not options.skip_peers and options.only != "wall"
    peers = installed() if wanted else []
    foo = next((peer for peer in peers if isinstance(peer, Promptfoo)), None)
    with witness() as server:
        if options.only in (None, "cpu"):
            measure_cpu(server.base_url, options.cells, options.rounds, peers)
        if options.only in (None, "wall"):
            measure_wall(server.base_url, 50 * IN_FLIGHT)
        if options.only in (None, "memory"):
            measure_memory(server.base_url, 20_000, foo)


if __name__ == "__main__":
    main()
