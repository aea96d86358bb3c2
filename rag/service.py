"""Knowledge bases: make, find, list, change, remove."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from core import drafts
from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Conflict, NotFound
from core.names import check_name
from rag.models import (
    AccessRule,
    Chunk,
    ChunkEdit,
    Document,
    DocumentVersion,
    Embedding,
    Ingest,
    IngestItem,
    KnowledgeBase,
    Mark,
    Snapshot,
)

RECENT = "kb"
"""The kind of a base among what a person touched last."""


class EmbedderIdentity(NamedTuple):
    """Settings of an embedder and the fingerprint of what it really is."""

    settings: dict[str, Any]
    fingerprint: str


class BaseSummary(NamedTuple):
    """A row of the catalogue; counts are those of the newest snapshot."""

    name: str
    description: str
    embedder: str
    chunker: str
    snapshot: int
    documents: int
    chunks: int
    ingesting: bool
    author: str
    updated_at: datetime


def create(
    session: Session,
    name: str,
    embedder: EmbedderIdentity,
    chunker: Mapping[str, Any],
    cleaning: Mapping[str, Any],
    *,
    description: str = "",
) -> KnowledgeBase:
    """An empty base at snapshot 0; raises Invalid for a bad name, Conflict for a taken one."""
    name = check_name(name)
    if session.exec(select(KnowledgeBase.id).where(KnowledgeBase.name == name)).first():
        raise Conflict(
            f"There is a knowledge base {name!r} already. Choose another name, or add to it with "
            f"`promptstone kb add {name} PATH`.",
            param="name",
        )
    base = KnowledgeBase(
        name=name,
        description=description,
        embedder=embedder.settings,
        fingerprint=embedder.fingerprint,
        chunker=dict(chunker),
        cleaning=dict(cleaning),
        actor=actor_of(session),
    )
    session.add(base)
    session.flush()
    session.add(_first_snapshot(base))
    drafts.touch(session, RECENT, name, name)
    return base


def _first_snapshot(base: KnowledgeBase) -> Snapshot:
    return Snapshot(
        base_id=base.id,
        number=0,
        message="empty",
        embedder=base.embedder,
        fingerprint=base.fingerprint,
        chunker=base.chunker,
        actor=base.actor,
    )


def get(session: Session, name: str) -> KnowledgeBase:
    """A base by name; raises NotFound."""
    base = session.exec(select(KnowledgeBase).where(KnowledgeBase.name == name)).first()
    if base is None:
        raise NotFound(
            f"There is no knowledge base {name!r}. `promptstone kb list` shows those there are.",
            param="kb",
        )
    return base


def lock(session: Session, base_id: str) -> KnowledgeBase:
    """A base by id, its row held until the commit, so that snapshot numbers have no rivals."""
    query = select(KnowledgeBase).where(KnowledgeBase.id == base_id).with_for_update()
    base = session.exec(query.execution_options(populate_existing=True)).first()
    if base is None:
        raise NotFound("The knowledge base has been removed meanwhile. Make it again.")
    return base


def list_bases(session: Session, *, search: str | None = None) -> list[BaseSummary]:
    """All bases by name, or those whose name holds `search`."""
    counts = (Snapshot.base_id == KnowledgeBase.id) & (Snapshot.number == KnowledgeBase.snapshot)
    query = select(KnowledgeBase, Snapshot).join(Snapshot, counts)  # type: ignore[arg-type]
    if search:
        query = query.where(col(KnowledgeBase.name).contains(search, autoescape=True))
    busy = set(session.exec(select(Ingest.base_id).where(col(Ingest.state).in_(LIVE))))
    return [
        BaseSummary(
            base.name,
            base.description,
            str(base.embedder.get("kind")),
            str(base.chunker.get("kind")),
            base.snapshot,
            state.documents,
            state.chunks,
            base.id in busy,
            base.actor,
            base.updated_at,
        )
        for base, state in session.exec(query.order_by(col(KnowledgeBase.name)))
    ]


LIVE = ("queued", "running")
"""States of an ingest that goes on."""


def save_retrieval(session: Session, base_id: str, settings: Mapping[str, Any]) -> None:
    """Search settings that this base's searches, arms and apps take when they name none."""
    base = lock(session, base_id)
    base.retrieval, base.updated_at = dict(settings), utcnow()
    record(session, "kb.settings", base.name, {"retrieval": dict(settings)})
    session.add(base)
    drafts.touch(session, RECENT, base.name, base.name)


def save_cleaning(session: Session, base_id: str, settings: Mapping[str, Any]) -> None:
    """Cleaning of documents that are added from now on; `reindex` cleans the others."""
    base = lock(session, base_id)
    base.cleaning, base.updated_at = dict(settings), utcnow()
    session.add(base)
    session.flush()


def delete_base(session: Session, base_id: str) -> None:
    """Remove a base with everything in it, all snapshots included."""
    base = lock(session, base_id)
    if session.exec(
        select(Ingest.id).where(Ingest.base_id == base_id, col(Ingest.state).in_(LIVE))
    ).first():
        raise Conflict(f"{base.name} is being filled. Cancel that first, then remove it.")
    connection = session.connection()
    documents = select(Document.id).where(Document.base_id == base_id)
    ingests = select(Ingest.id).where(Ingest.base_id == base_id)
    connection.execute(delete(Mark).where(col(Mark.base_id) == base_id))
    connection.execute(delete(AccessRule).where(col(AccessRule.base_id) == base_id))
    connection.execute(delete(ChunkEdit).where(col(ChunkEdit.document_id).in_(documents)))
    connection.execute(delete(Chunk).where(col(Chunk.base_id) == base_id))
    connection.execute(delete(DocumentVersion).where(col(DocumentVersion.base_id) == base_id))
    connection.execute(delete(Document).where(col(Document.base_id) == base_id))
    connection.execute(delete(IngestItem).where(col(IngestItem.ingest_id).in_(ingests)))
    connection.execute(delete(Ingest).where(col(Ingest.base_id) == base_id))
    connection.execute(delete(Snapshot).where(col(Snapshot.base_id) == base_id))
    connection.execute(delete(KnowledgeBase).where(col(KnowledgeBase.id) == base_id))
    used = select(Chunk.id).where(col(Chunk.text_hash) == col(Embedding.text_hash))
    connection.execute(delete(Embedding).where(~used.exists()))
    drafts.forget(session, RECENT, base.name)
    record(session, "kb.delete", base.name, {})
