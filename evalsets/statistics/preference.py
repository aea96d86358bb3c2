"""Pairwise preferences: win share, sign test, and the bias of a position."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evalsets.statistics.cells import CellKey
from evalsets.statistics.comparison import Comparison, from_paired
from evalsets.statistics.needs import PreferenceNeed
from evalsets.statistics.pairing import Table, mcnemar, newcombe_paired, paired_from_sums
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.shares import wilson


class Preferred(StrEnum):
    CANDIDATE = "a"
    BASELINE = "b"
    TIE = "tie"


@dataclass(frozen=True)
class PreferenceFigures:
    """Candidate against baseline: W wins, T ties, L losses; win_share = (W + T/2)/n."""

    win: int
    tie: int
    loss: int
    win_share: float | None
    win_share_ci95: Interval | None
    comparison: Comparison


@dataclass(frozen=True)
class PositionOfPeople:
    """How often the left one was picked among decided pairs."""

    n: int
    share_left: float | None
    ci95: Interval | None
    p_value: float | None


@dataclass(frozen=True)
class PositionOfJudge:
    """A judge asked in both orders: how often it stays with a place instead of an arm."""

    n: int
    inconsistent: float | None
    inconsistent_ci95: Interval | None
    position_bias: float | None
    position_bias_ci95: Interval | None
    p_value: float | None


def majority(votes: Sequence[Preferred]) -> Preferred:
    """What more than half of the votes say; no majority is a tie."""
    if votes:
        top, count = Counter(votes).most_common(1)[0]
        if 2 * count > len(votes):
            return top
    return Preferred.TIE


def prefer(preferences: Mapping[CellKey, Preferred]) -> PreferenceFigures:
    """One preference per (case, repeat), turned so that the candidate is "a".

    The comparison still wants names and `decide`. Ties are never dropped from n.
    """
    by_case: dict[str, list[int]] = {}
    sign = {Preferred.CANDIDATE: 1, Preferred.TIE: 0, Preferred.BASELINE: -1}
    for key, preferred in preferences.items():
        by_case.setdefault(key.case, []).append(sign[preferred])
    return preference_by_case([by_case[case] for case in sorted(by_case)])


def preference_by_case(cases: Sequence[Sequence[int]]) -> PreferenceFigures:
    """+1 win, 0 tie, −1 loss of every pair, by case.

    Sign test without ties is McNemar with b = W, c = L; the interval is Newcombe's on
    (T/2, W, L, T/2).
    """
    signs = [sign for case in cases for sign in case]
    win, tie, loss = signs.count(1), signs.count(0), signs.count(-1)
    sizes = [len(case) for case in cases if case]
    table = Table(tie / 2, win, loss, tie / 2)
    figures = paired_from_sums(table, [sum(case) for case in cases if case], sizes)
    need = PreferenceNeed(len(signs), len(sizes), win, loss, 0, figures.design_effect)
    interval = figures.difference_ci95
    return PreferenceFigures(
        win,
        tie,
        loss,
        (win + tie / 2) / len(signs) if signs else None,
        Interval(0.5 + interval.low / 2, 0.5 + interval.high / 2) if interval else None,
        from_paired(figures, need=need),
    )


def position_bias_people(left: int, right: int) -> PositionOfPeople:
    """Exact binomial against ½ over decided pairs."""
    n = left + right
    if n == 0:
        return PositionOfPeople(0, None, None, None)
    return PositionOfPeople(n, left / n, wilson(left, n), mcnemar(left, right))


def judged_in_both_orders(first: Preferred, second: Preferred) -> Preferred:
    """The same arm in both orders is that arm; anything else is a tie."""
    return first if first is second else Preferred.TIE


def position_bias_judge(first_both: int, second_both: int, consistent: int) -> PositionOfJudge:
    """(first place both times − second place both times)/n, with Newcombe and McNemar."""
    n = first_both + second_both + consistent
    if n == 0:
        return PositionOfJudge(0, None, None, None, None, None)
    table = Table(consistent / 2, first_both, second_both, consistent / 2)
    interval = newcombe_paired(table)
    moved = first_both + second_both
    return PositionOfJudge(
        n,
        moved / n,
        wilson(moved, n),
        (first_both - second_both) / n,
        interval.ci95 if interval else None,
        mcnemar(first_both, second_both),
    )
