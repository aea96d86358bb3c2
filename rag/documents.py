"""Documents of a base: listed, opened, and forgotten with everything that was made of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from core.audit import record
from core.database import Database
from core.errors import NotFound
from rag.index_home import drop_index
from rag.models import (
    Chunk,
    ChunkEdit,
    Document,
    DocumentVersion,
    Embedding,
    KnowledgeBase,
    Mark,
    Snapshot,
)
from rag.service import get, lock
from rag.snapshots import get_snapshot, publish, visible
from rag.staging import bump_epoch

PAGE = 50
_AT_ONCE = 500


class DocumentRow(NamedTuple):
    """A document as a list shows it."""

    id: str
    name: str
    title: str
    media: str
    size: int
    characters: int
    chunks: int
    lost_edits: int
    metadata: dict[str, Any]
    notes: list[str]
    added_at: datetime


def page_documents(
    session: Session,
    kb: str,
    *,
    search: str | None = None,
    after: str | None = None,
    snapshot: int | None = None,
    limit: int = PAGE,
) -> list[DocumentRow]:
    """Documents by name, those after `after` first."""
    base = get(session, kb)
    number = get_snapshot(session, base, snapshot).number
    query = (
        select(Document, DocumentVersion, func.length(DocumentVersion.text))
        .join(DocumentVersion, col(DocumentVersion.document_id) == col(Document.id))
        .where(col(Document.base_id) == base.id, visible(DocumentVersion, number))
        .order_by(col(Document.name))
        .limit(limit)
    )
    if search:
        query = query.where(col(Document.name).contains(search, autoescape=True))
    if after is not None:
        query = query.where(col(Document.name) > after)
    return [
        DocumentRow(
            document.id,
            document.name,
            version.title,
            version.media,
            version.size,
            characters,
            version.chunks,
            version.lost_edits,
            document.meta,
            version.notes,
            version.created_at,
        )
        for document, version, characters in session.execute(query)
    ]


def iter_documents(
    session: Session, kb: str, *, search: str | None = None, snapshot: int | None = None
) -> Iterator[DocumentRow]:
    """All documents by name."""
    after: str | None = None
    while page := page_documents(
        session, kb, search=search, after=after, snapshot=snapshot, limit=_AT_ONCE
    ):
        yield from page
        after = page[-1].name


def find(session: Session, kb: str, name: str) -> Document:
    """A document by name or id; raises NotFound."""
    base = get(session, kb)
    query = select(Document).where(
        col(Document.base_id) == base.id,
        (col(Document.name) == name) | (col(Document.id) == name),
    )
    found = session.scalars(query.order_by(col(Document.name) != name)).first()
    if found is None:
        raise NotFound(
            f"{kb} has no document {name!r}. `promptstone kb documents {kb}` lists them.",
            param="document",
        )
    return found


def present_version(session: Session, document_id: str) -> DocumentVersion:
    """What the newest snapshot shows of a document; raises NotFound."""
    query = select(DocumentVersion).where(
        col(DocumentVersion.document_id) == document_id,
        col(DocumentVersion.added_in).is_not(None),
        col(DocumentVersion.removed_in).is_(None),
    )
    found = session.scalars(query).first()
    if found is None:
        raise NotFound("The document is in an older snapshot only. Add it again to see it here.")
    return found


class Removed(NamedTuple):
    """What was forgotten, and the snapshot that no longer has it."""

    kb: str
    document: str
    document_id: str
    chunks: int
    snapshot: int


def forget(database: Database, actor: str, kb: str, name: str) -> Removed:
    """Remove a document from every snapshot, with its text, chunks, vectors, edits and marks.

    Whoever removes a document means its content: an older snapshot stays searchable, without it.
    Freed pages of SQLite are overwritten, and its log is emptied. Raises Unavailable, after that,
    when the Chroma server does not answer: its copy of the vectors goes with the next search.
    """
    with database.session_scope(actor) as session:
        document = find(session, kb, name)
        base = lock(session, document.base_id)
        removed = _forget(session, base, document)
    database.shred()
    drop_index(database, base.id)
    return removed


def _forget(session: Session, base: KnowledgeBase, document: Document) -> Removed:
    hashes = set(session.scalars(select(col(Chunk.text_hash)).where(_mine(Chunk, document))))
    chunks = session.scalars(
        select(func.count())
        .select_from(Chunk)
        .where(_mine(Chunk, document), visible(Chunk, base.snapshot))
    ).one()
    connection = session.connection()
    for table in (Chunk, DocumentVersion, ChunkEdit, Mark):
        connection.execute(delete(table).where(_mine(table, document)))
    connection.execute(delete(Document).where(col(Document.id) == document.id))
    _forget_vectors(session, hashes)
    _recount(session, base)
    bump_epoch(session, base.id)
    snapshot = publish(session, base, f"{document.name} removed")
    record(session, "kb.remove", base.name, {"document": document.name})
    return Removed(base.name, document.name, document.id, chunks, snapshot.number)


def _mine(table: Any, document: Document) -> Any:
    return col(table.document_id) == document.id


def _forget_vectors(session: Session, hashes: set[str]) -> None:
    """Vectors of texts that no chunk of any base holds any more."""
    left = sorted(hashes)
    for start in range(0, len(left), _AT_ONCE):
        part = left[start : start + _AT_ONCE]
        used = set(
            session.scalars(select(col(Chunk.text_hash)).where(col(Chunk.text_hash).in_(part)))
        )
        gone = [text_hash for text_hash in part if text_hash not in used]
        session.connection().execute(delete(Embedding).where(col(Embedding.text_hash).in_(gone)))


def _recount(session: Session, base: KnowledgeBase) -> None:
    """What the snapshots say of themselves stays true."""
    for snapshot in session.scalars(select(Snapshot).where(col(Snapshot.base_id) == base.id)):
        for table, name in ((DocumentVersion, "documents"), (Chunk, "chunks")):
            query = (
                select(func.count())
                .select_from(table)
                .where(col(table.base_id) == base.id, visible(table, snapshot.number))
            )
            if table is Chunk:
                query = query.where(col(Chunk.enabled).is_(True))
            setattr(snapshot, name, session.scalars(query).one())
        session.add(snapshot)
    session.flush()
