"""How much a batch costs beside its calls: CPU per call, wall time, memory.

    python -m benchmarks.batch [--cells 4000] [--rounds 5] [--skip-promptfoo] [--only cpu|wall|memory]

CPU: seconds of the whole process tree at 64 in flight against the loopback witness, as the slope
between two sizes, so that start-up does not count; rounds are interleaved, figures are medians.
"""

import argparse
import os
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bare import bare
from benchmarks.engine import ours
from benchmarks.promptfoo import Promptfoo
from benchmarks.task import IN_FLIGHT
from tests.support.witness import witness


def slope(small: dict[str, float], large: dict[str, float]) -> float:
    """Milliseconds of CPU per call."""
    return (large["cpu"] - small["cpu"]) / (large["cells"] - small["cells"]) * 1000


def measure_cpu(base_url: str, cells: int, rounds: int, peer: Promptfoo | None) -> None:
    few = cells // 8
    subjects = {
        "bare loop": bare,
        "bare loop on uvloop": lambda url, n: bare(url, n, "uvloop"),
        "promptstone": ours,
    }
    if peer is not None:
        subjects["promptfoo"] = lambda url, n: peer.run(url, n)
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
    if peer is not None:
        verdict("CPU beside promptfoo", medians["promptstone"] / medians["promptfoo"], 0.15, " ×")


def measure_wall(base_url: str, cells: int) -> None:
    figures = ours(base_url, cells, "slow-200")
    ideal = cells * 0.2 / IN_FLIGHT
    print(f"wall time of {cells} calls of 200 ms: {figures['wall']:.2f} s, ideal {ideal:.2f} s")
    verdict("wall time beside the ideal", figures["wall"] / ideal, 1.08, " ×")


def measure_memory(base_url: str, cells: int) -> None:
    figures = ours(base_url, cells, watch=True)
    over = (figures["memory"] - figures["idle"]) / 2**20
    print(f"{cells} cells in {figures['wall']:.1f} s; idle {figures['idle'] / 2**20:.0f} MiB")
    verdict("memory over idle", over, 350, " MiB")


def verdict(what: str, figure: float, most: float, unit: str) -> None:
    """One line a claim."""
    word = "holds" if figure <= most else "MISSED"
    print(f"{what}: {figure:.3g}{unit} (at most {most:g}{unit}): {word}", flush=True)


def installed_peer() -> Promptfoo | None:
    """promptfoo, where npm has it or can get it."""
    peer = Promptfoo()
    problem = peer.install()
    print(f"promptfoo left out: {problem}" if problem else f"promptfoo {peer.version}")
    return None if problem else peer


def main() -> None:
    parser = argparse.ArgumentParser(description="What a batch costs beside its calls.")
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-promptfoo", action="store_true")
    parser.add_argument("--only", choices=["cpu", "wall", "memory"])
    options = parser.parse_args()
    python = f"Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "orjson", "sqlalchemy"))
    print(f"{python}, {libraries}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    wanted = not options.skip_promptfoo and options.only in (None, "cpu")
    peer = installed_peer() if wanted else None
    with witness() as server:
        if options.only in (None, "cpu"):
            measure_cpu(server.base_url, options.cells, options.rounds, peer)
        if options.only in (None, "wall"):
            measure_wall(server.base_url, 50 * IN_FLIGHT)
        if options.only in (None, "memory"):
            measure_memory(server.base_url, 20_000)


if __name__ == "__main__":
    main()
