"""The four words of a verdict, and the α that the look at hand may spend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from evalsets.statistics.quantiles import Z80_ONE_SIDED, Z95, Interval

RESOLUTION = 0.10
ALPHA_PLANNED = 0.05
ALPHA_EXTENDED = 0.01
ALPHA_ANY_MOMENT = 0.001
MOST_EXTENSIONS = 3


class Word(StrEnum):
    CANDIDATE = "candidate better"
    BASELINE = "baseline better"
    NO_DIFFERENCE = "no difference shown"
    TOO_FEW = "too few labels"


@dataclass(frozen=True)
class Plan:
    """The stored plan of the queue at the moment of a look.

    `complete`: every pair of the newest stage has its labels. `extensions`: stages stored after
    a "too few labels". `labels_since`: labels were added after the stage was complete and its
    word read. `lacking`: labels that the newest stage still waits for.
    """

    complete: bool
    extensions: int = 0
    labels_since: bool = False
    lacking: int = 0


@dataclass(frozen=True)
class Look:
    """What one reading of the verdict may claim; `alpha_next` is α₊, that of the next look."""

    alpha: float
    alpha_next: float
    complete: bool = True
    lacking: int = 0

    @property
    def interim(self) -> bool:
        return not self.complete


class Need(Protocol):
    """How far a comparison is from a word; one class for each kind of evidence.

    `cases` count toward "no difference shown"; `winner_from` is the fewest cases of a winner;
    `scale` turns the resolution into one of the difference (2 for preferences).
    """

    winner_from: ClassVar[int]
    scale: ClassVar[float]

    @property
    def cases(self) -> int: ...
    def labels_needed(self, resolution: float, alpha: float, family: int) -> int:
        """Labels until a word, at the plan's resolution and the α of the next look."""
        ...


def look_of(plan: Plan | None, alpha: float = ALPHA_PLANNED) -> Look:
    """The α of this look and of the next one (Haybittle–Peto while a plan is incomplete).

    No plan (scores, imported labels): one look, at `alpha`, which the next one keeps.
    """
    if plan is None:
        return Look(alpha, alpha)
    if not plan.complete:
        return Look(ALPHA_ANY_MOMENT, _alpha_of_stage(plan.extensions), False, plan.lacking)
    now = ALPHA_ANY_MOMENT if plan.labels_since else _alpha_of_stage(plan.extensions)
    return Look(now, _alpha_of_stage(plan.extensions + 1), True, plan.lacking)


def _alpha_of_stage(extensions: int) -> float:
    if extensions == 0:
        return ALPHA_PLANNED
    return ALPHA_EXTENDED if extensions <= MOST_EXTENSIONS else ALPHA_ANY_MOMENT


def word(
    p_adjusted: float | None,
    difference: float | None,
    ci95: Interval | None,
    need: Need,
    look: Look,
    resolution: float = RESOLUTION,
) -> Word:
    """Section 4's rules in their order; without an interval nothing is claimed."""
    if p_adjusted is None or difference is None or ci95 is None:
        return Word.TOO_FEW
    if p_adjusted <= look.alpha and ci95.leaves_out(0) and need.cases >= need.winner_from:
        return Word.CANDIDATE if difference > 0 else Word.BASELINE
    enough_cases = need.cases * resolution >= 3 - 1e-9  # 3/R, rule of three
    narrow = ci95.half_width <= resolution * need.scale
    if look.complete and enough_cases and narrow:
        return Word.NO_DIFFERENCE
    return Word.TOO_FEW


def plan_shows(pairs: int, discordance: float = 0.4) -> float:
    """The difference that a plan of so many pairs shows 4 times in 5, as a share of 1."""
    return (Z95 + Z80_ONE_SIDED) * math.sqrt(discordance / pairs)


def cases_to_win(family: int, alpha: float) -> int:
    """The fewest cases that must differ, all one way, before any winner can be named."""
    return math.ceil(1 + math.log2(family / alpha))


def round_up(labels: int) -> int:
    """Rounded up to two digits, as screens show it: 232 becomes 240."""
    step = 10 ** max(len(str(labels)) - 2, 0)
    return -(-labels // step) * step


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values in the given order (Holm 1979)."""
    m = len(p_values)
    adjusted = [0.0] * m
    highest = 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
