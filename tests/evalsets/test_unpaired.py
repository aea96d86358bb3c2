import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact as scipy_fisher
from statsmodels.stats.proportion import confint_proportions_2indep

from evalsets.statistics.pairing import Method, clip, square_and_add
from evalsets.statistics.shares import share_of_good
from evalsets.statistics.unpaired import fisher_exact, unpaired


def cells(good: int, n: int) -> list[list[float]]:
    return [[1.0]] * good + [[0.0]] * (n - good)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_fisher_equals_scipy(n1: int, n2: int, data: st.DataObject) -> None:
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    oracle = scipy_fisher([[k1, n1 - k1], [k2, n2 - k2]]).pvalue
    assert fisher_exact(k1, n1, k2, n2) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2"), [(30, 40, 20, 42), (0, 8, 5, 9), (9, 9, 1, 30)])
def test_interval_equals_statsmodels(k1: int, n1: int, k2: int, n2: int) -> None:
    found = unpaired(cells(k1, n1), cells(k2, n2))
    oracle = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
    assert found.method is Method.FISHER
    assert found.difference_ci95 == pytest.approx(oracle, abs=1e-7)


@pytest.mark.parametrize(("ours", "theirs"), [([], [[1.0]]), ([[]], [[1.0]]), ([], [])])
def test_an_empty_arm_gives_no_figure(ours: list[list[float]], theirs: list[list[float]]) -> None:
    found = unpaired(ours, theirs)
    assert (found.difference, found.difference_ci95, found.p_value) == (None, None, None)


def test_repeats_permute_case_means() -> None:
    ours = [[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 1]]
    theirs = [[0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]]
    found = unpaired(ours, theirs)
    assert found.method is Method.PERMUTATION
    # 8 case means, 4 to an arm: the seen split is the extreme one of 70, either way
    assert found.p_value == pytest.approx(2 / 70)
    one, other = share_of_good(ours), share_of_good(theirs)
    assert one.share is not None
    assert other.share is not None
    assert one.ci95 is not None
    assert other.ci95 is not None
    assert found.difference_ci95 == clip(
        square_and_add(one.share, one.ci95, other.share, other.ci95)
    )


def test_repeats_that_are_all_equal_show_nothing() -> None:
    assert unpaired([[1, 1], [1, 1]], [[1, 1], [1]]).p_value == 1


def test_one_repeated_case_has_no_interval() -> None:
    found = unpaired([[1, 0]], [[1], [0], [0]])
    assert found.difference_ci95 is None
    # the lone 0.5 among 1, 0, 0: every other value lies further from the rest
    assert found.p_value == pytest.approx(4 / 4)
    assert unpaired([[1], [1], [1], [1]], [[0, 0]]).p_value == pytest.approx(1 / 5)
    assert unpaired([[1, 1]], [[0]]).p_value == 1


def test_many_cases_are_drawn_with_a_fixed_seed() -> None:
    generator = np.random.default_rng(3)
    ours, theirs = (generator.integers(0, 2, (30, 2)).tolist() for _ in range(2))
    assert unpaired(ours, theirs) == unpaired(ours, theirs)
