from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsets.statistics.repeats import flicker, pass_at_k, pass_hat_k, pass_k
from evalsets.statistics.resampling import bootstrap_ratio
from evalsets.statistics.shares import wilson


@given(st.lists(st.integers(0, 1), min_size=1, max_size=8), st.data())
def test_pass_at_and_hat_k_equal_all_subsets(cells: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(cells)))
    drawn = list(combinations(cells, k))
    n, good = len(cells), sum(cells)
    assert pass_at_k(n, good, k) == pytest.approx(sum(map(any, drawn)) / len(drawn))
    assert pass_hat_k(n, good, k) == pytest.approx(sum(map(all, drawn)) / len(drawn))


def test_cases_with_fewer_cells_are_left_out_and_counted() -> None:
    cases = [(3, i % 4) for i in range(8)] + [(2, 2), (0, 0)]
    found = pass_k(cases, 3)
    assert (found.n_cases, found.left_out) == (8, 2)
    assert found.pass_at_k == pytest.approx(6 / 8)
    assert found.pass_at_k_ci95 == bootstrap_ratio(
        [pass_at_k(3, i % 4, 3) for i in range(8)], [1] * 8
    )
    assert found.pass_hat_k_ci95 is not None


def test_no_case_with_k_cells() -> None:
    found = pass_k([(2, 1)], 3)
    assert (found.pass_at_k, found.pass_hat_k, found.left_out) == (None, None, 1)
    with pytest.raises(ValueError, match="from 1"):
        pass_k([(2, 1)], 0)


@given(st.lists(st.lists(st.integers(0, 1), max_size=6), max_size=8))
def test_two_disagree_equals_all_pairs(cases: list[list[int]]) -> None:
    found = flicker(cases)
    repeated = [case for case in cases if len(case) > 1]
    assert found.n_cases == len(repeated)
    if not repeated:
        assert (found.flicker, found.ci95, found.two_disagree) == (None, None, None)
        return
    shares = []
    for case in repeated:
        drawn = list(combinations(case, 2))
        shares.append(sum(a != b for a, b in drawn) / len(drawn))
    unsteady = sum(len(set(case)) == 2 for case in repeated)
    assert found.two_disagree == pytest.approx(sum(shares) / len(shares))
    assert found.flicker == unsteady / len(repeated)
    assert found.ci95 == wilson(unsteady, len(repeated))
