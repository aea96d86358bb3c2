"""A comparison as two columns of lines, each beside the one that it stands for."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from prompts.diff import Change, Piece

Line = tuple[Piece, ...]


class Row(NamedTuple):
    """A line of either side; None where that side has none. Line ends are left out."""

    before: Line | None
    after: Line | None

    @property
    def same(self) -> bool:
        """Whether both sides say the same."""
        return self.before == self.after


def rows(pieces: Iterable[Piece]) -> list[Row]:
    """The rows of one message's pieces, as `prompts.diff.word_diff` gives them.

    A row ends where both sides have a line end in common; lines between two of these that one
    side has more of stand beside nothing.
    """
    found: list[Row] = []
    left, right = _Side("removed"), _Side("added")
    for piece in pieces:
        for text, ends in _cut(piece.text):
            for side in (left, right):
                side.take(piece.change, text, ends)
            if ends and piece.change == "same":
                found += _paired(left, right)
    found += _paired(left, right)
    return found


class _Side:
    """Lines of one side that have no row yet; the last one is open."""

    def __init__(self, own: Change) -> None:
        self.own = own
        self.lines: list[list[Piece]] = []
        self.open: list[Piece] = []
        self.has_open = False

    def take(self, change: Change, text: str, ends: bool) -> None:
        if change not in ("same", self.own):
            return
        if text:
            self.open.append(Piece(change, text))
        self.has_open = not ends
        if ends:
            self.lines.append(self.open)
            self.open = []

    def taken(self) -> list[Line]:
        lines = [*self.lines, *([self.open] if self.has_open else [])]
        self.lines, self.open, self.has_open = [], [], False
        return [tuple(line) for line in lines]


def _cut(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text at its line ends, and whether one followed."""
    *whole, rest = text.split("\n")
    for line in whole:
        yield line, True
    if rest:
        yield rest, False


def _paired(left: _Side, right: _Side) -> Iterator[Row]:
    """Lines from the top where the first ones begin alike, else from the bottom."""
    before, after = left.taken(), right.taken()
    if _begin_alike(before, after):
        pairs = list(zip_longest(before, after))
    else:
        pairs = list(zip_longest(reversed(before), reversed(after)))[::-1]
    for pair in pairs:
        yield Row(*pair)


def _begin_alike(before: list[Line], after: list[Line]) -> bool:
    first, other = (lines[0][:1] if lines else () for lines in (before, after))
    return first == other
