"""What is shown of chunks that were found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from rag.models import Chunk, Document, DocumentVersion

_AT_ONCE = 500


@dataclass(frozen=True)
class FoundChunk:
    """A chunk as it is shown; a model is given `given`: its parent's text where it has one."""

    chunk_id: str
    document_id: str
    document: str
    title: str
    text: str
    given: str
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    metadata: dict[str, Any]


def found_chunks(session: Session, chunk_ids: Sequence[str]) -> Mapping[str, FoundChunk]:
    """Chunks by id; one that was removed meanwhile is missing."""
    found: dict[str, FoundChunk] = {}
    for start in range(0, len(chunk_ids), _AT_ONCE):
        query = (
            select(
                Chunk,
                col(Document.name),
                col(Document.meta),
                col(DocumentVersion.title),
                func.substr(
                    col(DocumentVersion.text),
                    col(Chunk.parent_start) + 1,
                    col(Chunk.parent_end) - col(Chunk.parent_start),
                ),
            )
            .join(Document, col(Document.id) == col(Chunk.document_id))
            .join(DocumentVersion, col(DocumentVersion.id) == col(Chunk.version_id))
            .where(col(Chunk.id).in_(chunk_ids[start : start + _AT_ONCE]))
        )
        for chunk, name, meta, title, parent in session.execute(query):
            found[chunk.id] = FoundChunk(
                chunk.id,
                chunk.document_id,
                name,
                title,
                chunk.text,
                chunk.text if chunk.edited else parent or chunk.text,
                chunk.start,
                chunk.end,
                chunk.page,
                tuple(chunk.headings),
                meta,
            )
    return found
