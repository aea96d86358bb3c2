"""What people changed in chunks, kept apart from them so that it survives re-parsing.

An edit names the run of consecutive original chunks that it replaces by their hashes, and the texts
that stand there instead; it is applied wherever that run is found.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from core.errors import Invalid
from rag.chunking import Piece


@dataclass(frozen=True, slots=True)
class Edit:
    """`originals`: sha256 of the texts as cut. `texts`: what stands there now; () is disabled."""

    originals: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EditedPiece:
    """A chunk as it is shown and searched.

    `piece` has the text that stands now; where that is not in the document its offsets are those of
    `sources`, the original pieces that the edit covers (the piece itself when it is unedited).
    """

    piece: Piece
    sources: tuple[Piece, ...]
    edited: bool
    disabled: bool = False

    @property
    def originals(self) -> tuple[str, ...]:
        return tuple(original_hash(source.text) for source in self.sources)


class Applied(NamedTuple):
    """`lost`: edits whose originals stand nowhere in the document any more."""

    pieces: list[EditedPiece]
    lost: list[Edit]


def original_hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def apply_edits(pieces: Sequence[Piece], edits: Sequence[Edit]) -> Applied:
    """The pieces after `edits`, oldest first: where two cover a piece the newer one stands.

    An edit applies wherever its run of originals stands: equal chunks are corrected alike. A
    disabled chunk stays in the list, marked.
    """
    hashes = [original_hash(piece.text) for piece in pieces]
    places: defaultdict[str, list[int]] = defaultdict(list)
    for position, each in enumerate(hashes):
        places[each].append(position)
    covered: dict[int, Edit] = {}
    free = [True] * len(pieces)
    lost: list[Edit] = []
    for edit in reversed(edits):
        runs = _runs(hashes, places, edit)
        if not runs:
            lost.append(edit)
        for start in runs:
            span = slice(start, start + len(edit.originals))
            if all(free[span]):
                free[span] = [False] * len(edit.originals)
                covered[start] = edit
    return Applied(_edited(pieces, covered), lost[::-1])


def _runs(hashes: list[str], places: dict[str, list[int]], edit: Edit) -> list[int]:
    size = len(edit.originals)
    starts = places.get(edit.originals[0], []) if size else []
    return [start for start in starts if tuple(hashes[start : start + size]) == edit.originals]


def _edited(pieces: Sequence[Piece], covered: dict[int, Edit]) -> list[EditedPiece]:
    result: list[EditedPiece] = []
    position = 0
    while position < len(pieces):
        edit = covered.get(position)
        size = len(edit.originals) if edit else 1
        sources = tuple(pieces[position : position + size])
        if edit is None or edit.texts == tuple(source.text for source in sources):
            result += [EditedPiece(source, (source,), edited=False) for source in sources]
        elif not edit.texts:
            result += [EditedPiece(each, sources, edited=True, disabled=True) for each in sources]
        else:
            result += [EditedPiece(each, sources, edited=True) for each in _placed(sources, edit)]
        position += size
    return result


def _placed(sources: tuple[Piece, ...], edit: Edit) -> Iterator[Piece]:
    """Pieces with the edit's texts, at their own offsets where they stand so in one original."""
    first, last = sources[0], sources[-1]
    at = 0
    for text in edit.texts:
        found = first.text.find(text, at) if first is last else -1
        if found >= 0:
            at = found + len(text)
            start = first.start + found
            yield replace(first, start=start, end=start + len(text), text=text)
        else:
            yield replace(first, end=last.end, text=text)


def edit_text(pieces: Sequence[EditedPiece], position: int, text: str) -> Edit:
    """The chunk at `position` says `text`. Raises Invalid for a blank text."""
    if not text.strip():
        raise Invalid("A chunk cannot be blank. Disable it instead.")
    group = _group(pieces, position)
    return group.edit(position, (text,))


def split_at(pieces: Sequence[EditedPiece], position: int, offset: int) -> Edit:
    """The chunk becomes two, cut before its character `offset`; blanks at the cut go.

    Raises Invalid where a half would be blank.
    """
    text = pieces[position].piece.text
    halves = (text[:offset].rstrip(), text[offset:].lstrip()) if offset > 0 else ("", text)
    if not all(half.strip() for half in halves):
        raise Invalid("A half would be blank. Choose a place inside the chunk's text.")
    return _group(pieces, position).edit(position, halves)


def merge(pieces: Sequence[EditedPiece], position: int) -> Edit:
    """The chunk at `position` and the next one become one; what both repeat stands once.

    Raises Invalid for the last chunk; as all but `restore`, for a disabled one.
    """
    if position + 1 >= len(pieces):
        raise Invalid("No chunk follows this one. Merge it with the one before it.")
    one, other = pieces[position], pieces[position + 1]
    first, second = _group(pieces, position), _group(pieces, position + 1)
    joined = _joined(one, other)
    if first.start == second.start:
        texts = list(first.texts)
        at = position - first.start
        texts[at : at + 2] = [joined]
        return Edit(one.originals, tuple(texts))
    texts = [*first.texts[:-1], joined, *second.texts[1:]]
    return Edit(one.originals + other.originals, tuple(texts))


def disable(pieces: Sequence[EditedPiece], position: int) -> Edit:
    """The chunk is left out of search; a part that an edit made comes back by `restore` alone."""
    return _group(pieces, position).edit(position, ())


def restore(pieces: Sequence[EditedPiece], position: int) -> Edit:
    """The originals stand again, of the chunk and of all that were edited together with it."""
    chunk = pieces[position]
    return Edit(chunk.originals, tuple(source.text for source in chunk.sources))


def _joined(one: EditedPiece, other: EditedPiece) -> str:
    first, second = one.piece, other.piece
    repeated = first.end - second.start
    if repeated >= 0 and first.text[len(first.text) - repeated :] == second.text[:repeated]:
        return first.text + second.text[repeated:]
    return f"{first.text}\n{second.text}" if repeated >= -1 else f"{first.text}\n\n{second.text}"


class _Group(NamedTuple):
    """The chunks that one edit made, from position `start` on."""

    start: int
    originals: tuple[str, ...]
    texts: tuple[str, ...]

    def edit(self, position: int, new: tuple[str, ...]) -> Edit:
        at = position - self.start
        return Edit(self.originals, (*self.texts[:at], *new, *self.texts[at + 1 :]))


def _group(pieces: Sequence[EditedPiece], position: int) -> _Group:
    sources = pieces[position].sources
    if pieces[position].disabled:
        raise Invalid("This chunk is disabled. Restore it first.")
    start = end = position
    while start and pieces[start - 1].sources == sources:
        start -= 1
    while end < len(pieces) and pieces[end].sources == sources:
        end += 1
    texts = tuple(each.piece.text for each in pieces[start:end])
    return _Group(start, pieces[position].originals, texts)
