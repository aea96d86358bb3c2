"""The rows of an ingest: staged document by document, shown all at once when it is published.

Everything here is one short transaction; reading, cutting and embedding happen outside of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session, col

from core.clock import new_id
from core.jobs import Claim, check_fence
from rag.models import (
    Chunk,
    ChunkEdit,
    Document,
    DocumentVersion,
    Embedding,
    Ingest,
    IngestItem,
    KnowledgeBase,
)
from rag.prepare import Prepared
from rag.service import lock
from rag.snapshots import publish, stage_away

_AT_ONCE = 500


class Known(NamedTuple):
    """What a base holds of a document: the bytes it came from and how they were worked on."""

    document_id: str
    content_hash: str
    recipe: str
    meta: dict[str, Any]
    staged: bool


def known_documents(session: Session, base_id: str, ingest_id: str) -> dict[str, Known]:
    """By name: what the newest snapshot shows, or what this ingest has staged already."""
    query = (
        select(
            col(Document.name),
            col(Document.id),
            col(DocumentVersion.content_hash),
            col(DocumentVersion.recipe),
            col(Document.meta),
            col(DocumentVersion.added_in),
        )
        .join(DocumentVersion, col(DocumentVersion.document_id) == col(Document.id))
        .where(
            col(Document.base_id) == base_id,
            col(DocumentVersion.removed_in).is_(None),
            col(DocumentVersion.added_in).is_not(None)
            | (col(DocumentVersion.ingest_id) == ingest_id),
        )
        .order_by(col(DocumentVersion.added_in).is_(None))
    )
    found: dict[str, Known] = {}
    for name, document_id, content, recipe, meta, added in session.connection().execute(query):
        found[name] = Known(document_id, content, recipe, meta, added is None)
    return found


def document_sources(session: Session, base_id: str) -> list[tuple[str, str]]:
    """(name, folder) of the documents that the newest snapshot shows."""
    query = (
        select(col(Document.name), col(Document.source))
        .join(DocumentVersion, col(DocumentVersion.document_id) == col(Document.id))
        .where(
            col(Document.base_id) == base_id,
            col(DocumentVersion.added_in).is_not(None),
            col(DocumentVersion.removed_in).is_(None),
        )
    )
    return [(name, source) for name, source in session.connection().execute(query)]


def active_edits(session: Session, document_id: str) -> list[ChunkEdit]:
    """A document's edits in the order they were made."""
    query = select(ChunkEdit).where(
        col(ChunkEdit.document_id) == document_id, col(ChunkEdit.active).is_(True)
    )
    return list(session.scalars(query.order_by(col(ChunkEdit.id))))


def searched_texts(session: Session, ingest: Ingest) -> Iterator[tuple[str, str]]:
    """(chunk id, text) of what the base shows and what the ingest has staged, in one order.

    A reindex makes all chunks anew, so only its own count.
    """
    mine = col(Chunk.ingest_id) == ingest.id
    shown = col(Chunk.added_in).is_not(None) & col(Chunk.removed_in).is_(None)
    query = (
        select(col(Chunk.id), col(Chunk.text))
        .where(col(Chunk.base_id) == ingest.base_id, col(Chunk.enabled).is_(True))
        .where(mine if ingest.kind == "reindex" else mine | shown)
        .order_by(col(Chunk.version_id), col(Chunk.position))
    )
    yield from session.connection().execute(query).tuples()


def missing_vectors(session: Session, fingerprint: str, hashes: Sequence[str]) -> set[str]:
    """Hashes of texts that this embedder has not embedded yet."""
    missing = set(hashes)
    asked = list(missing)
    for start in range(0, len(asked), _AT_ONCE):
        query = select(col(Embedding.text_hash)).where(
            col(Embedding.fingerprint) == fingerprint,
            col(Embedding.text_hash).in_(asked[start : start + _AT_ONCE]),
        )
        missing.difference_update(session.connection().execute(query).scalars())
    return missing


def store_vectors(session: Session, fingerprint: str, vectors: Mapping[str, bytes]) -> None:
    """Keep new vectors; one that somebody else stored meanwhile is the same one."""
    new = missing_vectors(session, fingerprint, list(vectors))
    rows = [
        {"fingerprint": fingerprint, "text_hash": text_hash, "vector": vectors[text_hash]}
        for text_hash in sorted(new)
    ]
    if rows:
        session.connection().execute(insert(Embedding), rows)


class MetaChange(NamedTuple):
    """New metadata of a document whose text stays."""

    document_id: str
    meta: dict[str, Any]


class Totals(NamedTuple):
    """What one step adds to an ingest's figures."""

    done: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0


class ItemEnd(NamedTuple):
    """What came of a file; a `position` beyond the ingest's files is a member of an archive."""

    position: int
    state: str
    reason: str | None = None
    documents: int = 0
    chunks: int = 0
    name: str = ""


