"""Snapshots: every change of a base is a new number, and an old number shows what was there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, or_, update
from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Invalid, NotFound
from rag.models import Chunk, Document, DocumentVersion, KnowledgeBase, Snapshot


def visible(table: type[Chunk] | type[DocumentVersion], snapshot: int) -> ColumnElement[bool]:
    """The rows that belong to a snapshot."""
    return and_(
        col(table.added_in) <= snapshot,
        or_(col(table.removed_in).is_(None), col(table.removed_in) > snapshot),
    )


def get_snapshot(session: Session, base: KnowledgeBase, number: int | None = None) -> Snapshot:
    """One snapshot, the newest without a number; raises NotFound for one removed or to come."""
    number = base.snapshot if number is None else number
    found = session.get(Snapshot, (base.id, number))
    if found is None:
        raise NotFound(
            f"{base.name} has no snapshot {number}. `promptstone kb show {base.name}` lists "
            f"{base.oldest_snapshot} to {base.snapshot}.",
            param="snapshot",
        )
    return found


def list_snapshots(session: Session, base_id: str) -> list[Snapshot]:
    """Newest first."""
    query = select(Snapshot).where(Snapshot.base_id == base_id)
    return list(session.exec(query.order_by(col(Snapshot.number).desc())))


def publish(session: Session, base: KnowledgeBase, message: str) -> Snapshot:
    """Count what is visible in the base's next number and make it the newest.

    The caller holds the base's row and has given its rows `base.snapshot + 1`.
    """
    base.snapshot += 1
    base.updated_at = utcnow()
    snapshot = Snapshot(
        base_id=base.id,
        number=base.snapshot,
        message=message,
        embedder=base.embedder,
        fingerprint=base.fingerprint,
        chunker=base.chunker,
        documents=_count(session, DocumentVersion, base),
        chunks=_count(session, Chunk, base),
        actor=actor_of(session),
    )
    session.add(base)
    session.add(snapshot)
    session.flush()
    return snapshot


def _count(
    session: Session, table: type[Chunk] | type[DocumentVersion], base: KnowledgeBase
) -> int:
    query = select(func.count()).select_from(table).where(table.base_id == base.id)
    query = query.where(visible(table, base.snapshot))
    if table is Chunk:
        query = query.where(col(Chunk.enabled).is_(True))
    return session.exec(query).one()


def name_snapshot(session: Session, base: KnowledgeBase, message: str) -> Snapshot:
    """Give the newest snapshot a message; a state needs no second number."""
    snapshot = get_snapshot(session, base)
    snapshot.message = message
    session.add(snapshot)
    record(session, "kb.snapshot", f"{base.name}@{snapshot.number}", {"message": message})
    session.flush()
    return snapshot


class DocumentChange(NamedTuple):
    """A document that two snapshots show differently; `change` is added, removed or changed."""

    name: str
    change: str
    chunks_before: int
    chunks_after: int


def diff(session: Session, base: KnowledgeBase, old: int, new: int) -> list[DocumentChange]:
    """What changed between two snapshots, by document name."""
    get_snapshot(session, base, old)
    get_snapshot(session, base, new)
    before, after = _state(session, base.id, old), _state(session, base.id, new)
    changes: list[DocumentChange] = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        change = "added" if was is None else "removed" if now is None else "changed"
        changes.append(DocumentChange(name, change, _size(was), _size(now)))
    return changes


def _size(state: Sequence[Any] | None) -> int:
    return len(state) if state else 0


def _state(session: Session, base_id: str, snapshot: int) -> dict[str, tuple[str, ...]]:
    """The chunks of every document, by document name."""
    query = (
        select(col(Document.name), col(Chunk.id))
        .join(Chunk, col(Chunk.document_id) == col(Document.id))
        .where(Chunk.base_id == base_id, visible(Chunk, snapshot), col(Chunk.enabled).is_(True))
        .order_by(col(Document.name), col(Chunk.position))
    )
    found: dict[str, list[str]] = {}
    for name, chunk in session.exec(query):
        found.setdefault(name, []).append(chunk)
    return {name: tuple(chunks) for name, chunks in found.items()}


class Dropped(NamedTuple):
    """What removing old snapshots freed."""

    snapshots: int
    chunks: int


def drop_before(session: Session, base: KnowledgeBase, oldest: int) -> Dropped:
    """Remove the snapshots below `oldest` and the rows that only they showed."""
    if not base.oldest_snapshot <= oldest <= base.snapshot:
        raise Invalid(
            f"{base.name} has the snapshots {base.oldest_snapshot} to {base.snapshot}. "
            "Name one of them as the oldest to keep.",
            param="snapshot",
        )
    connection = session.connection()
    gone = delete(Snapshot).where(col(Snapshot.base_id) == base.id, col(Snapshot.number) < oldest)
    snapshots = connection.execute(gone).rowcount
    chunks = connection.execute(_removed(Chunk, base.id, oldest)).rowcount
    connection.execute(_removed(DocumentVersion, base.id, oldest))
    base.oldest_snapshot, base.updated_at = oldest, utcnow()
    session.add(base)
    record(session, "kb.snapshots.drop", base.name, {"oldest": oldest})
    session.flush()
    return Dropped(snapshots, chunks)


def _removed(table: type[Chunk] | type[DocumentVersion], base_id: str, oldest: int) -> Any:
    return delete(table).where(col(table.base_id) == base_id, col(table.removed_in) <= oldest)


def stage_away(session: Session, base: KnowledgeBase, document_ids: Sequence[str]) -> None:
    """Let the next snapshot no longer show these documents' present versions and chunks."""
    for table in (Chunk, DocumentVersion):
        statement = update(table).where(
            col(table.base_id) == base.id,
            col(table.document_id).in_(document_ids),
            col(table.added_in).is_not(None),
            col(table.removed_in).is_(None),
        )
        session.connection().execute(statement.values(removed_in=base.snapshot + 1))
