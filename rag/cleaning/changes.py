"""Replacements in a text, with the offsets of its pages carried along."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple


class Change(NamedTuple):
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: str


class Changed(NamedTuple):
    text: str
    pages: tuple[int, ...]


def apply(text: str, pages: Sequence[int], changes: Sequence[Change]) -> Changed:
    """The text after `changes` (ascending, apart), and where its pages begin now.

    A page that began inside a change begins at what the change left.
    """
    if not changes:
        return Changed(text, tuple(pages))
    parts: list[str] = []
    at = 0
    for start, end, new in changes:
        parts += (text[at:start], new)
        at = end
    parts.append(text[at:])
    starts = [change.start for change in changes]
    shifts = [0, *accumulate(len(new) - (end - start) for start, end, new in changes)]
    return Changed("".join(parts), tuple(_moved(page, changes, starts, shifts) for page in pages))


def _moved(page: int, changes: Sequence[Change], starts: list[int], shifts: list[int]) -> int:
    before = bisect_right(starts, page)
    if before and page < changes[before - 1].end:
        return starts[before - 1] + shifts[before - 1]
    return page + shifts[before]


def apart(changes: Sequence[Change]) -> list[Change]:
    """In order; of two that overlap the one listed first stays."""
    ranked = sorted(enumerate(changes), key=lambda each: (each[1].start, each[0]))
    kept: list[tuple[int, Change]] = []
    for rank, change in ranked:
        while kept and kept[-1][1].end > change.start and rank < kept[-1][0]:
            kept.pop()
        if not kept or kept[-1][1].end <= change.start:
            kept.append((rank, change))
    return [change for _, change in kept]
