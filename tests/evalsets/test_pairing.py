import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from evalsets.statistics.pairing import (
    Method,
    Table,
    mcnemar,
    newcombe_paired,
    p_anytime,
    paired,
    sign_flip,
)
from evalsets.statistics.quantiles import Z95
from tests.support.depth import DEEP

ENUMERATED = [6, 8, 10, 15, 20, 30]
if DEEP:
    ENUMERATED += [40, 60, 80, 100]

tables = st.builds(Table, *[st.integers(0, 200)] * 4)
pair = st.tuples(st.integers(0, 1), st.integers(0, 1))


def every_table(n: int) -> list[Table]:
    return [
        Table(a, b, c, n - a - b - c)
        for a in range(n + 1)
        for b in range(n + 1 - a)
        for c in range(n + 1 - a - b)
    ]


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (12, 2), (5, 5), (30, 61), (700, 650)])
def test_mcnemar_equals_statsmodels_and_scipy(b: int, c: int) -> None:
    oracle = statsmodels_mcnemar([[3, b], [c, 4]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(oracle, rel=1e-9)
    if b + c:
        assert mcnemar(b, c) == pytest.approx(binomtest(min(b, c), b + c).pvalue, rel=1e-9)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_a_symmetric_probability(b: int, c: int) -> None:
    assert 0 < mcnemar(b, c) == mcnemar(c, b) <= 1
    assert p_anytime(b, c) == p_anytime(c, b) <= 1


def test_mcnemar_of_very_many_pairs_neither_fails_nor_vanishes() -> None:
    assert mcnemar(10_200, 9_800) == pytest.approx(binomtest(9_800, 20_000).pvalue, rel=1e-6)


def test_p_anytime_costs_more_than_one_look() -> None:
    assert p_anytime(0, 0) == 1
    assert p_anytime(12, 0) == float(Fraction(13, 2**12))
    assert p_anytime(12, 3) > mcnemar(12, 3)


@pytest.mark.parametrize("n", ENUMERATED)
def test_significant_tables_have_intervals_without_0(n: int) -> None:
    """Word and picture must not contradict: in every table with n pairs."""
    reached = 0
    for table in every_table(n):
        p = mcnemar(int(table.only_candidate), int(table.only_baseline))
        if p <= 0.05:
            found = newcombe_paired(table)
            assert found is not None
            assert found.ci95.leaves_out(0), table
            reached += 1
    assert reached > 0


@given(tables)
def test_newcombe_holds_the_difference_and_mirrors(table: Table) -> None:
    found = newcombe_paired(table)
    if table.n == 0:
        assert found is None
        return
    mirrored = newcombe_paired(Table(table[0], table[2], table[1], table[3]))
    turned = newcombe_paired(Table(table[3], table[2], table[1], table[0]))
    assert found is not None
    assert mirrored is not None
    assert turned is not None
    difference = (table.only_candidate - table.only_baseline) / table.n
    assert -1 <= found.ci95.low <= difference + 1e-12
    assert difference - 1e-12 <= found.ci95.high <= 1
    assert mirrored.ci95 == pytest.approx((-found.ci95.high, -found.ci95.low), abs=1e-12)
    # good and bad exchanged
    assert turned.ci95 == pytest.approx(mirrored.ci95, abs=1e-12)
    assert -1 <= found.phi <= 1


@given(st.lists(st.integers(-4, 4), max_size=10))
def test_sign_flip_equals_all_signs(sums: list[int]) -> None:
    signs = list(itertools.product((1, -1), repeat=len(sums)))
    hits = sum(
        abs(sum(e * s for e, s in zip(one, sums, strict=True))) >= abs(sum(sums)) for one in signs
    )
    assert sign_flip(sums) == pytest.approx(hits / len(signs), abs=1e-12)


def test_sign_flip_equals_scipy() -> None:
    sums = [3, 2, 2, 1, -1, 3, 0, 1, -2, 4, 1]
    oracle = permutation_test(
        (np.array(sums, float),), np.sum, permutation_type="samples", n_resamples=10_000
    )
    assert sign_flip(sums) == pytest.approx(oracle.pvalue, abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_sign_flip_of_single_pairs_is_mcnemar(b: int, c: int, same: int) -> None:
    assert sign_flip([1] * b + [-1] * c + [0] * same) == pytest.approx(mcnemar(b, c), abs=1e-12)


def test_sign_flip_of_many_cases_is_quick_and_a_probability() -> None:
    sums = np.random.default_rng(0).integers(-5, 6, 4_000).tolist()
    assert 0 < sign_flip(sums) <= 1


@given(st.lists(pair, min_size=1, max_size=40))
def test_pairs_without_repeats_are_mcnemar_and_newcombe(pairs: list[tuple[int, int]]) -> None:
    found = paired([[one] for one in pairs] + [[]])
    direct = newcombe_paired(found.table)
    assert direct is not None
    assert (found.n_pairs, found.n_cases) == (len(pairs), len(pairs))
    assert (found.method, found.design_effect) == (Method.MCNEMAR, 1)
    assert found.difference_ci95 == direct.ci95
    assert found.p_anytime is not None
    assert found.difference == pytest.approx(sum(c - b for c, b in pairs) / len(pairs))


@given(st.lists(st.lists(pair, max_size=4), min_size=2, max_size=12))
def test_repeats_by_the_formula_with_numpy(cases: list[list[tuple[int, int]]]) -> None:
    found = paired(cases)
    labeled = [case for case in cases if case]
    if sum(map(len, labeled)) == len(labeled):
        return
    assert (found.method, found.p_anytime) == (Method.SIGN_FLIP, None)
    g = len(labeled)
    if g < 2:
        assert found.difference_ci95 is None
        return
    sums = np.array([sum(c - b for c, b in case) for case in labeled])
    sizes = np.array([len(case) for case in labeled])
    n, delta = sizes.sum(), sums.sum() / sizes.sum()
    differing = sum(c != b for case in labeled for c, b in case)
    v = g / (g - 1) * ((sums - sizes * delta) ** 2).sum() / n**2
    v0 = (differing / n - delta**2) / n
    effect = max(1, v / v0) if v0 > 1e-15 else n / g
    assert found.design_effect == pytest.approx(effect)
    scaled = newcombe_paired(found.table.scaled((Z95 / student.ppf(0.975, g - 1)) ** 2 / effect))
    assert scaled is not None
    assert found.difference_ci95 == pytest.approx(scaled.ci95, abs=1e-9)


def test_edges_of_repeats() -> None:
    one_case = paired([[(1, 0), (1, 0), (1, 1)]])
    assert (one_case.difference_ci95, one_case.p_value, one_case.design_effect) == (None, 1, None)
    concordant = paired([[(1, 1), (0, 0)]] * 5)
    assert (concordant.p_value, concordant.difference, concordant.design_effect) == (1, 0, 2)
    assert concordant.difference_ci95 is not None
    all_one_way = paired([[(1, 0), (1, 0)]] * 8)
    assert (all_one_way.p_value, all_one_way.design_effect) == (2 / 2**8, 2)
    nothing = paired([])
    assert (nothing.n_pairs, nothing.difference, nothing.p_value) == (0, None, None)
