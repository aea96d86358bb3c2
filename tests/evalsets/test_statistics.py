from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest, t
from statsmodels.stats.proportion import proportion_confint

from evalsets.statistics.quantiles import Z95
from evalsets.statistics.shares import (
    CaseCost,
    cost_per_good,
    latency,
    quantile,
    ranks,
    share_of_good,
    wilson,
)


@pytest.mark.parametrize("n", [1, 2, 7, 40, 1_000, 4.36, 0.7])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97, 1.0])
def test_wilson_equals_statsmodels(n: float, share: float) -> None:
    found = wilson(share * n, n)
    assert found is not None
    assert found == pytest.approx(proportion_confint(share * n, n, method="wilson"), abs=1e-7)


@pytest.mark.parametrize(("good", "n"), [(1, 9), (20, 40), (39, 40)])
def test_wilson_solves_the_score_equation(good: int, n: int) -> None:
    def score(p: float) -> float:
        return (good / n - p) ** 2 - Z95**2 * p * (1 - p) / n

    found = wilson(good, n)
    assert found is not None
    assert found.low == pytest.approx(brentq(score, 1e-12, good / n), abs=1e-9)
    assert found.high == pytest.approx(brentq(score, good / n, 1 - 1e-12), abs=1e-9)
    assert found == pytest.approx(binomtest(good, n).proportion_ci(method="wilson"), abs=1e-7)


@given(st.integers(1, 10_000), st.data())
def test_wilson_stays_in_bounds_and_is_symmetric(n: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, n))
    found, mirrored = wilson(good, n), wilson(n - good, n)
    assert found is not None
    assert mirrored is not None
    assert 0 <= found.low <= good / n <= found.high <= 1
    assert (found.low == 0) == (good == 0)
    assert (found.high == 1) == (good == n)
    assert mirrored == pytest.approx((1 - found.high, 1 - found.low), abs=1e-12)


def test_wilson_of_nothing() -> None:
    assert wilson(0, 0) is None


def test_share_without_repeats_is_plain_wilson() -> None:
    found = share_of_good([[1], [], [0], [1], []])
    assert (found.n, found.good, found.n_cases) == (3, 2, 3)
    assert found.ci95 == wilson(2, 3)
    assert (found.design_effect, found.n_effective) == (1, 3)


def test_share_of_nothing_is_null() -> None:
    for cases in ([], [[], []]):
        found = share_of_good(cases)
        assert (found.n, found.share, found.ci95) == (0, None, None)


def test_repeats_of_one_case_alone_have_no_interval() -> None:
    found = share_of_good([[1, 0, 1], []])
    assert found.share == pytest.approx(2 / 3)
    assert found.ci95 is None
    assert found.n_effective is None


@pytest.mark.parametrize("value", [0, 1])
def test_equal_cells_have_an_exact_end(value: int) -> None:
    found = share_of_good([[value] * 3, [value] * 2, [value]])
    assert found.ci95 is not None
    assert found.ci95[value] == value
    assert found.design_effect == 2
    assert found.n_effective == pytest.approx(3 * (Z95 / t.ppf(0.975, 2)) ** 2)


def test_clustered_share_by_the_formula_with_numpy() -> None:
    generator = np.random.default_rng(1)
    cases = [generator.integers(0, 2, size).tolist() for size in (1, 4, 2, 3, 3, 5)]
    sizes, good = np.array([len(case) for case in cases]), np.array([sum(case) for case in cases])
    n, p, g = sizes.sum(), good.sum() / sizes.sum(), len(cases)
    v = g / (g - 1) * ((good - sizes * p) ** 2).sum() / n**2
    effect = max(1, v / (p * (1 - p) / n))
    effective = n / effect * (Z95 / t.ppf(0.975, g - 1)) ** 2
    found = share_of_good(cases)
    assert found.design_effect == pytest.approx(effect)
    assert found.ci95 == pytest.approx(
        proportion_confint(p * effective, effective, method="wilson"), abs=1e-7
    )


def test_cells_that_repel_each_other_gain_nothing() -> None:
    assert share_of_good([[1, 0], [0, 1], [1, 0]]).design_effect == 1


def test_ranks_share_a_place() -> None:
    assert ranks([0.5, 0.8, 0.5, None, 0.1]) == [2, 1, 2, None, 4]
    assert ranks([2 / 6, 1 / 3]) == [1, 1]
    assert ranks([]) == []


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_quantile_equals_numpy(values: list[float], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)


def test_latency_marks_a_p95_of_few() -> None:
    assert latency([]).p50 is None
    assert latency([10.0] * 19).p95_uncertain
    assert not latency([10.0] * 20).p95_uncertain


def test_cost_counts_failed_and_unlabeled_cells() -> None:
    """10 succeeded cells cost 1.00 with their failed attempts; 3 of 4 labeled ones are good."""
    cases = [CaseCost(Decimal("0.1"), good) for good in (1, 1, 1, 0)]
    found = cost_per_good(cases, Decimal("1.00"), 10)
    assert found.cost_per_good == Decimal("1.00") / (10 * Decimal("0.75"))
    assert found.ci95 is not None
    assert found.ci95.low < 1 / 7.5 < found.ci95.high
    assert found.ci95.low * found.ci95.high == pytest.approx((1 / 7.5) ** 2)


def test_cost_without_a_good_answer_says_more_than() -> None:
    found = cost_per_good([CaseCost(Decimal("0.01"), 0)] * 20, Decimal("0.20"), 20)
    assert (found.cost_per_good, found.ci95) == (None, None)
    upper = proportion_confint(0, 20, method="wilson")[1]
    assert float(found.more_than or 0) == pytest.approx(0.01 / upper)


@pytest.mark.parametrize(
    ("cases", "total", "succeeded"),
    [([CaseCost(None, 1)], None, 1), ([], Decimal(1), 3), ([], Decimal(0), 0)],
)
def test_cost_unpriced_or_unlabeled_is_null(
    cases: list[CaseCost], total: Decimal | None, succeeded: int
) -> None:
    found = cost_per_good(cases, total, succeeded)
    assert found == type(found)(None, None, None)


def test_cost_of_one_case_or_of_nothing_has_no_interval() -> None:
    assert cost_per_good([CaseCost(Decimal(1), 2, 3)], Decimal(1), 3).ci95 is None
    free = cost_per_good([CaseCost(Decimal(0), 1)] * 9, Decimal(0), 9)
    assert (free.cost_per_good, free.ci95) == (0, None)
