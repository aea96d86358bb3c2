"""Figures of one arm: share of good, rank, latency, cost per good answer.

No SciPy and no NumPy here: `run show` reads these and has 0.8 s of CPU in all (quantiles.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from evalsets.statistics.quantiles import Z95, Interval, t975


@dataclass(frozen=True)
class Share:
    """Good among n good-or-bad cells; `n_effective` is the n that Wilson was given."""

    n: int
    good: int
    share: float | None
    ci95: Interval | None
    n_cases: int
    design_effect: float | None
    n_effective: float | None


@dataclass(frozen=True)
class Latency:
    """Milliseconds; `p95_uncertain` marks a p95 of fewer than 20 cells."""

    n: int
    p50: float | None
    p95: float | None
    p95_uncertain: bool


@dataclass(frozen=True)
class CaseCost:
    """The labeled cells of one case; their cost in USD, None when unpriced."""

    cost: Decimal | None
    good: int
    labeled: int = 1


@dataclass(frozen=True)
class CostPerGood:
    """USD per good answer. Without a good answer only `more_than` stands (None: unpriced)."""

    cost_per_good: Decimal | None
    ci95: Interval | None
    more_than: Decimal | None


def wilson(good: float, n: float, z: float = Z95) -> Interval | None:
    """Wilson's score interval (1927) of good/n; None for n = 0."""
    return wilson_of(good, n, z) if n > 0 else None


def wilson_of(good: float, n: float, z: float = Z95) -> Interval:
    """The same for n > 0, also a fractional (effective) one."""
    p = good / n
    denominator = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / denominator
    half = z * math.sqrt(max(p * (1 - p), 0) / n + z * z / (4 * n * n)) / denominator
    # exactly 0 and 1 at the ends: rounding would leave 1e-17
    low = 0.0 if good <= 0 else max(centre - half, 0.0)
    high = 1.0 if good >= n else min(centre + half, 1.0)
    return Interval(low, high)


def share_of_good(cases: Sequence[Sequence[float]]) -> Share:
    """Share over the labeled cells (1 good, 0 bad) of every case.

    One cell a case: Wilson. Some case with two or more: Wilson with an effective n, because the
    cells of a case are not independent (Korn & Graubard 1998; Franco, Little, Louis & Slud 2019).
    """
    labeled = [case for case in cases if case]
    n_cases = len(labeled)
    n = sum(len(case) for case in labeled)
    good = int(sum(sum(case) for case in labeled))
    if n == 0:
        return Share(0, 0, None, None, 0, None, None)
    share = good / n
    if n == n_cases:
        return Share(n, good, share, wilson(good, n), n_cases, 1.0, float(n))
    if n_cases == 1:
        return Share(n, good, share, None, 1, None, None)
    effect = _design_effect(labeled, n, good)
    effective = n / effect * (Z95 / t975(n_cases - 1)) ** 2
    # all good: share · n_eff must equal n_eff exactly, or the upper limit is not 1
    interval = wilson_of(effective if good == n else share * effective, effective)
    return Share(n, good, share, interval, n_cases, effect, effective)


def _design_effect(cases: Sequence[Sequence[float]], n: int, good: int) -> float:
    """How many times the variance of a simple random sample, at least 1; n/G when all are equal."""
    if good in (0, n):
        return n / len(cases)
    share = good / n
    between = sum((sum(case) - len(case) * share) ** 2 for case in cases)
    variance = len(cases) / (len(cases) - 1) * between / n**2
    return max(1.0, variance / (share * (1 - share) / n))


def ranks(shares: Sequence[float | None]) -> list[int | None]:
    """1 is the highest share; equal shares share the rank (1, 1, 3); no share, no rank."""
    known = [share for share in shares if share is not None]
    return [
        None if share is None else 1 + sum(1 for other in known if other > share)
        for share in shares
    ]


def quantile(values: Sequence[float], q: float) -> float | None:
    """Linear interpolation between order statistics, as `numpy.quantile` by default."""
    if not values:
        return None
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def latency(latency_ms: Sequence[float]) -> Latency:
    """Of succeeded and uncached cells only: a cached answer has no latency of its own."""
    n = len(latency_ms)
    return Latency(n, quantile(latency_ms, 0.5), quantile(latency_ms, 0.95), n < 20)


def cost_per_good(
    cases: Sequence[CaseCost], total_cost: Decimal | None, succeeded: int
) -> CostPerGood:
    """Cost of the arm / (succeeded cells · share of good).

    `total_cost`: every billed attempt, failed ones too, a cached cell at the price of its first
    call; None when any part is unpriced. The interval is the delta method on the log, by case
    over the labeled cells: factor exp(±t·√V), V = G/(G−1)·Σ(costᵢ/Σcost − goodᵢ/Σgood)².
    """
    good = sum(case.good for case in cases)
    labeled = sum(case.labeled for case in cases)
    if total_cost is None or labeled == 0 or succeeded == 0:
        return CostPerGood(None, None, None)
    if good == 0:
        highest = Decimal(repr(wilson_of(0, labeled).high))
        return CostPerGood(None, None, total_cost / succeeded / highest)
    value = total_cost * labeled / (succeeded * good)
    return CostPerGood(value, _cost_interval(float(value), cases, good), None)


def _cost_interval(value: float, cases: Sequence[CaseCost], good: int) -> Interval | None:
    labeled = [case for case in cases if case.labeled]
    costs = [float(case.cost) for case in labeled if case.cost is not None]
    n_cases, total = len(labeled), sum(costs)
    if n_cases < 2 or len(costs) < n_cases or total <= 0:
        return None
    spread = sum(
        (cost / total - case.good / good) ** 2 for cost, case in zip(costs, labeled, strict=True)
    )
    factor = math.exp(t975(n_cases - 1) * math.sqrt(n_cases / (n_cases - 1) * spread))
    return Interval(value / factor, value * factor)
