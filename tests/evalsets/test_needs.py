import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm
from statsmodels.stats.proportion import proportion_confint

from evalsets.statistics.needs import JudgedNeed, PairNeed, PreferenceNeed, ScoreNeed, UnpairedNeed

R, ALPHA = 0.1, 0.05


@pytest.mark.parametrize("n", range(10))
def test_below_ten_pairs_half_is_taken_to_differ(n: int) -> None:
    assert PairNeed(n, n, 0, 0).labels_needed(R, ALPHA, 1) == 2 * (195 - n)
    assert PairNeed(n, max(n // 2, 1), 0, 0, 3).labels_needed(R, ALPHA, 1) == 2 * (195 - n) - 3
    assert (
        PreferenceNeed(n, n, 0, 0).labels_needed(R, ALPHA, 1)
        == math.ceil(1.959964**2 * 0.5 / 0.04) + 2 - n
    )


@pytest.mark.parametrize(
    ("n", "b", "c", "alpha", "family", "effect"),
    [
        (40, 6, 6, 0.05, 1, 1.0),
        (60, 20, 4, 0.05, 3, 1.0),
        (60, 20, 4, 0.01, 3, 1.7),
        (150, 0, 0, 0.05, 1, 1.0),
    ],
)
def test_pairs_needed_by_the_formula(
    n: int, b: int, c: int, alpha: float, family: int, effect: float
) -> None:
    psi = proportion_confint(b + c, n, alpha=0.2, method="wilson")[1]
    delta = abs(b - c) / n
    v = max(psi - delta**2, 0.02)
    width = math.ceil(effect * 1.959964**2 * v / R**2) + 2
    win = math.inf
    if delta:
        z = norm.ppf(1 - alpha / (2 * family))
        win = math.ceil(effect * ((z * psi**0.5 + 1.281552 * v**0.5) / delta) ** 2 + 1 / delta)
    total = max(30, min(width, win))
    found = PairNeed(n, n, b, c, 0, effect).labels_needed(R, alpha, family)
    assert found == 2 * max(total - n, 1)


def test_at_least_30_cases_are_asked_for() -> None:
    assert PairNeed(12, 12, 12, 0).pairs_needed(R, ALPHA, 1) == 30
    assert PairNeed(36, 12, 30, 0, 0, 1.0).pairs_needed(R, ALPHA, 1) == 90


@given(st.integers(1, 300), st.data())
def test_half_labeled_pairs_save_a_label_each(n: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    half = data.draw(st.integers(0, 400))
    whole = PairNeed(n, n, b, c).labels_needed(R, ALPHA, 1)
    found = PairNeed(n, n, b, c, half).labels_needed(R, ALPHA, 1)
    assert whole % 2 == 0
    assert found == whole - min(half, whole // 2) >= 1


def test_one_repeated_case_counts_as_one() -> None:
    """No design effect can be told from one case; n/G is the worst there is."""
    alone, worst = PairNeed(12, 1, 3, 3, 0, None), PairNeed(12, 1, 3, 3, 0, 12.0)
    assert alone.labels_needed(R, ALPHA, 1) == worst.labels_needed(R, ALPHA, 1)


def test_a_stricter_look_and_a_larger_family_need_more() -> None:
    need = PairNeed(40, 40, 12, 3)
    plain = need.labels_needed(R, 0.05, 1)
    assert need.labels_needed(R, 0.01, 1) > plain
    assert need.labels_needed(R, 0.05, 5) > plain
    assert PairNeed(40, 40, 8, 8).labels_needed(0.05, 0.05, 1) > 2 * 400


def test_different_cases() -> None:
    p1, p2 = 22 / 44, 42 / 64
    per_arm = math.ceil(1.959964**2 * (p1 * (1 - p1) + p2 * (1 - p2)) / R**2)
    need = UnpairedNeed(20, 40, 40, 60, 40, 60)
    assert need.labels_needed(R, ALPHA, 1) == 2 * per_arm - 100
    assert need.cases == 40
    assert UnpairedNeed(0, 0, 0, 0, 0, 0).labels_needed(0.5, ALPHA, 1) == 60
    assert UnpairedNeed(900, 1_000, 900, 1_000, 1_000, 1_000).labels_needed(R, ALPHA, 1) == 1


def test_scores_by_the_upper_limit_of_their_variance() -> None:
    variance, cases, pairs = 0.08, 25, 60
    upper = variance * (cases - 1) / chi2.ppf(0.1, cases - 1)
    width = math.ceil(1.959964**2 * upper / R**2)
    win = math.ceil((norm.ppf(0.975) + 1.281552) ** 2 * upper / 0.2**2)
    total = max(30, cases + 1, min(width, win))
    found = ScoreNeed(pairs, cases, variance, 0.2).labels_needed(R, ALPHA, 1)
    assert found == math.ceil(2 * (total - cases) * pairs / cases)
    flat = ScoreNeed(pairs, cases, variance, 0.0).labels_needed(R, ALPHA, 1)
    assert flat == math.ceil(2 * (width - cases) * pairs / cases)
    assert ScoreNeed(9, 9, 0.1, 0.1).labels_needed(R, ALPHA, 1) == 2 * (195 - 9)
    assert ScoreNeed(0, 0, None, None).labels_needed(R, ALPHA, 1) == 390
    assert ScoreNeed(80, 80, 0.0, 0.0).labels_needed(R, ALPHA, 1) == 2


@pytest.mark.parametrize(
    ("labeled", "half", "expected"),
    [(0, None, 60), (12, 0.3, 36), (20, 0.05, 20), (40, 0.2, 240), (50, 0.1, 2)],
)
def test_a_judge_corrected_by_people(labeled: int, half: float | None, expected: int) -> None:
    assert JudgedNeed(labeled, half).labels_needed(R, ALPHA, 1) == expected
