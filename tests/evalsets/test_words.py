import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalsets.statistics.needs import JudgedNeed, PairNeed, PreferenceNeed, ScoreNeed
from evalsets.statistics.pairing import mcnemar
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.words import (
    Look,
    Plan,
    Word,
    cases_to_win,
    holm,
    look_of,
    plan_shows,
    round_up,
    word,
)

MANY = PairNeed(100, 100, 10, 5)
NARROW = Interval(-0.05, 0.09)


@settings(max_examples=15)  # the oracle takes 40 ms a call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    oracle = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(list(oracle), abs=1e-12)


def test_holm_of_nothing() -> None:
    assert holm([]) == []


@pytest.mark.parametrize(
    ("plan", "alpha", "following", "interim"),
    [
        (None, 0.05, 0.05, False),
        (Plan(complete=False), 0.001, 0.05, True),
        (Plan(complete=True), 0.05, 0.01, False),
        (Plan(complete=True, labels_since=True), 0.001, 0.01, False),
        (Plan(complete=False, extensions=1), 0.001, 0.01, True),
        (Plan(complete=True, extensions=1), 0.01, 0.01, False),
        (Plan(complete=False, extensions=3), 0.001, 0.01, True),
        (Plan(complete=True, extensions=3), 0.01, 0.001, False),
        (Plan(complete=True, extensions=4), 0.001, 0.001, False),
        (Plan(complete=False, extensions=4), 0.001, 0.001, True),
    ],
)
def test_alpha_of_a_look(plan: Plan | None, alpha: float, following: float, interim: bool) -> None:
    look = look_of(plan)
    assert (look.alpha, look.alpha_next, look.interim) == (alpha, following, interim)


@pytest.mark.parametrize(
    ("p", "difference", "interval", "expected"),
    [
        (0.05, 0.2, Interval(0.01, 0.4), Word.CANDIDATE),
        (0.05, -0.2, Interval(-0.4, -0.01), Word.BASELINE),
        (0.051, 0.2, Interval(0.01, 0.4), Word.TOO_FEW),
        (0.01, 0.2, Interval(-0.01, 0.4), Word.TOO_FEW),
        (0.01, 0.2, Interval(0.0, 0.4), Word.TOO_FEW),
        (0.8, 0.02, NARROW, Word.NO_DIFFERENCE),
        (0.8, 0.0, Interval(-0.1, 0.1), Word.NO_DIFFERENCE),
        (0.8, 0.0, Interval(-0.101, 0.101), Word.TOO_FEW),
        (None, None, None, Word.TOO_FEW),
        (0.001, 0.5, None, Word.TOO_FEW),
    ],
)
def test_the_four_words(
    p: float | None, difference: float | None, interval: Interval | None, expected: Word
) -> None:
    assert word(p, difference, interval, MANY, look_of(None)) is expected


@pytest.mark.parametrize(
    ("cases", "resolution", "expected"),
    [
        (29, 0.1, Word.TOO_FEW),
        (30, 0.1, Word.NO_DIFFERENCE),
        (59, 0.05, Word.TOO_FEW),
        (60, 0.05, Word.NO_DIFFERENCE),
        (14, 0.2, Word.TOO_FEW),
        (15, 0.2, Word.NO_DIFFERENCE),
    ],
)
def test_no_difference_needs_three_over_r_cases(
    cases: int, resolution: float, expected: Word
) -> None:
    need = PairNeed(100, cases, 5, 5)
    assert word(1, 0.0, Interval(-0.05, 0.05), need, look_of(None), resolution) is expected


def test_an_open_plan_never_says_no_difference() -> None:
    assert word(1, 0.0, NARROW, MANY, look_of(Plan(complete=False))) is Word.TOO_FEW
    early = Interval(0.2, 0.6)
    assert word(0.001, 0.4, early, MANY, look_of(Plan(complete=False))) is Word.CANDIDATE
    assert word(0.002, 0.4, early, MANY, look_of(Plan(complete=False))) is Word.TOO_FEW


def test_kinds_of_evidence_have_their_own_thresholds() -> None:
    clear = Interval(0.1, 0.3)
    for need, expected in [
        (ScoreNeed(19, 19, 0.1, 0.2), Word.TOO_FEW),
        (ScoreNeed(20, 20, 0.1, 0.2), Word.CANDIDATE),
        (JudgedNeed(19, 0.1), Word.TOO_FEW),
        (JudgedNeed(20, 0.1), Word.CANDIDATE),
        (PairNeed(8, 8, 8, 0), Word.CANDIDATE),
    ]:
        assert word(0.01, 0.2, clear, need, look_of(None)) is expected
    # R on the win share is 2R on the difference; the 30 cases stay
    wide = Interval(-0.2, 0.2)
    assert word(1, 0, wide, PreferenceNeed(30, 30, 5, 5), look_of(None)) is Word.NO_DIFFERENCE
    assert word(1, 0, wide, PreferenceNeed(29, 29, 5, 5), look_of(None)) is Word.TOO_FEW


@pytest.mark.parametrize("family", [1, 2, 3, 10])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_fewest_cases_to_win(family: int, alpha: float) -> None:
    fewest = cases_to_win(family, alpha)
    assert family * mcnemar(fewest, 0) <= alpha
    assert family * mcnemar(fewest - 1, 0) > alpha


@pytest.mark.parametrize(("pairs", "points"), [(40, 28), (100, 18), (200, 13)])
def test_what_a_plan_shows(pairs: int, points: int) -> None:
    assert round(100 * plan_shows(pairs)) == points


@pytest.mark.parametrize(
    ("labels", "shown"), [(1, 1), (99, 99), (100, 100), (101, 110), (232, 240), (1_001, 1_100)]
)
def test_screens_round_up_to_two_digits(labels: int, shown: int) -> None:
    assert round_up(labels) == shown


def test_a_look_is_complete_unless_told() -> None:
    assert Look(0.05, 0.05).complete
    assert math.isclose(look_of(None, 0.01).alpha, 0.01)
