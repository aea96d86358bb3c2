"""Drift of what an app is asked: how its inputs differ from those before. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal, NamedTuple

from evalsets.statistics.shifts import Shift, kolmogorov_smirnov, population_stability
from evalsets.statistics.words import holm
from serving.drift_seen import Seen

LEAST = 50
"""Calls on either side below which nothing is said."""
ALPHA = 0.01
LEAST_GAP = 0.1
LEAST_INDEX = 0.1
MOST_CHOICES = 20
_RARE = 5
_OTHER, _NEW = "…", "+"

What = Literal["length", "number", "script", "choice"]


class Row(NamedTuple):
    """A value's share before and now; `+` are all values together that are new."""

    value: str
    before: float
    now: float


class Change(NamedTuple):
    """One way in which an input may differ. `drifted`: beyond chance and worth a look.

    `distance` is D of Kolmogorov and Smirnov for lengths and numbers, whose `medians` stand beside
    it (before, now); the population stability index for scripts and choices, which have `rows`.
    `new` are choices that were not there before.
    """

    what: What
    distance: float
    p_adjusted: float
    drifted: bool
    medians: tuple[float, float] | None = None
    rows: tuple[Row, ...] = ()
    new: tuple[str, ...] = ()


class FieldDrift(NamedTuple):
    """An input, on how many calls it was looked at, and its changes."""

    name: str
    n_before: int
    n_now: int
    changes: tuple[Change, ...]

    @property
    def drifted(self) -> bool:
        """Whether any of its changes is one."""
        return any(change.drifted for change in self.changes)


def drift(
    before: Sequence[Mapping[str, Seen]], now: Sequence[Mapping[str, Seen]]
) -> tuple[FieldDrift, ...]:
    """Every input that both have often enough; p adjusted by Holm over all that is compared."""
    names = dict.fromkeys(name for call in (*now, *before) for name in call)
    found = [(name, _changes(_column(before, name), _column(now, name))) for name in names]
    adjusted = iter(holm([p for _, changes in found for _, p in changes]))
    return tuple(
        FieldDrift(
            name,
            len(_column(before, name)),
            len(_column(now, name)),
            tuple(_judged(change, next(adjusted)) for change, _ in changes),
        )
        for name, changes in found
        if changes
    )


def _column(calls: Sequence[Mapping[str, Seen]], name: str) -> list[Seen]:
    return [call[name] for call in calls if name in call]


def _judged(change: Change, p_adjusted: float) -> Change:
    least = LEAST_GAP if change.medians else LEAST_INDEX
    drifted = p_adjusted <= ALPHA and change.distance >= least
    return change._replace(p_adjusted=p_adjusted, drifted=drifted)


def _changes(before: list[Seen], now: list[Seen]) -> list[tuple[Change, float]]:
    """Changes of one input, each with its own p."""
    choice = _of_choices(before, now)
    if choice is not None:  # lengths and scripts of few values say no more than the values
        return [choice]
    found = [
        _of_numbers("length", [one.length for one in before], [one.length for one in now]),
        _of_shares("script", [one.script for one in before], [one.script for one in now]),
        _of_numbers("number", [one.number for one in before], [one.number for one in now]),
    ]
    return [one for one in found if one is not None]


def _of_numbers(
    what: What, before: Sequence[float | None], now: Sequence[float | None]
) -> tuple[Change, float] | None:
    first = [value for value in before if value is not None]
    second = [value for value in now if value is not None]
    if min(len(first), len(second)) < LEAST:
        return None
    shift = kolmogorov_smirnov(first, second)
    assert shift is not None
    medians = (float(median(first)), float(median(second)))
    return Change(what, shift.distance, 1.0, False, medians=medians), shift.p


def _of_shares(
    what: What, before: Sequence[str | None], now: Sequence[str | None]
) -> tuple[Change, float] | None:
    first = Counter(value for value in before if value is not None)
    second = Counter(value for value in now if value is not None)
    if min(first.total(), second.total()) < LEAST:
        return None
    shift = _stability(first, second)
    return Change(what, shift.distance, 1.0, False, rows=_rows(first, second)), shift.p


def _of_choices(before: list[Seen], now: list[Seen]) -> tuple[Change, float] | None:
    """An input is a choice when it had few values before, each of them short and repeated."""
    if any(one.choice is None for one in before):
        return None
    first = Counter(one.choice or "" for one in before)
    if len(first) > min(MOST_CHOICES, first.total() // 5):
        return None
    second = Counter(_OTHER if one.choice is None else one.choice for one in now)
    if min(first.total(), second.total()) < LEAST:
        return None
    new = [(value, count) for value, count in second.most_common() if value not in first]
    known = Counter({value: count for value, count in second.items() if value in first})
    known[_NEW] = sum(count for _, count in new)
    shift = _stability(first, known)
    shown = tuple(value for value, count in new[:10] if count > 1 and value != _OTHER)
    change = Change("choice", shift.distance, 1.0, False, rows=_rows(first, known), new=shown)
    return change, shift.p


def _stability(first: Counter[str], second: Counter[str]) -> Shift:
    """Values that are rare on both sides count as one: their shares say nothing each."""
    both = first + second
    often = [value for value, count in both.items() if count >= 2 * _RARE]
    counts = [[side[value] for value in often] for side in (first, second)]
    for side, kept in zip((first, second), counts, strict=True):
        if rest := both.total() - sum(both[value] for value in often):
            assert rest
            kept.append(side.total() - sum(kept))
    shift = population_stability(*counts)
    assert shift is not None
    return shift


def _rows(first: Counter[str], second: Counter[str]) -> tuple[Row, ...]:
    values = [value for value, _ in (first + second).most_common(MOST_CHOICES)]
    return tuple(
        Row(value, first[value] / first.total(), second[value] / second.total()) for value in values
    )
