"""What one cell says: a label's state or a score, and how the cells of two arms meet."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    UNLABELED = "unlabeled"
    DISPUTED = "disputed"
    FAILED = "failed"


class CellKey(NamedTuple):
    """Which cell of an arm.

    `case` is the hash of the inputs. Two rows with equal inputs are one case, so `repeat` must
    tell them apart, and the same way in every arm: e.g. (row ordinal, repeat).
    """

    case: str
    repeat: Hashable


CellValue = State | float
"""A label's state, or the score of an evaluator. An unscored cell is UNLABELED, never 0."""

Cells = Mapping[CellKey, CellValue]
"""Every cell of one arm, those without a label included."""


class Values(NamedTuple):
    candidate: float
    baseline: float


@dataclass(frozen=True)
class CellCounts:
    """Cells of one arm by state; `scored` are those with a label good/bad or a score."""

    scored: int = 0
    good: int = 0
    bad: int = 0
    skipped: int = 0
    unlabeled: int = 0
    disputed: int = 0
    failed: int = 0


def value_of(cell: CellValue) -> float | None:
    """1 good, 0 bad, a score as it is; None for whatever does not enter n."""
    if not isinstance(cell, State):
        return float(cell)
    if cell is State.GOOD:
        return 1.0
    return 0.0 if cell is State.BAD else None


def count_cells(cells: Cells) -> CellCounts:
    values = list(cells.values())

    def number(state: State) -> int:
        return sum(1 for cell in values if cell is state)

    numeric = [value for value in map(value_of, values) if value is not None]
    return CellCounts(
        scored=len(numeric),
        good=sum(1 for value in numeric if value == 1),
        bad=sum(1 for value in numeric if value == 0),
        skipped=number(State.SKIP),
        unlabeled=number(State.UNLABELED),
        disputed=number(State.DISPUTED),
        failed=number(State.FAILED),
    )


def values_by_case(cells: Cells) -> list[list[float]]:
    """The values of every case that has one, in the order of the cases' keys.

    The order is fixed because a seeded bootstrap of the same cases must give the same figure.
    """
    found: dict[str, list[float]] = {}
    for key, cell in cells.items():
        value = value_of(cell)
        if value is not None:
            found.setdefault(key.case, []).append(value)
    return [found[case] for case in sorted(found)]


def pairs_by_case(candidate: Cells, baseline: Cells) -> list[list[Values]]:
    """Pairs (same case, same repeat) of which both cells have a value, by case."""
    found: dict[str, list[Values]] = {}
    for key, cell in candidate.items():
        ours, theirs = value_of(cell), value_of(baseline.get(key, State.UNLABELED))
        if ours is not None and theirs is not None:
            found.setdefault(key.case, []).append(Values(ours, theirs))
    return [found[case] for case in sorted(found)]


def count_half_labeled(candidate: Cells, baseline: Cells) -> int:
    """Pairs of which one cell has a value and the other still waits for its label."""
    half = 0
    for key in candidate.keys() & baseline.keys():
        ours, theirs = candidate[key], baseline[key]
        half += (value_of(ours) is not None and theirs is State.UNLABELED) or (
            value_of(theirs) is not None and ours is State.UNLABELED
        )
    return half


def share_no_case(candidate: Cells, baseline: Cells) -> bool:
    """True for arms of different cases by design; which labels exist plays no part."""
    ours = {key.case for key in candidate}
    theirs = {key.case for key in baseline}
    return bool(ours) and bool(theirs) and not ours & theirs


def failed_as_bad(cells: Cells) -> Cells:
    return {key: State.BAD if cell is State.FAILED else cell for key, cell in cells.items()}


def all_binary(arms: Iterable[Cells]) -> bool:
    return all(value_of(cell) in (0.0, 1.0, None) for arm in arms for cell in arm.values())


def all_on_unit_scale(arms: Iterable[Cells]) -> bool:
    values = (value_of(cell) for arm in arms for cell in arm.values())
    return all(value is None or 0 <= value <= 1 for value in values)
