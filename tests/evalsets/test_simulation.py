"""How often the words are wrong: simulated runs through the product's own decisions.

4,000 runs a setting with PROMPTSTONE_TEST_DEEP=1, else 400; the bounds then give way by three
standard errors. Seeds are fixed.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from evalsets.statistics.comparison import Comparison, from_paired
from evalsets.statistics.judging import Judged, compare_judged, corrected_share
from evalsets.statistics.pairing import (
    Table,
    mcnemar,
    newcombe_paired,
    p_anytime,
    paired,
    paired_from_sums,
)
from evalsets.statistics.preference import preference_by_case
from evalsets.statistics.resampling import sign_flip_test
from evalsets.statistics.scores import score_difference
from evalsets.statistics.shares import share_of_good
from evalsets.statistics.unpaired import unpaired
from evalsets.statistics.verdict import decide
from evalsets.statistics.words import Plan, Word, look_of
from tests.support.depth import DEEP

RUNS = 4_000 if DEEP else 400
SIZES = (20, 50, 100, 200) if DEEP else (20, 100)
ONE_LOOK = look_of(None)
WINNERS = (Word.CANDIDATE, Word.BASELINE)

pytestmark = pytest.mark.timeout(900)

Counts = NDArray[np.int32]


def slack(rate: float, runs: int = RUNS) -> float:
    return 0.0 if DEEP else 3 * math.sqrt(rate * (1 - rate) / runs)


def assert_at_most(bound: float, rate: float, runs: int = RUNS) -> None:
    assert rate <= bound + slack(bound, runs)


def assert_at_least(bound: float, rate: float, runs: int = RUNS) -> None:
    assert rate >= bound - slack(bound, runs)


class Stream(NamedTuple):
    """Cumulative pair counts of one candidate: arrays runs × pairs."""

    both: Counts
    only_candidate: Counts
    only_baseline: Counts

    def table(self, run: int, n: int) -> Table:
        a, b, c = (int(count[run, n - 1]) for count in self)
        return Table(a, b, c, n - a - b - c)


def streams(
    pairs: int, share: float, *, lift: float = 0.0, alike: float = 0.0, candidates: int = 1
) -> list[Stream]:
    """Pairs with one baseline; a candidate copies its answer with probability `alike`."""
    generator = np.random.default_rng(hash((pairs, share, lift, alike, candidates)) % 2**32)
    baseline = generator.random((RUNS, pairs)) < share
    found: list[Stream] = []
    for _ in range(candidates):
        own = generator.random((RUNS, pairs)) < share + lift
        ours = np.where(generator.random((RUNS, pairs)) < alike, baseline, own)
        cells = (ours & baseline, ours & ~baseline, ~ours & baseline)
        found.append(Stream(*(np.cumsum(cell, axis=1, dtype=np.int32) for cell in cells)))
    return found


@cache
def compared(table: Table) -> Comparison:
    n = int(table.n)
    return from_paired(paired_from_sums(table, [0] * n, [1] * n))


@cache
def highest_minority(p_of: object, alpha: float, most: int) -> Counts:
    """By b + c: the largest min(b, c) whose p is at most α, −1 if there is none."""
    test = {"mcnemar": mcnemar, "anytime": p_anytime}[str(p_of)]
    limits = np.full(most + 1, -1, np.int32)
    k = -1
    for d in range(1, most + 1):
        while k + 1 <= d // 2 and test(k + 1, d - k - 1) <= alpha:
            k += 1
        limits[d] = k
    return limits


def significant(stream: Stream, alpha: float, p_of: str = "mcnemar") -> NDArray[np.bool_]:
    b, c = stream.only_candidate, stream.only_baseline
    return np.minimum(b, c) <= highest_minority(p_of, alpha, b.shape[1])[b + c]


class Ending(NamedTuple):
    words: list[Word]
    pairs: int


def whole_loop(
    arms: list[Stream], run: int, plan: int, early: NDArray[np.bool_], never_stops: bool = False
) -> Ending:
    """Section 4 as it is used: a look after every pair, the plan, up to three extensions.

    One who never stops extends by half the plan instead and goes on to five times the plan.
    """
    most = 5 * plan if never_stops else early.shape[1]
    start, n, since = 0, plan, False
    for extensions in range(4):
        found = _interim_winner(arms, run, start, n, extensions, early)
        if found:
            return found
        state = Plan(True, extensions, since)
        decided = decide([compared(arm.table(run, n)) for arm in arms], look_of(state))
        words = [one.verdict or Word.TOO_FEW for one in decided]
        won = any(word in WINNERS for word in words)
        lacking = [one.labels_needed for one in decided if one.labels_needed]
        if won or (not lacking and not never_stops):
            return Ending(words, n)
        # a candidate without a word asks for more; "no difference shown" leaves α at 0.001
        since = not lacking
        start = n
        n += plan // 2 if never_stops else math.ceil(max(lacking) / 2)
        if n > most or extensions == 3:
            break
    last = most if never_stops else start
    return _interim_winner(arms, run, start, last, 4, early) or Ending(words, start)


def _interim_winner(
    arms: list[Stream], run: int, start: int, end: int, extensions: int, early: NDArray[np.bool_]
) -> Ending | None:
    """The first look after a pair in (start, end) at which a winner is named."""
    look = look_of(Plan(False, extensions))
    for n in np.flatnonzero(early[run, start : end - 1]) + start + 1:
        decided = decide([compared(arm.table(run, int(n))) for arm in arms], look)
        words = [one.verdict or Word.TOO_FEW for one in decided]
        assert Word.NO_DIFFERENCE not in words
        if any(word in WINNERS for word in words):
            return Ending(words, int(n))
    return None


def loops(
    plan: int, share: float, *, lift: float = 0.0, candidates: int = 1, never_stops: bool = False
) -> list[Ending]:
    pairs = 5 * plan if never_stops else plan + 900
    arms = streams(pairs, share, lift=lift, candidates=candidates)
    early = np.zeros((RUNS, pairs), bool)
    for arm in arms:
        early |= significant(arm, 0.001 / candidates)
    return [whole_loop(arms, run, plan, early, never_stops) for run in range(RUNS)]


def winner_rate(endings: list[Ending]) -> float:
    return sum(any(word in WINNERS for word in one.words) for one in endings) / len(endings)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("share", "alike"), [(0.5, 0), (0.8, 0), (0.8, 0.4)])
def test_one_look_names_few_false_winners(n: int, share: float, alike: float) -> None:
    (arm,) = streams(n, share, alike=alike)
    words = [decide([compared(arm.table(run, n))], ONE_LOOK)[0].verdict for run in range(RUNS)]
    assert_at_most(0.05, sum(word in WINNERS for word in words) / RUNS)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_three_candidates_name_few_false_winners(n: int, share: float) -> None:
    arms = streams(n, share, candidates=3)
    false = 0
    for run in range(RUNS):
        found = decide([compared(arm.table(run, n)) for arm in arms], ONE_LOOK)
        false += any(one.verdict in WINNERS for one in found)
    assert_at_most(0.05, false / RUNS)


def test_without_holm_three_candidates_name_more() -> None:
    arms = streams(200, 0.5, candidates=3)
    alone = np.zeros(RUNS, bool)
    for arm in arms:
        alone |= significant(arm, 0.05)[:, -1]
    assert_at_least(0.07, alone.mean())


@pytest.mark.parametrize("plan", SIZES)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_whole_loop_names_few_false_winners(plan: int, share: float) -> None:
    assert_at_most(0.05, winner_rate(loops(plan, share)))


@pytest.mark.parametrize("plan", SIZES)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_one_who_never_stops_names_few_false_winners(plan: int, share: float) -> None:
    assert_at_most(0.05, winner_rate(loops(plan, share, never_stops=True)))


@pytest.mark.parametrize("plan", SIZES)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_whole_loop_with_three_candidates(plan: int, share: float) -> None:
    assert_at_most(0.05, winner_rate(loops(plan, share, candidates=3)))


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_naive_loop_names_many_false_winners(share: float) -> None:
    (arm,) = streams(200, share)
    stopped = significant(arm, 0.05)[:, 9:].any(axis=1).mean()
    assert stopped > 0.10
    assert_at_least(0.17, stopped)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_p_anytime_holds_at_every_look(share: float) -> None:
    (arm,) = streams(1_000, share)
    assert_at_most(0.05, significant(arm, 0.05, "anytime").any(axis=1).mean())


@pytest.mark.parametrize("plan", [50, 100])
def test_a_true_difference_of_20_points_is_found(plan: int) -> None:
    endings = loops(plan, 0.7, lift=0.2)
    right = sum(one.words == [Word.CANDIDATE] for one in endings) / RUNS
    wrong = sum(one.words == [Word.BASELINE] for one in endings) / RUNS
    assert_at_least(0.96, right)
    assert_at_most(0.004, wrong)


@pytest.mark.parametrize(("start", "decided"), [(40, 0.88), (80, 0.97)])
@pytest.mark.parametrize("lift", [0.0, 0.1, 0.2])
def test_labels_needed_decide(start: int, decided: float, lift: float) -> None:
    (arm,) = streams(start + 900, 0.5, lift=lift)
    asked = ended = 0
    for run in range(RUNS):
        first = decide([compared(arm.table(run, start))], ONE_LOOK)[0]
        if first.labels_needed:
            asked += 1
            n = start + math.ceil(first.labels_needed / 2)
            then = decide([compared(arm.table(run, n))], ONE_LOOK)[0]
            ended += then.verdict is not Word.TOO_FEW
    assert asked > RUNS / 10
    assert_at_least(decided, ended / asked, asked)


def repeated(cases: int, repeats: int, share: float, runs: int) -> NDArray[np.bool_]:
    """runs × cases × repeats × 2 arms; an arm's answers to one case resemble each other."""
    generator = np.random.default_rng(cases * repeats)
    chance = generator.beta(share, 1 - share, (runs, cases, 1, 2))
    return generator.random((runs, cases, repeats, 2)) < chance


