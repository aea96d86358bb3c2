import itertools

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from evalsets.statistics.pairing import Method
from evalsets.statistics.quantiles import expanded_level
from evalsets.statistics.resampling import (
    RESAMPLES,
    bootstrap_ratio,
    permutation_of_means,
    sign_flip_test,
)
from evalsets.statistics.scores import mean_score, score_difference, score_difference_unpaired
from evalsets.statistics.shares import share_of_good

GENERATOR = np.random.default_rng(7)
SCORES = [GENERATOR.random(size).tolist() for size in (1, 3, 2, 2, 4, 1, 1, 5, 2)]


def ratio(sums: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)


@pytest.mark.parametrize("n_cases", [6, 9, 1_200])
def test_bootstrap_draws_what_scipy_draws(n_cases: int) -> None:
    generator = np.random.default_rng(n_cases)
    counts = generator.integers(1, 4, n_cases)
    sums = generator.random(n_cases) * counts
    oracle = bootstrap(
        (sums, counts),
        ratio,
        paired=True,
        vectorized=True,
        method="percentile",
        confidence_level=expanded_level(n_cases),
        n_resamples=RESAMPLES,
        batch=500,
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = bootstrap_ratio(sums.tolist(), counts.tolist())
    assert found == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_bootstrap_of_few_or_equal_cases_is_null() -> None:
    assert bootstrap_ratio([0.1, 0.2, 0.3, 0.4, 0.5], [1] * 5) is None
    assert bootstrap_ratio([0.6, 0.3, 0.3, 0.3, 0.3, 0.3], [2, 1, 1, 1, 1, 1]) is None


@pytest.mark.parametrize("size", [1, 5, 13])
def test_sign_flips_are_exact_to_13_cases(size: int) -> None:
    sums = np.random.default_rng(size).normal(0.3, 1, size)
    signs = np.array(list(itertools.product((1, -1), repeat=size)))
    exact = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12).mean()
    assert sign_flip_test(sums.tolist()) == pytest.approx(exact, abs=1e-12)


def test_sign_flips_of_more_cases_are_drawn() -> None:
    """(hits + 1)/(draws + 1): never 0, and near SciPy's own two-sided p."""
    sums = np.random.default_rng(2).normal(0.3, 1, 40)
    p = sign_flip_test(sums.tolist())
    oracle = permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=20_000, rng=1
    ).pvalue
    assert p == pytest.approx(oracle, abs=0.02)
    assert p * (RESAMPLES + 1) == pytest.approx(round(p * (RESAMPLES + 1)), abs=1e-6)
    assert sign_flip_test([0.5] * 60) == pytest.approx(1 / (RESAMPLES + 1))
    assert sign_flip_test(sums.tolist()) == p


def test_no_difference_anywhere_is_p_1() -> None:
    assert sign_flip_test([0.0] * 9) == 1
    assert sign_flip_test([]) == 1
    assert permutation_of_means([0.5, 0.5], [0.5]) == 1


def test_mean_counts_cells_and_leaves_empty_cases_out() -> None:
    found = mean_score([*SCORES, []])
    flat = [score for case in SCORES for score in case]
    assert (found.n, found.n_cases) == (len(flat), len(SCORES))
    assert found.mean == pytest.approx(np.mean(flat))
    assert found.ci95 is not None
    assert found.ci95.low < np.mean(flat) < found.ci95.high


def test_mean_of_zeros_and_ones_is_a_share() -> None:
    cases = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert mean_score(cases).ci95 == share_of_good(cases).ci95
    assert mean_score([[1.0], [0.0]]).ci95 == share_of_good([[1.0], [0.0]]).ci95
    assert mean_score([]).mean is None


def test_difference_by_case_with_repeats() -> None:
    pairs = [[(score, score / 2) for score in case] for case in SCORES]
    found = score_difference([*pairs, []])
    sums = [sum(case) / 2 for case in SCORES]
    counts = [len(case) for case in SCORES]
    means = [total / count for total, count in zip(sums, counts, strict=True)]
    assert (found.n_pairs, found.n_cases) == (sum(counts), len(SCORES))
    assert found.difference == pytest.approx(sum(sums) / sum(counts))
    assert found.difference_ci95 == pytest.approx(bootstrap_ratio(sums, counts), abs=1e-12)
    assert found.p_value == pytest.approx(2 / 2 ** len(SCORES))
    assert found.variance == pytest.approx(np.var(means, ddof=1))


def test_difference_of_nothing_is_null() -> None:
    found = score_difference([])
    assert (found.difference, found.p_value, found.difference_ci95) == (None, None, None)


def test_different_cases_permute_case_means() -> None:
    low = [[0.1], [0.15], [0.2], [0.25], [0.3], [0.35]]
    high = [[score + 0.5 for score in case] for case in low]
    found = score_difference_unpaired(high, low)
    assert found.method is Method.PERMUTATION
    assert found.p_value == pytest.approx(2 / 924)
    assert found.difference == pytest.approx(0.5)
    assert found.difference_ci95 is not None
    assert found.difference_ci95.low < 0.5 < found.difference_ci95.high
    assert score_difference_unpaired([], low).p_value is None
