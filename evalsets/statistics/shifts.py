"""Whether what comes in now is distributed as it was before."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple


class Shift(NamedTuple):
    """How far two samples are apart, and how likely that much is by chance alone."""

    distance: float
    p: float


def kolmogorov_smirnov(before: Sequence[float], now: Sequence[float]) -> Shift | None:
    """Largest gap D between two empirical distributions; None for an empty sample.

    p: Kolmogorov's series at (√e + 0.12 + 0.11/√e)·D, e = n·m/(n + m) (Stephens 1970). Equal values
    make it too large, never too small.
    """
    n, m = len(before), len(now)
    if not n or not m:
        return None
    first, second = sorted(before), sorted(now)
    gap, at, to = 0.0, 0, 0
    while at < n and to < m:
        value = min(first[at], second[to])
        while at < n and first[at] == value:
            at += 1
        while to < m and second[to] == value:
            to += 1
        gap = max(gap, abs(at / n - to / m))
    root = math.sqrt(n * m / (n + m))
    return Shift(gap, _kolmogorov((root + 0.12 + 0.11 / root) * gap))


def _kolmogorov(x: float) -> float:
    """P(K > x) = 2·Σ (−1)^(j−1)·exp(−2j²x²), which converges too slowly where it is 1."""
    if x < 0.2:
        return 1.0
    total = sum((-1) ** (j - 1) * math.exp(-2 * j * j * x * x) for j in range(1, 101))
    return min(max(2 * total, 0.0), 1.0)


def population_stability(before: Sequence[int], now: Sequence[int]) -> Shift | None:
    """Σ (q − p)·ln(q/p) over the categories' shares p before and q now; None for an empty sample.

    The population stability index (Siddiqi 2006: below 0.1 little, above 0.25 much), with half a
    count added everywhere. Without a change it is about (1/n + 1/m)·χ² with one degree of freedom
    less than there are categories (Yurdakul & Naranjo 2020): p, by the approximation of Wilson &
    Hilferty (1931). Categories should have some five counts.
    """
    n, m, k = sum(before), sum(now), len(before)
    if not n or not m:
        return None
    if k < 2:
        return Shift(0.0, 1.0)
    index = 0.0
    for old, new in zip(before, now, strict=True):
        p, q = (old + 0.5) / (n + k / 2), (new + 0.5) / (m + k / 2)
        index += (q - p) * math.log(q / p)
    return Shift(index, _chi_squared_tail(index / (1 / n + 1 / m), k - 1))


def _chi_squared_tail(x: float, degrees: int) -> float:
    spread = 2 / (9 * degrees)
    z = ((x / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 1 - NormalDist().cdf(z)