@pytest.mark.parametrize(("cases", "repeats"), [(8, 3), (30, 5), (200, 3)])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_repeats_name_few_false_winners(cases: int, repeats: int, share: float) -> None:
    runs = RUNS if DEEP or cases < 100 else 100
    false = pooled = covered = 0
    for cells in repeated(cases, repeats, share, runs):
        found = paired(cells.tolist())
        word = decide([from_paired(found)], ONE_LOOK)[0].verdict
        false += word in WINNERS
        pooled += mcnemar(int(found.table.only_candidate), int(found.table.only_baseline)) <= 0.05
        interval = found.difference_ci95
        covered += interval is not None and not interval.leaves_out(0)
    assert_at_most(0.05, false / runs, runs)
    assert_at_least(0.93, covered / runs, runs)
    # the positive control: pairs of one case taken for independent ones
    assert_at_least(0.07, pooled / runs, runs)


@pytest.mark.parametrize("cases", [8, 30])
def test_clustered_share_covers(cases: int) -> None:
    covered = 0
    for cells in repeated(cases, 3, 0.7, RUNS):
        interval = share_of_good(cells[:, :, 0].tolist()).ci95
        covered += interval is not None and not interval.leaves_out(0.7)
    assert_at_least(0.93, covered / RUNS)


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize(("share", "alike"), [(0.5, 0.0), (0.9, 0.0), (0.8, 0.5)])
def test_newcombe_paired_covers(n: int, share: float, alike: float) -> None:
    (arm,) = streams(n, share, alike=alike)
    intervals = [newcombe_paired(arm.table(run, n)) for run in range(RUNS)]
    covered = sum(one is not None and not one.ci95.leaves_out(0) for one in intervals)
    assert_at_least(0.939, covered / RUNS)


