"""A text as atoms, the stretches that a cut leaves whole, with their tokens."""

from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rag.cutting import seams
from rag.cutting.code import code_lines
from rag.cutting.measure import longer_than, tokens
from rag.cutting.seams import FORCED, LINE, PARAGRAPH, Seams


class Solid(NamedTuple):
    """A code block (`language` as its fence says) or a table (`language` None): kept whole."""

    start: int
    end: int
    language: str | None


class Atoms(NamedTuple):
    """Parallel arrays; `strengths[i]` is the seam before atom i, `solid[i]` 1 for code and rows."""

    starts: "array[int]"
    ends: "array[int]"
    strengths: "array[int]"
    counts: "array[int]"
    solid: "array[int]"

    @classmethod
    def empty(cls) -> "Atoms":
        return cls(array("q"), array("q"), array("b"), array("q"), array("b"))

    def add(self, start: int, end: int, strength: int, count: int, solid: bool) -> None:
        self.starts.append(start)
        self.ends.append(end)
        self.strengths.append(strength)
        self.counts.append(count)
        self.solid.append(solid)


class _Builder:
    """Divides ever finer until each atom has at most `most` tokens; a solid may have `limit`."""

    def __init__(self, text: str, most: int, limit: int) -> None:
        self.text, self.most, self.limit = text, most, limit
        self.atoms = Atoms.empty()

    def prose(self, start: int, end: int, strength: int) -> None:
        self._divide(seams.sentences(self.text, start, end), start, end, strength, _PROSE, False)

    def whole(self, solid: Solid, strength: int) -> None:
        start, end, language = solid
        if not longer_than(self.text, start, end, self.limit):
            self._add(start, end, strength, tokens(self.text[start:end]), True)
            return
        rows = seams.lines(self.text, start, end)
        if language:
            rows = code_lines(self.text, rows, language)
        self._divide(rows, start, end, strength, _ROWS, True)

    def _divide(
        self,
        found: Seams,
        start: int,
        end: int,
        strength: int,
        finer: Sequence[Callable[[str, int, int], Seams]],
        solid: bool,
    ) -> None:
        text, most = self.text, self.limit if solid else self.most
        begin = start
        for at, after, following in zip(
            (*found.ends, end), (*found.starts, end), (*found.strengths, FORCED), strict=True
        ):
            if at - begin > 32 * most or (count := tokens(text[begin:at])) > most:
                parts = finer[0](text, begin, at) if finer else seams.blocks(text, begin, at, most)
                self._divide(parts, begin, at, strength, finer[1:], solid)
            else:
                self._add(begin, at, strength, count, solid)
            begin, strength = after, following

    def _add(self, start: int, end: int, strength: int, count: int, solid: bool) -> None:
        ends = self.atoms.ends
        blanks = start - ends[-1] if ends else 0
        # One blank belongs to the next word's token; a longer run is a token or some.
        count += (blanks > 1) + blanks // 8
        self.atoms.add(start, end, strength, count, solid)


_ROWS = (seams.words,)
_PROSE = (seams.clauses, seams.words)


def atoms(
    text: str, start: int, end: int, most: int, limit: int, solids: Sequence[Solid] = ()
) -> Atoms:
    """Atoms of text[start:end]: prose of at most `most` tokens, solids of at most `limit`."""
    builder = _Builder(text, most, limit)
    at, strength = start, FORCED
    for solid in solids:
        before = seams.trimmed(text, at, solid.start)
        if before:
            builder.prose(before.start, before.end, strength)
            strength = LINE
        builder.whole(solid, strength)
        at, strength = solid.end, PARAGRAPH
    rest = seams.trimmed(text, at, end)
    if rest:
        builder.prose(rest.start, rest.end, strength)
    return builder.atoms
