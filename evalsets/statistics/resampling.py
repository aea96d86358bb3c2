"""Bootstrap by case, sign flips and permutations of sums that are not whole numbers.

The one file that loads NumPy and SciPy for them, inside its functions: a run whose scores are
all 0 or 1 needs neither. The bootstrap is own because `scipy.stats` costs 1 s to import and
`run show` has 0.8 s; with the same generator it draws what `scipy.stats.bootstrap` draws.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalsets.statistics.quantiles import Interval, expanded_level

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 9_999
SEED = 0
FEWEST_CASES = 6


def bootstrap_ratio(sums: Sequence[float], counts: Sequence[float]) -> Interval | None:
    """Expanded percentile interval (Hesterberg 2015) of Σsum/Σcount, resampling cases.

    None below 6 cases or when every case has the same value: there it covers far below 95 %.
    """
    n_cases = len(sums)
    values = [total / count for total, count in zip(sums, counts, strict=True)]
    if n_cases < FEWEST_CASES or max(values) == min(values):
        return None
    import numpy as np

    total, size = np.asarray(sums, float), np.asarray(counts, float)
    drawn = np.concatenate(
        [total[rows].sum(axis=1) / size[rows].sum(axis=1) for rows in _case_draws(n_cases)]
    )
    tail = (1 - expanded_level(n_cases)) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_mean(values: Sequence[float]) -> Interval | None:
    """The same of a mean whose cases take few values, as those of pass@k do.

    How often each value is drawn is multinomial, so time depends on the values, not on the cases.
    """
    n_cases, counts = len(values), Counter(values)
    if n_cases < FEWEST_CASES or len(counts) == 1:
        return None
    import numpy as np

    levels = sorted(counts)
    shares = [counts[level] / n_cases for level in levels]
    drawn = np.random.default_rng(SEED).multinomial(n_cases, shares, RESAMPLES) @ levels / n_cases
    tail = (1 - expanded_level(n_cases)) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _case_draws(n_cases: int) -> "list[NDArray[np.intp]]":
    """9,999 resamples of the cases in blocks that stay below 32 MB each."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    block = max(1, 4_000_000 // n_cases)
    sizes = [min(block, RESAMPLES - start) for start in range(0, RESAMPLES, block)]
    return [generator.integers(0, n_cases, (size, n_cases)) for size in sizes]


def sign_flip_test(case_sums: Sequence[float]) -> float:
    """Two-sided p of Σ Sᵢ under random signs: exact to 13 cases, then 9,999 draws.

    Drawn: (hits + 1)/(draws + 1), Phipson & Smyth 2010. All zero, or one case alone: 1.
    """
    import numpy as np
    from scipy.stats import permutation_test

    if not any(case_sums) or len(case_sums) == 1:
        return 1.0
    result = permutation_test(
        (np.asarray(case_sums, float),),
        lambda sums, axis: np.abs(sums.sum(axis=axis)),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(len(case_sums)),
        alternative="greater",
        rng=np.random.default_rng(SEED),
    )
    return float(result.pvalue)


def permutation_of_means(candidate: Sequence[float], baseline: Sequence[float]) -> float:
    """Two-sided p of the difference of two means, permuting case means between arms."""
    import numpy as np
    from scipy.stats import permutation_test

    if len(set(candidate) | set(baseline)) == 1:
        return 1.0
    if min(len(candidate), len(baseline)) == 1:
        return _one_against_many(candidate, baseline)
    result = permutation_test(
        (np.asarray(candidate, float), np.asarray(baseline, float)),
        lambda ours, theirs, axis: np.abs(ours.mean(axis=axis) - theirs.mean(axis=axis)),
        permutation_type="independent",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(len(candidate) + len(baseline)),
        alternative="greater",
        rng=np.random.default_rng(SEED),
    )
    return float(result.pvalue)


def _one_against_many(candidate: Sequence[float], baseline: Sequence[float]) -> float:
    """Every value once as the lone one; SciPy refuses samples of one."""
    pooled = [*candidate, *baseline]
    n, total = len(pooled), sum(pooled)
    gaps = [abs(value - (total - value) / (n - 1)) for value in pooled]
    seen = gaps[0] if len(candidate) == 1 else gaps[-1]
    return sum(gap >= seen - 1e-12 for gap in gaps) / n


def _batch(size: int) -> int:
    return max(1, 4_000_000 // size)
