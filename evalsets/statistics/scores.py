"""Scores that are not all 0 or 1: means and differences, by case."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalsets.statistics.pairing import Method, square_and_add
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.resampling import bootstrap_ratio, permutation_of_means, sign_flip_test
from evalsets.statistics.shares import share_of_good


@dataclass(frozen=True)
class MeanScore:
    """Mean over the scored cells; unscored ones are out of n, never 0."""

    n: int
    n_cases: int
    mean: float | None
    ci95: Interval | None


@dataclass(frozen=True)
class ScoreDifference:
    """`variance` is that of the case means of the differences, ddof 1; None below 2 cases."""

    n_pairs: int
    n_cases: int
    difference: float | None
    difference_ci95: Interval | None
    p_value: float | None
    variance: float | None
    method: Method


def mean_score(cases: Sequence[Sequence[float]]) -> MeanScore:
    """Scores by case: all 0 or 1 as a share of good, else the mean with a bootstrap of cases."""
    scored = [case for case in cases if case]
    n = sum(len(case) for case in scored)
    if n == 0:
        return MeanScore(0, 0, None, None)
    if all(score in (0, 1) for case in scored for score in case):
        share = share_of_good(scored)
        return MeanScore(n, len(scored), share.share, share.ci95)
    sums = [sum(case) for case in scored]
    interval = bootstrap_ratio(sums, [len(case) for case in scored])
    return MeanScore(n, len(scored), sum(sums) / n, interval)


def score_difference(cases: Sequence[Sequence[tuple[float, float]]]) -> ScoreDifference:
    """Pairs (candidate, baseline) of scores by case: bootstrap of cases and sign-flip p."""
    scored = [case for case in cases if case]
    counts = [len(case) for case in scored]
    n, n_cases = sum(counts), len(scored)
    if n == 0:
        return ScoreDifference(0, 0, None, None, None, None, Method.SIGN_FLIP)
    sums = [sum(ours - theirs for ours, theirs in case) for case in scored]
    return ScoreDifference(
        n_pairs=n,
        n_cases=n_cases,
        difference=sum(sums) / n,
        difference_ci95=bootstrap_ratio(sums, counts),
        p_value=sign_flip_test(sums),
        variance=variance([total / count for total, count in zip(sums, counts, strict=True)]),
        method=Method.SIGN_FLIP,
    )


def score_difference_unpaired(
    candidate: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]]
) -> ScoreDifference:
    """Scores of arms that share no case: p by permuting case means between arms.

    The interval joins the two bootstrap intervals by square and add (Zou & Donner 2008).
    """
    ours, theirs = mean_score(candidate), mean_score(baseline)
    n_cases = ours.n_cases + theirs.n_cases
    if ours.mean is None or theirs.mean is None:
        return ScoreDifference(0, n_cases, None, None, None, None, Method.PERMUTATION)
    interval = None
    if ours.ci95 and theirs.ci95:
        interval = square_and_add(ours.mean, ours.ci95, theirs.mean, theirs.ci95)
    p = permutation_of_means(_means(candidate), _means(baseline))
    difference = ours.mean - theirs.mean
    return ScoreDifference(0, n_cases, difference, interval, p, None, Method.PERMUTATION)


def _means(cases: Sequence[Sequence[float]]) -> list[float]:
    return [sum(case) / len(case) for case in cases if case]


def variance(values: Sequence[float]) -> float | None:
    """Sample variance, ddof 1; None below two values."""
    n = len(values)
    if n < 2:
        return None
    mean = sum(values) / n
    return sum((value - mean) ** 2 for value in values) / (n - 1)
