"""Judgements of hits: marked while one searches, they become queries with relevant passages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from core.audit import actor_of
from core.errors import NotFound
from rag.models import Chunk, Document, KnowledgeBase, Mark


class Marked(NamedTuple):
    """The judgement that counts of a passage for a query."""

    query: str
    document_id: str
    document: str
    start: int
    end: int
    relevant: bool


def mark(
    session: Session, base: KnowledgeBase, query: str, chunk_id: str, relevant: bool | None
) -> None:
    """Say that a chunk answers a query or not; None takes it back. Raises NotFound."""
    chunk = session.get(Chunk, chunk_id)
    if chunk is None or chunk.base_id != base.id:
        raise NotFound("The chunk is no longer there. Search again, then mark it.")
    session.add(
        Mark(
            base_id=base.id,
            query=query.strip(),
            document_id=chunk.document_id,
            start=chunk.start,
            end=chunk.end,
            relevant=relevant,
            actor=actor_of(session),
        )
    )
    session.flush()


def marks(session: Session, base_id: str, query: str | None = None) -> list[Marked]:
    """What counts: of each query and passage the newest judgement, in the order of queries."""
    statement = (
        select(Mark, Document.name)
        .join(Document, col(Document.id) == col(Mark.document_id))
        .where(Mark.base_id == base_id)
        .order_by(col(Mark.id))
    )
    if query is not None:
        statement = statement.where(Mark.query == query.strip())
    newest: dict[tuple[str, str, int, int], Marked] = {}
    for row, name in session.exec(statement):
        key = (row.query, row.document_id, row.start, row.end)
        newest.pop(key, None)
        if row.relevant is not None:
            newest[key] = Marked(row.query, row.document_id, name, row.start, row.end, row.relevant)
    return sorted(newest.values(), key=lambda one: one.query)


def as_test_set(found: Sequence[Marked]) -> Mapping[str, Mapping[str, float]]:
    """Relevance by query and document name: a document counts by its best passage."""
    judged: dict[str, dict[str, float]] = {}
    for one in found:
        gains = judged.setdefault(one.query, {})
        gains[one.document] = max(gains.get(one.document, 0.0), float(one.relevant))
    return judged
