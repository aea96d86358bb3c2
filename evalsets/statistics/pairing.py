"""Two arms on the same cases: tables of pairs, exact tests, Newcombe's interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from evalsets.statistics.quantiles import Z95, Interval, t975
from evalsets.statistics.shares import wilson_of


class Method(StrEnum):
    MCNEMAR = "mcnemar_exact"
    SIGN_FLIP = "sign_flip"
    FISHER = "fisher_exact"
    PERMUTATION = "permutation"
    PPI = "ppi"


class Table(NamedTuple):
    """Counts of pairs; fractional where a tie counts half for each side."""

    both: float
    only_candidate: float
    only_baseline: float
    neither: float

    @property
    def n(self) -> float:
        return self.both + self.only_candidate + self.only_baseline + self.neither

    def scaled(self, factor: float) -> "Table":
        return Table(*(factor * count for count in self))


class NewcombeInterval(NamedTuple):
    ci95: Interval
    phi: float


@dataclass(frozen=True)
class Paired:
    """`difference` is candidate − baseline. `design_effect` is 1 where no case repeats."""

    n_pairs: int
    n_cases: int
    table: Table
    difference: float | None
    difference_ci95: Interval | None
    phi: float | None
    p_value: float | None
    p_anytime: float | None
    method: Method
    design_effect: float | None


def mcnemar(only_candidate: int, only_baseline: int) -> float:
    """Exact two-sided p, min(1, 2·P(Bin(b+c, ½) ≤ min(b, c))), also the sign test; 1 for b+c = 0.

    McNemar 1947, binomial form. Integers throughout, so it is exact for any count.
    """
    differing = only_candidate + only_baseline
    term = tail = 1
    for k in range(min(only_candidate, only_baseline)):
        term = term * (differing - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**differing) if differing else 1.0


def p_anytime(only_candidate: int, only_baseline: int) -> float:
    """p that stays valid however often one looks: min(1, (d+1)·C(d, b)/2^d), d = b + c.

    Uniform mixture (Robbins 1970) with Ville's inequality.
    """
    differing = only_candidate + only_baseline
    return min(1.0, (differing + 1) * math.comb(differing, only_candidate) / 2**differing)


def newcombe_paired(table: Table) -> NewcombeInterval | None:
    """95 % interval of the difference of paired shares; None for an empty table.

    Newcombe 1998, Stat. Med. 17:2635, method 10 (continuity-corrected φ). The companion paper
    17:873 on independent shares has another "method 10".
    """
    n = table.n
    if n <= 0:
        return None
    a, b, c, _ = table
    phi = _phi(table)
    interval = square_and_add(
        (a + b) / n, wilson_of(a + b, n), (a + c) / n, wilson_of(a + c, n), phi
    )
    return NewcombeInterval(clip(interval), phi)


def _phi(table: Table) -> float:
    a, b, c, d = table
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    cross = a * d - b * c
    if cross > 0:
        cross = max(cross - table.n / 2, 0.0)
    return cross / math.sqrt(margins)


def square_and_add(
    p1: float, limits1: Interval, p2: float, limits2: Interval, phi: float = 0.0
) -> Interval:
    """Newcombe's interval of p1 − p2 from two single ones; φ = 0 for independent arms (17:873)."""

    def root(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))

    low = p1 - p2 - root(p1 - limits1.low, limits2.high - p2)
    high = p1 - p2 + root(limits1.high - p1, p2 - limits2.low)
    return Interval(low, high)


def clip(interval: Interval, low: float = -1.0, high: float = 1.0) -> Interval:
    return Interval(max(interval.low, low), min(interval.high, high))


def sign_flip(case_sums: Sequence[int]) -> float:
    """P(|Σ εᵢSᵢ| ≥ |ΣSᵢ|) over all sign vectors, exactly, by convolution on the integers.

    With one pair a case this is McNemar.
    """
    import numpy as np  # 0.2 s; only arms with repeats come here

    steps = [abs(total) for total in case_sums if total]
    reach = sum(steps)
    # the sum of the cases whose sign came out +; Σ εᵢSᵢ = 2·that − reach
    weight = np.zeros(reach + 1)
    weight[0] = 1.0
    for step in steps:
        shifted = np.zeros_like(weight)
        shifted[step:] = weight[:-step]
        weight = (weight + shifted) / 2
    flipped = np.abs(2 * np.arange(reach + 1) - reach)
    return min(1.0, float(weight[flipped >= abs(sum(case_sums))].sum()))


def paired(cases: Sequence[Sequence[tuple[float, float]]]) -> Paired:
    """Pairs (candidate, baseline) of 1 good and 0 bad, by case.

    One pair a case: exact McNemar and Newcombe. Repeats: sign-flip by case, and Newcombe on the
    table scaled to the effective number of pairs.
    """
    labeled = [case for case in cases if case]
    pairs = [(bool(ours), bool(theirs)) for case in labeled for ours, theirs in case]
    table = Table(
        pairs.count((True, True)),
        pairs.count((True, False)),
        pairs.count((False, True)),
        pairs.count((False, False)),
    )
    sums = [int(sum(ours - theirs for ours, theirs in case)) for case in labeled]
    return paired_from_sums(table, sums, [len(case) for case in labeled])


def paired_from_sums(table: Table, sums: Sequence[int], sizes: Sequence[int]) -> Paired:
    """The figures of a pooled table, with Sᵢ and the number of pairs of every case."""
    n, n_cases = sum(sizes), len(sizes)
    b, c = int(table.only_candidate), int(table.only_baseline)
    if n == 0:
        return Paired(0, 0, table, None, None, None, None, None, Method.MCNEMAR, None)
    difference = (b - c) / n
    if n == n_cases:
        interval, effect = newcombe_paired(table), 1.0
        p, anytime, method = mcnemar(b, c), p_anytime(b, c), Method.MCNEMAR
    else:
        p, anytime, method = sign_flip(sums), None, Method.SIGN_FLIP
        effect = _design_effect(b, c, sums, sizes)
        interval = None
        if effect is not None:
            interval = newcombe_paired(table.scaled((Z95 / t975(n_cases - 1)) ** 2 / effect))
    ci95, phi = interval if interval else (None, None)
    return Paired(n, n_cases, table, difference, ci95, phi, p, anytime, method, effect)


def _design_effect(b: int, c: int, sums: Sequence[int], sizes: Sequence[int]) -> float | None:
    n, n_cases = sum(sizes), len(sizes)
    if n_cases < 2:
        return None
    simple = ((b + c) * n - (b - c) ** 2) / n**3  # ((b+c)/n − δ²)/n, exactly 0 when it is
    if simple == 0:
        return n / n_cases
    difference = (b - c) / n
    between = sum((total - size * difference) ** 2 for total, size in zip(sums, sizes, strict=True))
    return max(1.0, n_cases / (n_cases - 1) * between / n**2 / simple)
