"""Shifts of distributions: against SciPy, and how often they see one that is not there."""

import math

import numpy as np
import pytest
from scipy import stats

from evalsets.statistics.shifts import kolmogorov_smirnov, population_stability


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_kolmogorov_smirnov_is_that_of_scipy(shift: float) -> None:
    draw = np.random.default_rng(1)
    for n, m in ((50, 50), (60, 500), (500, 500)):
        before, now = draw.normal(size=n), draw.normal(shift, size=m)
        ours = kolmogorov_smirnov(before.tolist(), now.tolist())
        assert ours is not None
        theirs = stats.ks_2samp(before, now, method="exact")
        assert ours.distance == pytest.approx(theirs.statistic)
        assert ours.p == pytest.approx(theirs.pvalue, abs=0.02, rel=0.5)


def test_equal_values_count_as_equal() -> None:
    assert kolmogorov_smirnov([1, 1, 2], [1, 1, 2]) == (0, 1)
    found = kolmogorov_smirnov([1] * 60, [2] * 60)
    assert found is not None
    assert found.distance == 1
    assert found.p < 1e-20
    assert kolmogorov_smirnov([], [1]) is None


def test_the_index_by_hand_and_its_p_against_chi_squared() -> None:
    found = population_stability([60, 40], [40, 60])
    assert found is not None
    p, q = 60.5 / 101, 40.5 / 101
    index = 2 * (p - q) * math.log(p / q)
    assert found.distance == pytest.approx(index)
    assert found.p == pytest.approx(stats.chi2.sf(index / (2 / 100), 1), abs=0.002)
    assert population_stability([5], [9]) == (0, 1)
    assert population_stability([0, 0], [1, 2]) is None
    many = population_stability([20] * 10, [20] * 10)
    assert many is not None
    assert (many.distance, many.p > 0.99) == (0, True)


def test_nothing_is_seen_where_nothing_changed() -> None:
    draw = np.random.default_rng(2)
    shares = [0.4, 0.3, 0.2, 0.1]
    lengths = stations = 0
    for _ in range(1000):
        samples = [np.round(draw.lognormal(4, 1, n)).tolist() for n in (200, 100)]
        counts = [draw.multinomial(n, shares).tolist() for n in (200, 100)]
        smirnov, index = kolmogorov_smirnov(*samples), population_stability(*counts)
        assert smirnov is not None
        assert index is not None
        lengths += smirnov.p <= 0.05
        stations += index.p <= 0.05
    assert lengths <= 65
    assert stations <= 65
