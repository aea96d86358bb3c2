"""Two arms that share no case by design, such as imported runs of different data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalsets.statistics.pairing import Method, clip, square_and_add
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.resampling import permutation_of_means
from evalsets.statistics.shares import Share, share_of_good


@dataclass(frozen=True)
class Unpaired:
    candidate: Share
    baseline: Share
    difference: float | None
    difference_ci95: Interval | None
    p_value: float | None
    method: Method


def fisher_exact(
    candidate_good: int, candidate_n: int, baseline_good: int, baseline_n: int
) -> float:
    """Two-sided Fisher p: every table with these margins that is no likelier than the one seen.

    Counted in integers, so that equally likely tables are never parted by rounding.
    """
    good, n = candidate_good + baseline_good, candidate_n + baseline_n
    lowest, highest = max(0, good - baseline_n), min(candidate_n, good)
    ways = math.comb(candidate_n, lowest) * math.comb(baseline_n, good - lowest)
    counted: list[int] = []
    for k in range(lowest, highest + 1):
        counted.append(ways)
        # hypergeometric recurrence, an exact division
        ways = ways * (candidate_n - k) * (good - k)
        ways //= (k + 1) * (baseline_n - good + k + 1)
    seen = counted[candidate_good - lowest]
    return sum(way for way in counted if way <= seen) / math.comb(n, good)


def unpaired(candidate: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]]) -> Unpaired:
    """Cells (1 good, 0 bad) of each arm by case.

    Without repeats Fisher and Newcombe 17:873; with them the clustered limits of each share in
    the same square-and-add, and a permutation of case means.
    """
    ours, theirs = share_of_good(candidate), share_of_good(baseline)
    repeated = ours.n > ours.n_cases or theirs.n > theirs.n_cases
    method = Method.PERMUTATION if repeated else Method.FISHER
    difference, interval, p = None, None, None
    if ours.share is not None and theirs.share is not None:
        difference = ours.share - theirs.share
        if ours.ci95 and theirs.ci95:
            interval = clip(square_and_add(ours.share, ours.ci95, theirs.share, theirs.ci95))
        if repeated:
            p = permutation_of_means(_means(candidate), _means(baseline))
        else:
            p = fisher_exact(ours.good, ours.n, theirs.good, theirs.n)
    return Unpaired(ours, theirs, difference, interval, p, method)


def _means(cases: Sequence[Sequence[float]]) -> list[float]:
    return [sum(case) / len(case) for case in cases if case]