def stage(
    session: Session,
    held: Claim,
    ingest: Ingest,
    recipe: str,
    documents: Sequence[Prepared],
    ends: Sequence[ItemEnd],
    totals: Totals,
    seconds: float,
) -> None:
    """Write documents with their chunks, the ends of files, and the figures. Raises LostLease."""
    check_fence(session, held)
    if documents:
        _stage_documents(session, ingest, recipe, documents)
    for end in ends:
        _end_item(session, ingest.id, end)
    values: dict[str, Any] = {
        name: getattr(Ingest, name) + number for name, number in totals._asdict().items() if number
    }
    session.connection().execute(
        update(Ingest).where(col(Ingest.id) == ingest.id).values(seconds=seconds, **values)
    )


def _end_item(session: Session, ingest_id: str, end: ItemEnd) -> None:
    values = {"state": end.state, "reason": end.reason, "documents": end.documents}
    values["chunks"] = end.chunks
    if not end.name:
        session.connection().execute(
            update(IngestItem)
            .where(col(IngestItem.ingest_id) == ingest_id)
            .where(col(IngestItem.position) == end.position)
            .values(**values)
        )
        return
    last = session.scalar(
        select(func.max(IngestItem.position)).where(col(IngestItem.ingest_id) == ingest_id)
    )
    session.add(
        IngestItem(ingest_id=ingest_id, position=(last or 0) + 1, name=end.name, path="", **values)
    )
    session.flush()


def _stage_documents(
    session: Session, ingest: Ingest, recipe: str, documents: Sequence[Prepared]
) -> None:
    ids = _document_ids(session, ingest, documents)
    connection = session.connection()
    _forget_staged(session, ingest.id, list(ids.values()))
    versions: list[dict[str, Any]] = []
    chunks: list[dict[str, Any]] = []
    for document in documents:
        version = new_id()
        owner = {"base_id": ingest.base_id, "document_id": ids[document.name]}
        owner["ingest_id"] = ingest.id
        versions.append({**owner, "id": version, **document.version_row(recipe)})
        chunks += [
            {**owner, "id": new_id(), "version_id": version, "position": place, **passage.row()}
            for place, passage in enumerate(document.passages)
        ]
    connection.execute(insert(DocumentVersion), versions)
    if chunks:
        connection.execute(insert(Chunk), chunks)


def _document_ids(
    session: Session, ingest: Ingest, documents: Sequence[Prepared]
) -> dict[str, str]:
    names = [document.name for document in documents]
    query = select(Document).where(
        col(Document.base_id) == ingest.base_id, col(Document.name).in_(names)
    )
    rows = {row.name: row for row in session.scalars(query)}
    for document in documents:
        row = rows.get(document.name)
        if row is not None:
            row.meta, row.source = document.meta, document.source or row.source
        else:
            row = Document(
                base_id=ingest.base_id,
                name=document.name,
                meta=document.meta,
                source=document.source,
                actor=ingest.actor,
            )
            rows[row.name] = row
        session.add(row)
    session.flush()
    return {name: row.id for name, row in rows.items()}


def _forget_staged(session: Session, ingest_id: str, document_ids: Sequence[str]) -> None:
    """A file that comes twice in one ingest counts as it came last."""
    for table in (Chunk, DocumentVersion):
        session.connection().execute(
            delete(table).where(
                col(table.ingest_id) == ingest_id,
                col(table.document_id).in_(document_ids),
                col(table.added_in).is_(None),
            )
        )


def set_metas(session: Session, base_id: str, changes: Sequence[MetaChange]) -> None:
    """Give documents new metadata; it filters every snapshot from now on."""
    for change in changes:
        session.connection().execute(
            update(Document).where(col(Document.id) == change.document_id).values(meta=change.meta)
        )
    if changes:
        bump_epoch(session, base_id)


def bump_epoch(session: Session, base_id: str) -> None:
    """Let every process load its index anew: what old snapshots show has changed."""
    session.connection().execute(
        update(KnowledgeBase)
        .where(col(KnowledgeBase.id) == base_id)
        .values(epoch=KnowledgeBase.epoch + 1)
    )


def publish_ingest(session: Session, held: Claim, ingest: Ingest, message: str) -> int | None:
    """Show what was staged as the next snapshot; None when nothing was. Raises LostLease."""
    check_fence(session, held)
    base = lock(session, ingest.base_id)
    staged = session.scalars(
        select(col(DocumentVersion.document_id)).where(col(DocumentVersion.ingest_id) == ingest.id)
    ).all()
    if not staged and ingest.kind != "reindex":
        return None
    for start in range(0, len(staged), _AT_ONCE):
        stage_away(session, base, staged[start : start + _AT_ONCE])
    for table in (Chunk, DocumentVersion):
        session.connection().execute(
            update(table)
            .where(col(table.ingest_id) == ingest.id)
            .values(added_in=base.snapshot + 1, ingest_id=None)
        )
    if ingest.kind == "reindex":
        for name, value in ingest.settings.items():
            setattr(base, name, value)
    snapshot = publish(session, base, message)
    session.connection().execute(
        update(Ingest).where(col(Ingest.id) == ingest.id).values(snapshot=snapshot.number)
    )
    return snapshot.number


def discard(session: Session, held: Claim) -> None:
    """Remove what an ingest staged and did not publish; its vectors stay, to be found again."""
    check_fence(session, held)
    for table in (Chunk, DocumentVersion):
        session.connection().execute(delete(table).where(col(table.ingest_id) == held.ref))
