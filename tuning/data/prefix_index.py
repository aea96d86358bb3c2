"""Which of many sets stand, to a share, in another set: exact, with few sets compared. Pure.

Of a set of n of which a share s must be contained, one of its rarest floor((1 − s) n) + 1 members
must be there (prefix filter: Chaudhuri et al. 2006; Bayardo et al. 2007): only those are indexed.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Marks = npt.NDArray[np.uint64]
"""Hashes of the members of a set, each once, ascending."""

V = TypeVar("V")


class Contained(NamedTuple, Generic[V]):
    """A set of which `share` is contained, and what it was added for."""

    value: V
    marks: Marks
    share: float


class PrefixIndex(Generic[V]):
    """Sets are added, then it is closed, then it is asked."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._values: list[V] = []
        self._sets: list[Marks] = []
        self._rare: dict[int, list[int]] = {}
        self._keys: Marks = np.empty(0, np.uint64)

    def add(self, value: V, marks: Marks) -> None:
        """A set that is not empty."""
        self._values.append(value)
        self._sets.append(marks)

    def close(self) -> None:
        """Choose the rarest members of each set."""
        if not self._sets:
            return
        known, counts = np.unique(np.concatenate(self._sets), return_counts=True)
        for place, marks in enumerate(self._sets):
            often = counts[np.searchsorted(known, marks)]
            most = int((1 - self._share) * len(marks) + 1e-9) + 1
            for rare in marks[np.argsort(often, kind="stable")[:most]]:
                self._rare.setdefault(int(rare), []).append(place)
        self._keys = np.array(sorted(self._rare), np.uint64)

    def contained(self, marks: Marks) -> Iterator[Contained[V]]:
        """The sets of which at least the share stands in `marks`."""
        rare = marks[_is_in(marks, self._keys)]
        places = dict.fromkeys(place for key in rare for place in self._rare[int(key)])
        for place in places:
            found = self._sets[place]
            share = common(found, marks) / len(found)
            if share >= self._share - 1e-9:
                yield Contained(self._values[place], found, share)


def common(a: Marks, b: Marks) -> int:
    """Members of both."""
    small, large = (a, b) if len(a) < len(b) else (b, a)
    return int(np.count_nonzero(_is_in(small, large)))


def _is_in(marks: Marks, known: Marks) -> npt.NDArray[np.bool_]:
    """By binary search: `known` may be a thousand times as long, and np.isin would sort it."""
    if not len(known):
        return np.zeros(len(marks), np.bool_)
    places = np.minimum(np.searchsorted(known, marks), len(known) - 1)
    return known[places] == marks
