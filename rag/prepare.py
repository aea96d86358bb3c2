"""From a parsed document to the rows that are stored: clean, cut, apply edits, take the terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from core.canonical import content_hash, sha256_text
from rag.chunk_edits import Edit, EditedPiece, apply_edits
from rag.chunk_settings import CHUNK_SETTINGS, ChunkSettings
from rag.chunking import chunk
from rag.cleaning.clean import clean
from rag.cleaning.near_duplicates import NearDuplicates
from rag.cleaning.settings import CleaningSettings
from rag.parser_settings import BUILTIN, ParserSettings, read_parser
from rag.parsing.process import Parsed
from rag.passages import document_name, searched_text
from rag.terms import packed

METHOD = 1
"""Raised when cleaning, cutting or parsing itself changes, so that documents are worked on anew."""


@dataclass(frozen=True)
class Recipe:
    """How documents of a base become chunks."""

    chunker: ChunkSettings
    cleaning: CleaningSettings
    parser: ParserSettings = BUILTIN

    @property
    def hash(self) -> str:
        """The same for the same work."""
        steps: list[BaseModel] = [self.chunker, self.cleaning]
        if self.parser != BUILTIN:
            steps.append(self.parser)
        return content_hash([METHOD, *(step.model_dump(mode="json") for step in steps)])


def without_duplicates(found: "Prepared", seen: NearDuplicates[str]) -> "Prepared":
    """The document with each passage disabled that nearly equals one seen before."""
    passages: list[Passage] = []
    for place, one in enumerate(found.passages):
        twin = seen.add(f"{found.name}#{place}", one.piece.piece.text)
        passages.append(
            one if twin is None else replace(one, piece=replace(one.piece, disabled=True))
        )
    lost = sum(1 for one in passages if one.piece.disabled)
    if not lost:
        return found
    note = f"{lost} chunks nearly equal earlier ones and are disabled"
    return replace(found, passages=tuple(passages), notes=(*found.notes, note))


def read_recipe(
    chunker: Mapping[str, Any],
    cleaning: Mapping[str, Any],
    parser: Mapping[str, Any] | None = None,
) -> Recipe:
    """From the columns of a base, and what an ingest says of its files."""
    return Recipe(
        CHUNK_SETTINGS.validate_python(chunker),
        CleaningSettings(**cleaning),
        read_parser(parser),
    )


@dataclass(frozen=True)
class Passage:
    """A chunk before it has an id; `searched` is what is embedded."""

    piece: EditedPiece
    searched: str
    text_hash: str
    terms: bytes

    def row(self) -> dict[str, Any]:
        """Columns of `chunks` that come from the text."""
        edited, piece = self.piece, self.piece.piece
        return {
            "start": piece.start,
            "end": piece.end,
            "page": piece.page,
            "headings": list(piece.headings),
            "parent_start": piece.parent[0] if piece.parent else None,
            "parent_end": piece.parent[1] if piece.parent else None,
            "text": piece.text,
            "text_hash": self.text_hash,
            "origins": list(edited.originals),
            "edited": edited.edited,
            "enabled": not edited.disabled,
            "terms": self.terms,
        }


@dataclass(frozen=True)
class Prepared:
    """A document with its passages; `raw_text` is None where cleaning changed nothing."""

    name: str
    content_hash: str
    media: str
    size: int
    title: str
    text: str
    raw_text: str | None
    pages: tuple[int, ...]
    raw_pages: tuple[int, ...]
    notes: tuple[str, ...]
    lost_edits: int
    meta: dict[str, Any]
    source: str
    passages: tuple[Passage, ...]

    def version_row(self, recipe: str) -> dict[str, Any]:
        """Columns of `document_versions` that come from the document."""
        return {
            "content_hash": self.content_hash,
            "recipe": recipe,
            "media": self.media,
            "size": self.size,
            "title": self.title,
            "text": self.text,
            "raw_text": self.raw_text,
            "pages": list(self.pages),
            "raw_pages": list(self.raw_pages),
            "notes": list(self.notes),
            "chunks": len(self.passages),
            "lost_edits": self.lost_edits,
        }


def prepare(
    found: Parsed,
    recipe: Recipe,
    edits: Sequence[Edit] = (),
    *,
    size: int,
    meta: Mapping[str, Any] | None = None,
    source: str = "",
) -> Prepared:
    """A document's rows. Takes about as long as its text is long; no model is asked."""
    cleaned = clean(found.text, found.pages, recipe.cleaning)
    pieces = chunk(cleaned.text, cleaned.pages, recipe.chunker)
    edited, lost = apply_edits(pieces, edits)
    title = found.title or ""
    changed = cleaned.text != found.text
    return Prepared(
        name=document_name(found.name),
        content_hash=found.content_hash,
        media=found.media,
        size=size,
        title=title,
        text=cleaned.text,
        raw_text=found.text if changed else None,
        pages=tuple(cleaned.pages),
        raw_pages=tuple(found.pages) if changed else (),
        notes=found.notes,
        lost_edits=len(lost),
        meta=dict(meta or {}),
        source=source,
        passages=tuple(passage(title, piece) for piece in edited),
    )


def passage(title: str, piece: EditedPiece) -> Passage:
    """A piece with what both searches read of it."""
    searched = searched_text(title, piece.piece.headings, piece.piece.text)
    return Passage(piece, searched, sha256_text(searched), packed(searched))
