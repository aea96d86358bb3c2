"""How steady an arm is over the repeats of a case: pass@k, pass^k, flicker."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalsets.statistics.quantiles import Interval
from evalsets.statistics.resampling import bootstrap_mean
from evalsets.statistics.shares import wilson


@dataclass(frozen=True)
class PassK:
    """Means over the cases with at least k labeled cells; `left_out` counts the others."""

    k: int
    n_cases: int
    left_out: int
    pass_at_k: float | None
    pass_at_k_ci95: Interval | None
    pass_hat_k: float | None
    pass_hat_k_ci95: Interval | None


@dataclass(frozen=True)
class Flicker:
    """`flicker`: share of cases neither all good nor all bad; it grows with the repeats.

    `two_disagree`: chance that two cells of a case differ; comparable between runs.
    """

    n_cases: int
    flicker: float | None
    ci95: Interval | None
    two_disagree: float | None


def pass_at_k(n: int, good: int, k: int) -> float:
    """Chance that some of k drawn cells is good: 1 − C(n−c, k)/C(n, k), Chen et al. 2021, eq. 1."""
    return 1 - math.comb(n - good, k) / math.comb(n, k)


def pass_hat_k(n: int, good: int, k: int) -> float:
    """Chance that all of k drawn cells are good: C(c, k)/C(n, k), Yao et al. 2024 (τ-bench)."""
    return math.comb(good, k) / math.comb(n, k)


def pass_k(cases: Sequence[tuple[int, int]], k: int) -> PassK:
    """`cases`: (labeled cells, good ones) of every case; k from 1."""
    if k < 1:
        raise ValueError("k counts cells, from 1")
    counted = [(n, good) for n, good in cases if n >= k]
    size = len(counted)
    some = [pass_at_k(n, good, k) for n, good in counted]
    every = [pass_hat_k(n, good, k) for n, good in counted]
    if not size:
        return PassK(k, 0, len(cases), None, None, None, None)
    return PassK(
        k=k,
        n_cases=size,
        left_out=len(cases) - size,
        pass_at_k=sum(some) / size,
        pass_at_k_ci95=bootstrap_mean(some),
        pass_hat_k=sum(every) / size,
        pass_hat_k_ci95=bootstrap_mean(every),
    )


def flicker(cases: Sequence[Sequence[float]]) -> Flicker:
    """Cells (1 good, 0 bad) by case; cases with fewer than two say nothing."""
    repeated = [(len(case), int(sum(case))) for case in cases if len(case) >= 2]
    size = len(repeated)
    if not size:
        return Flicker(0, None, None, None)
    unsteady = sum(1 for n, good in repeated if 0 < good < n)
    differ = sum(2 * good * (n - good) / (n * (n - 1)) for n, good in repeated)
    return Flicker(size, unsteady / size, wilson(unsteady, size), differ / size)
