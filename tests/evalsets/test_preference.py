import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from evalsets.statistics.cells import CellKey
from evalsets.statistics.pairing import Method, Table, newcombe_paired, sign_flip
from evalsets.statistics.preference import (
    Preferred,
    judged_in_both_orders,
    majority,
    position_bias_judge,
    position_bias_people,
    prefer,
    preference_by_case,
)
from evalsets.statistics.verdict import decide
from evalsets.statistics.words import Word, look_of

A, B, TIE = Preferred.CANDIDATE, Preferred.BASELINE, Preferred.TIE


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([A], A),
        ([A, A, B], A),
        ([A, B], TIE),
        ([A, B, TIE], TIE),
        ([TIE, TIE, B], TIE),
        ([A, A, B, TIE], TIE),
        ([B, B, B, A, TIE], B),
        ([], TIE),
    ],
)
def test_majority(votes: list[Preferred], expected: Preferred) -> None:
    assert majority(votes) is expected


def test_ties_stay_in_n() -> None:
    given = [A] * 20 + [TIE] * 15 + [B] * 5
    found = prefer({CellKey(f"{i:03}", 1): one for i, one in enumerate(given)})
    assert (found.win, found.tie, found.loss) == (20, 15, 5)
    assert found.win_share == (20 + 7.5) / 40
    assert found.comparison.p_value == pytest.approx(binomtest(5, 25).pvalue)
    interval = newcombe_paired(Table(7.5, 20, 5, 7.5))
    assert interval is not None
    assert found.win_share_ci95 == pytest.approx([0.5 + limit / 2 for limit in interval.ci95])
    assert decide([found.comparison], look_of(None))[0].verdict is Word.CANDIDATE


def test_a_preference_is_one_label() -> None:
    found = preference_by_case([[1]] * 12 + [[-1]] * 10 + [[0]] * 3)
    (one,) = decide([found.comparison], look_of(None))
    assert one.verdict is Word.TOO_FEW
    assert one.labels_needed == (one.need.pairs_needed(0.2, 0.05, 1) - 25)  # type: ignore


def test_preferences_of_repeats_flip_by_case() -> None:
    cases = [[1, 1, 0], [1, 1, 1], [-1, 0, 1], [1, 1], [1, 1, 1], [0, 0], [1, 0, 1], [1, 1, 1]]
    found = preference_by_case(cases).comparison
    assert found.method is Method.SIGN_FLIP
    assert found.p_value == sign_flip([sum(case) for case in cases])
    assert found.difference == pytest.approx(sum(map(sum, cases)) / sum(map(len, cases)))
    assert found.difference_ci95 is not None
    assert (found.n_pairs, found.n_cases) == (22, 8)


def test_no_preference_at_all() -> None:
    found = prefer({})
    assert (found.win_share, found.win_share_ci95, found.comparison.p_value) == (None, None, None)


def test_position_of_people() -> None:
    found = position_bias_people(34, 20)
    assert found.p_value == pytest.approx(binomtest(34, 54).pvalue)
    assert found.ci95 == pytest.approx(proportion_confint(34, 54, method="wilson"), abs=1e-7)
    assert position_bias_people(0, 0).share_left is None


def test_position_of_a_judge() -> None:
    assert judged_in_both_orders(A, A) is A
    assert judged_in_both_orders(A, B) is judged_in_both_orders(B, TIE) is TIE
    steady = position_bias_judge(0, 0, 50)
    assert (steady.inconsistent, steady.position_bias, steady.p_value) == (0, 0, 1)
    mirrored = position_bias_judge(6, 18, 76)
    assert mirrored.position_bias == pytest.approx(-0.12)
    assert position_bias_judge(0, 0, 0).inconsistent is None


def test_order_of_cells_plays_no_part() -> None:
    keys = [CellKey(str(i // 2), i % 2) for i in range(20)]
    drawn = np.random.default_rng(0).choice([A, B, TIE], 20).tolist()
    given = {key: Preferred(one) for key, one in zip(keys, drawn, strict=True)}
    assert prefer(given) == prefer(dict(reversed(list(given.items()))))