@pytest.mark.parametrize("ties", [0.2, 0.6])
def test_preferences_name_few_false_winners(ties: float) -> None:
    generator = np.random.default_rng(5)
    half = (1 - ties) / 2
    drawn = generator.multinomial(60, [half, ties, half], RUNS).tolist()
    found = [preference_by_case([[1]] * w + [[0]] * t + [[-1]] * x) for w, t, x in drawn]
    words = [decide([one.comparison], ONE_LOOK)[0].verdict for one in found]
    assert_at_most(0.05, sum(word in WINNERS for word in words) / RUNS)


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_different_cases_name_few_false_winners(n: int, share: float) -> None:
    drawn = np.random.default_rng(n).binomial(n, share, (RUNS, 2)).tolist()
    false = covered = 0
    for ours, theirs in drawn:
        arms = [[[1.0]] * good + [[0.0]] * (n - good) for good in (ours, theirs)]
        found = unpaired(*arms)
        assert found.p_value is not None
        assert found.difference_ci95 is not None
        inside = not found.difference_ci95.leaves_out(0)
        false += found.p_value <= 0.05 and not inside
        covered += inside
    assert_at_most(0.05, false / RUNS)
    assert_at_least(0.94, covered / RUNS)


@pytest.mark.parametrize("cases", [20, 50] if DEEP else [20])
def test_scores_name_few_false_winners(cases: int) -> None:
    """A judge's quarters, mostly high, the same for both arms in half of the cases.

    The interval is drawn only where the test asks for it.
    """
    runs = RUNS if DEEP else 120
    generator = np.random.default_rng(cases)
    scores = generator.choice(5, (runs, cases, 2), p=[0.05, 0.1, 0.15, 0.3, 0.4]) / 4
    alike = generator.random((runs, cases)) < 0.5
    scores[..., 0] = np.where(alike, scores[..., 1], scores[..., 0])
    false = 0
    for run in scores:
        if sign_flip_test((run[:, 0] - run[:, 1]).tolist()) <= 0.05:
            found = score_difference([[tuple(pair)] for pair in run.tolist()])
            assert found.difference_ci95 is not None
            false += found.difference_ci95.leaves_out(0)
    assert_at_most(0.05, false / runs, runs)


