"""Documents to pieces: stretches of their text with place, page and headings."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from rag.chunk_settings import ChunkSettings, Markdown, ParentChild, Recursive
from rag.cutting import seams
from rag.cutting.atoms import atoms
from rag.cutting.fill import fill
from rag.cutting.outline import outline
from rag.cutting.sections import Part, parents, parts


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` is document[start:end], offsets in characters; `page` counts from 1.

    `headings` are those above it, outermost first; `parent` are the offsets of the passage that
    is given in its place (parent_child alone).
    """

    start: int
    end: int
    text: str
    page: int | None
    headings: tuple[str, ...]
    parent: tuple[int, int] | None


def chunk(text: str, pages: Sequence[int], settings: ChunkSettings) -> list[Piece]:
    """Pieces in order that cover all of `text` but blanks; none has more than `chunk_tokens`.

    `pages`: the offsets at which pages begin, ascending; empty where the format has none.
    Time is linear in the text; about 4 MB/s.
    """
    match settings:
        case Recursive():
            return [_piece(text, pages, part, None) for part in _recursive(text, settings)]
        case Markdown():
            found = outline(text)
            cut = parts(text, found, 0, len(text), settings.chunk_tokens, settings.overlap)
            return [_piece(text, pages, part, None) for part in cut]
        case ParentChild():
            return _parent_child(text, pages, settings)


def _recursive(text: str, settings: Recursive) -> list[Part]:
    whole = seams.trimmed(text, 0, len(text))
    if whole is None:
        return []
    limit, overlap = settings.chunk_tokens, settings.overlap
    cut = fill(text, atoms(text, *whole, max(limit - overlap, 4), limit), limit, overlap)
    return [Part(span.start, span.end, ()) for span in cut]


def _parent_child(text: str, pages: Sequence[int], settings: ParentChild) -> list[Piece]:
    found = outline(text)
    return [
        _piece(text, pages, part, (parent.start, parent.end))
        for parent in parents(text, found, settings.parent_tokens)
        for part in parts(text, found, *parent, settings.chunk_tokens, settings.overlap)
    ]


def _piece(text: str, pages: Sequence[int], part: Part, parent: tuple[int, int] | None) -> Piece:
    page = max(bisect_right(pages, part.start), 1) if pages else None
    return Piece(part.start, part.end, text[part.start : part.end], page, part.headings, parent)
