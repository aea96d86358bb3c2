"""How figures are taken and told: interleaved rounds, medians, one line a claim."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version


def header(*packages: str) -> None:
    """Versions and how busy the machine is, without which no figure means anything."""
    libraries = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"Python {platform.python_version()}, {libraries}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}", flush=True)


def interleaved(subjects: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of one call of each subject; `rounds` numbered calls of each, in turn."""
    took: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, subject in subjects.items():
            started = time.perf_counter()
            subject(number)
            took[name].append((time.perf_counter() - started) * 1000)
    for name, values in took.items():
        low, high = statistics.quantiles(values, n=10)[0], statistics.quantiles(values, n=10)[-1]
        print(f"  {name}: {statistics.median(values):.2f} ms ({low:.2f} to {high:.2f})", flush=True)
    return {name: statistics.median(values) for name, values in took.items()}


def at_least(what: str, figure: float, least: float, unit: str = "") -> None:
    """One line a claim."""
    word = "holds" if figure >= least else "MISSED"
    print(f"{what}: {figure:.3f}{unit} (at least {least:g}{unit}): {word}", flush=True)


def at_most(what: str, figure: float, most: float, unit: str = "") -> None:
    """One line a claim."""
    word = "holds" if figure <= most else "MISSED"
    print(f"{what}: {figure:.3f}{unit} (at most {most:g}{unit}): {word}", flush=True)