@pytest.mark.parametrize("labeled", [20, 50, 100])
def test_a_corrected_judge_names_few_false_winners(labeled: int) -> None:
    generator = np.random.default_rng(labeled)
    false = 0
    for _ in range(RUNS):
        human = generator.choice([-1, 0, 1], 350, p=[0.2, 0.6, 0.2])
        noise = generator.choice([-1, 0, 1], 350)
        judge = np.where(generator.random(350) < 0.7, human, noise).tolist()
        both = [Judged(*pair) for pair in zip(human.tolist()[:labeled], judge, strict=False)]
        found = decide([compare_judged(both, judge[labeled:])], ONE_LOOK)[0]
        false += found.verdict in WINNERS
    assert_at_most(0.05, false / RUNS)


@pytest.mark.parametrize(("labeled", "share"), [(20, 0.5), (30, 0.9), (100, 0.8)])
def test_a_corrected_share_covers(labeled: int, share: float) -> None:
    generator = np.random.default_rng(labeled)
    covered = 0
    for _ in range(RUNS):
        human = generator.random(300 + labeled) < share
        right = np.where(
            human, generator.random(human.size) < 0.9, generator.random(human.size) < 0.7
        )
        judge = np.where(right, human, ~human).astype(float).tolist()
        both = [
            Judged(*pair)
            for pair in zip(human.astype(float).tolist()[:labeled], judge, strict=False)
        ]
        interval = corrected_share(both, judge[labeled:]).ci95
        covered += interval is not None and not interval.leaves_out(share)
    assert_at_least(0.945, covered / RUNS)
