"""An LLM judge against people: its error rates, and shares corrected by human labels.

Always on cells that were not used to write the judge's prompt or its examples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalsets.statistics.agreement import cohen_kappa
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.needs import JudgedNeed
from evalsets.statistics.pairing import Method
from evalsets.statistics.quantiles import Z95, Interval, t975
from evalsets.statistics.scores import variance
from evalsets.statistics.shares import wilson

SHARE_CORNERS = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0))
DIFFERENCE_CORNERS = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))


class Judged(NamedTuple):
    """A case with both: the person's value and the judge's (case means with repeats)."""

    human: float
    judge: float


@dataclass(frozen=True)
class JudgeRates:
    """TPR: judge good where the person says good; TNR: bad where bad."""

    tpr: float | None
    tpr_ci95: Interval | None
    tnr: float | None
    tnr_ci95: Interval | None
    kappa: float | None


@dataclass(frozen=True)
class CorrectedShare:
    """`n_judged`: cases with a judge's value, labeled ones included; `lam`: trust in the judge."""

    n_labeled: int
    n_judged: int
    lam: float | None
    share: float | None
    ci95: Interval | None


@dataclass(frozen=True)
class CorrectedDifference:
    n_labeled: int
    n_judged: int
    lam: float | None
    difference: float | None
    difference_ci95: Interval | None
    p_value: float | None


def judge_rates(
    *,
    human_good_judge_good: int,
    human_bad_judge_good: int,
    human_good_judge_bad: int,
    human_bad_judge_bad: int,
) -> JudgeRates:
    good = human_good_judge_good + human_good_judge_bad
    bad = human_bad_judge_good + human_bad_judge_bad
    return JudgeRates(
        human_good_judge_good / good if good else None,
        wilson(human_good_judge_good, good),
        human_bad_judge_bad / bad if bad else None,
        wilson(human_bad_judge_bad, bad),
        cohen_kappa(
            [
                [human_good_judge_good, human_good_judge_bad],
                [human_bad_judge_good, human_bad_judge_bad],
            ]
        ),
    )


def corrected_share(labeled: Sequence[Judged], unlabeled: Sequence[float]) -> CorrectedShare:
    """Prediction-powered mean with tuning (Angelopoulos et al. 2023; PPI++, arXiv 2311.01453).

    `unlabeled`: the judge's values of cases without a human label, one a case. The interval is
    Wilson's with an effective n: the plain normal one covered 58–95 %.
    """
    n, unseen = len(labeled), len(unlabeled)
    if n == 0:
        return CorrectedShare(0, unseen, None, None, None)
    lam, estimate = _tuned_mean(labeled, unlabeled)
    theta = min(max(estimate, 0.0), 1.0)
    if n == 1:
        return CorrectedShare(n, n + unseen, lam, theta, None)
    shrink = (Z95 / t975(n - 1)) ** 2
    v = _variance(labeled, unlabeled, lam, SHARE_CORNERS)
    size = float(n) if theta in (0.0, 1.0) else min(theta * (1 - theta) / v, n + unseen)
    effective = size * shrink
    interval = wilson(effective if theta == 1 else theta * effective, effective)
    return CorrectedShare(n, n + unseen, lam, theta, interval)


def corrected_difference(
    labeled: Sequence[Judged], unlabeled: Sequence[float]
) -> CorrectedDifference:
    """The same on case differences (candidate − baseline) in [−1, 1]; θ ± t·√V."""
    n, unseen = len(labeled), len(unlabeled)
    if n == 0:
        return CorrectedDifference(0, unseen, None, None, None, None)
    lam, estimate = _tuned_mean(labeled, unlabeled)
    theta = min(max(estimate, -1.0), 1.0)
    if n == 1:
        return CorrectedDifference(n, n + unseen, lam, theta, None, None)
    from scipy.special import stdtr

    error = math.sqrt(_variance(labeled, unlabeled, lam, DIFFERENCE_CORNERS))
    half = t975(n - 1) * error
    interval = Interval(max(theta - half, -1.0), min(theta + half, 1.0))
    p = 2 * float(stdtr(n - 1, -abs(theta) / error))
    return CorrectedDifference(n, n + unseen, lam, theta, interval, p)


def compare_judged(labeled: Sequence[Judged], unlabeled: Sequence[float]) -> Comparison:
    """`corrected_difference` as a comparison that still wants names and `decide`."""
    found = corrected_difference(labeled, unlabeled)
    interval = found.difference_ci95
    return Comparison(
        Method.PPI,
        found.n_labeled,
        found.n_labeled,
        found.difference,
        interval,
        found.p_value,
        JudgedNeed(found.n_labeled, interval.half_width if interval else None),
    )


def _tuned_mean(labeled: Sequence[Judged], unlabeled: Sequence[float]) -> tuple[float, float]:
    """λ and Ȳ + λ(F̄ − f̄); with fewer than two unlabeled cases λ = 0, the plain mean."""
    n, unseen = len(labeled), len(unlabeled)
    y_mean = sum(one.human for one in labeled) / n
    f_mean = sum(one.judge for one in labeled) / n
    if unseen < 2:
        return 0.0, y_mean
    covariance = sum((one.human - y_mean) * (one.judge - f_mean) for one in labeled) / n
    together = variance([one.judge for one in labeled] + list(unlabeled)) or 0.0
    lam = covariance / ((1 + n / unseen) * together) if together > 0 else 0.0
    lam = min(max(lam, 0.0), 1.0)
    return lam, y_mean + lam * (sum(unlabeled) / unseen - f_mean)


def _variance(
    labeled: Sequence[Judged],
    unlabeled: Sequence[float],
    lam: float,
    corners: Sequence[tuple[float, float]],
) -> float:
    """V of the tuned mean, with half an observation in each corner of (human, judge)."""
    n = len(labeled)
    residuals = [(one.human - lam * one.judge, 1.0) for one in labeled]
    residuals += [(human - lam * judge, 0.5) for human, judge in corners]
    mean = sum(residual for residual, _ in residuals[:n]) / n
    spread = sum(share * (residual - mean) ** 2 for residual, share in residuals) / (n + 1)
    unseen = lam**2 * (variance(unlabeled) or 0.0) / len(unlabeled) if lam else 0.0
    return unseen + spread / n
