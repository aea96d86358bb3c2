"""Atoms put together to pieces: as full as allowed, cut at the strongest seam in reach."""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import NamedTuple

from rag.cutting import seams
from rag.cutting.atoms import Atoms
from rag.cutting.measure import tokens
from rag.cutting.seams import FORCED


class Span(NamedTuple):
    start: int
    end: int


class _Tail(NamedTuple):
    start: int
    held: int


def fill(text: str, atoms: Atoms, limit: int, overlap: int) -> list[Span]:
    """Spans of at most `limit` tokens; each repeats at most `overlap` tokens of the one before.

    A cut is the strongest seam (the last of equals) in the second half of what fits.
    """
    spans: list[Span] = []
    cumulated = [0, *accumulate(atoms.counts)]
    forced = [i for i, strength in enumerate(atoms.strengths) if strength == FORCED and i]
    forced.append(len(atoms.starts))
    first, start, held = 0, atoms.starts[0], 0
    while first < len(atoms.starts):
        stop = forced[bisect_right(forced, first)]
        rest = held + cumulated[stop] - cumulated[first]
        after = _cut(atoms, first, stop, held, _room(rest, limit))
        start, after = _fitted(text, atoms, start, first, after, limit)
        spans.append(Span(start, atoms.ends[after - 1]))
        if after < len(atoms.starts):
            start, held = _tail(text, atoms, first, after, overlap)
            if held + atoms.counts[after] > limit:
                start, held = atoms.starts[after], 0
        first = after
    return spans


def _room(rest: int, limit: int) -> int:
    """The last two pieces share what is left, so that none is a scrap."""
    return rest * 3 // 4 if limit < rest < limit * 3 // 2 else limit


def _cut(atoms: Atoms, first: int, stop: int, held: int, room: int) -> int:
    """The atom before which to cut."""
    used, at, best, strongest = held, first, 0, -1
    while at < stop and (used + atoms.counts[at] <= room or at == first):
        used += atoms.counts[at]
        at += 1
        if at < stop and used * 2 >= room and atoms.strengths[at] >= strongest:
            best, strongest = at, atoms.strengths[at]
    return at if at == stop or not best else best


def _fitted(text: str, atoms: Atoms, start: int, first: int, after: int, limit: int) -> Span:
    """Start and end atom such that the exact count holds: counts of atoms add up only nearly."""
    while tokens(text[start : atoms.ends[after - 1]]) > limit:
        if after - 1 > first:
            after -= 1
        elif start < atoms.starts[first]:
            start = atoms.starts[first]
        else:
            break
    return Span(start, after)


def _tail(text: str, atoms: Atoms, first: int, after: int, overlap: int) -> _Tail:
    """Where the piece from `after` on begins, so that it repeats the end of the one before."""
    none = _Tail(atoms.starts[after], 0)
    if not overlap or atoms.strengths[after] == FORCED:
        return none
    end, at, held = atoms.ends[after - 1], after, 0
    while at - 1 > first and not atoms.solid[at - 1] and held + atoms.counts[at - 1] <= overlap:
        at -= 1
        held += atoms.counts[at]
    while at < after:
        if (count := tokens(text[atoms.starts[at] : end])) <= overlap:
            return _Tail(atoms.starts[at], count)
        at += 1
    if atoms.solid[after - 1]:
        return none
    return _inside(text, atoms.starts[after - 1], end, overlap) or none


def _inside(text: str, start: int, end: int, overlap: int) -> _Tail | None:
    """The last clause or, where that is long or short, the last words of text[start:end]."""
    begin = max(start, end - 8 * overlap)
    for candidates in (
        seams.clause_starts(text, begin, end),
        seams.word_starts(text, begin, end) or seams.character_starts(text, begin, end),
    ):
        # Later starts have fewer tokens: the first that fits is found by halving.
        found = bisect_left(candidates, -overlap, key=lambda at: -tokens(text[at:end]))
        if found < len(candidates):
            tail = _Tail(candidates[found], tokens(text[candidates[found] : end]))
            if tail.held * 4 >= overlap:
                return tail
    return None
