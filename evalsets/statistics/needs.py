"""labels_needed: how many more labels bring a word, for each kind of evidence."""

import math
from dataclasses import dataclass
from typing import ClassVar

from evalsets.statistics.quantiles import Z90_ONE_SIDED, Z95, normal_quantile
from evalsets.statistics.shares import wilson_of

FEWEST_PAIRS = 10
FEWEST_CASES = 30


@dataclass(frozen=True)
class PairNeed:
    """Pairs of labels; `design_effect` None (one case alone) counts as n/G."""

    n_pairs: int
    n_cases: int
    only_candidate: int
    only_baseline: int
    half_labeled: int = 0
    design_effect: float | None = 1.0
    winner_from: ClassVar[int] = 0
    scale: ClassVar[float] = 1.0

    @property
    def cases(self) -> int:
        return self.n_cases

    def pairs_needed(self, resolution: float, alpha: float, family: int) -> int:
        """Pairs in all at which a winner shows (90 % power) or the interval is narrow enough.

        Connor 1987 with +1/δ for exactness; ψ is the upper Wilson limit of the discordant share.
        `resolution` is on the scale of the difference.
        """
        n = self.n_pairs
        if n < FEWEST_PAIRS:
            return pairs_for_width(resolution)
        per_case = n / self.n_cases
        effect = per_case if self.design_effect is None else self.design_effect
        psi = wilson_of(self.only_candidate + self.only_baseline, n, Z90_ONE_SIDED).high
        delta = abs(self.only_candidate - self.only_baseline) / n
        v = max(psi - delta**2, 0.02)
        width = math.ceil(effect * Z95**2 * v / resolution**2) + 2
        if delta == 0:
            return max(math.ceil(FEWEST_CASES * per_case), width)
        z = normal_quantile(1 - alpha / (2 * family))
        root = (z * math.sqrt(psi) + Z90_ONE_SIDED * math.sqrt(v)) / delta
        win = math.ceil(effect * root**2 + 1 / delta)
        return max(math.ceil(FEWEST_CASES * per_case), min(width, win))

    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        """Two labels a pair, less the half-labeled pairs that need one only."""
        extra = max(self.pairs_needed(resolution, alpha, family) - self.n_pairs, 1)
        return 2 * extra - min(self.half_labeled, extra)


@dataclass(frozen=True)
class PreferenceNeed(PairNeed):
    """Preferences: wins, losses and ties; one label a pair, resolution on the win share."""

    scale: ClassVar[float] = 2.0

    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        return max(self.pairs_needed(2 * resolution, alpha, family) - self.n_pairs, 1)


@dataclass(frozen=True)
class UnpairedNeed:
    """Arms of different cases."""

    candidate_good: int
    candidate_n: int
    baseline_good: int
    baseline_n: int
    candidate_cases: int
    baseline_cases: int
    winner_from: ClassVar[int] = 0
    scale: ClassVar[float] = 1.0

    @property
    def cases(self) -> int:
        return min(self.candidate_cases, self.baseline_cases)

    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        """Until the interval is narrow enough; two good and two bad are added to each share."""
        p1 = (self.candidate_good + 2) / (self.candidate_n + 4)
        p2 = (self.baseline_good + 2) / (self.baseline_n + 4)
        spread = p1 * (1 - p1) + p2 * (1 - p2)
        per_arm = max(math.ceil(Z95**2 * spread / resolution**2), FEWEST_CASES)
        lacking = max(per_arm - self.candidate_n, 0) + max(per_arm - self.baseline_n, 0)
        return max(lacking, 1)


@dataclass(frozen=True)
class ScoreNeed:
    """Graded scores on 0–1; `variance` over cases of the mean difference of a case."""

    n_pairs: int
    n_cases: int
    variance: float | None
    difference: float | None
    winner_from: ClassVar[int] = 20
    scale: ClassVar[float] = 1.0

    @property
    def cases(self) -> int:
        return self.n_cases

    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        """Scores of further cases, by the upper 90 % limit of their variance."""
        cases = self.n_cases
        if cases < FEWEST_PAIRS or self.variance is None or self.difference is None:
            return 2 * max(pairs_for_width(resolution) - cases, 1)
        from scipy.special import chdtri  # 0.3 s; only verdicts on graded scores come here

        upper = self.variance * (cases - 1) / float(chdtri(cases - 1, 0.9))
        wanted = math.ceil(Z95**2 * upper / resolution**2)
        if self.difference:
            z = normal_quantile(1 - alpha / (2 * family)) + Z90_ONE_SIDED
            wanted = min(wanted, math.ceil(z**2 * upper / self.difference**2))
        wanted = max(FEWEST_CASES, cases + 1, wanted)
        return math.ceil(2 * (wanted - cases) * self.n_pairs / cases)


@dataclass(frozen=True)
class JudgedNeed:
    """A judge's scores corrected by n labeled cases; `half_width` of the 95 % interval."""

    n_labeled: int
    half_width: float | None
    winner_from: ClassVar[int] = 20
    scale: ClassVar[float] = 1.0

    @property
    def cases(self) -> int:
        return self.n_labeled

    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        n = self.n_labeled
        if n < self.winner_from or self.half_width is None:
            return 2 * max(FEWEST_CASES - n, 1)
        width = math.ceil(n * (self.half_width / resolution) ** 2)
        return 2 * max(FEWEST_CASES - n, width - n, 1)


def pairs_for_width(resolution: float) -> int:
    """Pairs that make the interval narrow enough when half of them differ: 195 at 10 points."""
    return math.ceil(Z95**2 * 0.5 / resolution**2) + 2
