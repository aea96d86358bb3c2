"""A snapshot's index, read from SQL."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from rag.chroma_shared import Place
from rag.index import BaseIndex, IndexRow, build_index
from rag.meta_index import MetaIndex
from rag.models import Chunk, Document, Embedding, KnowledgeBase, Snapshot
from rag.snapshots import visible


class IndexKey(NamedTuple):
    """What an index in memory was made from; a base that moved on has another key."""

    base_id: str
    snapshot: int
    epoch: int


class LoadedIndex(NamedTuple):
    """An index with the metadata that filters need, by the position of each document."""

    key: IndexKey
    chunks: BaseIndex
    document_ids: tuple[str, ...]
    names: tuple[str, ...]
    metas: MetaIndex


def index_key(base: KnowledgeBase, snapshot: int) -> IndexKey:
    """The key of an index that is up to date."""
    return IndexKey(base.id, snapshot, base.epoch)


def load_index(
    session: Session,
    base: KnowledgeBase,
    snapshot: Snapshot,
    home: Path | Place | None,
    chroma_from: int,
) -> LoadedIndex:
    """Vectors and terms of every chunk that a snapshot shows; about 1 s for 20,000 chunks."""
    connection = session.connection()
    documents = connection.execute(
        select(col(Document.id), col(Document.name), col(Document.meta))
        .where(col(Document.base_id) == base.id)
        .order_by(col(Document.name))
    ).all()
    places = {row[0]: place for place, row in enumerate(documents)}
    rows = _rows(session, base, snapshot, places)
    dimensions = len(rows[0].vector) // 4 if rows else 1
    return LoadedIndex(
        index_key(base, snapshot.number),
        build_index(rows, dimensions, home=home, chroma_from=chroma_from),
        tuple(row[0] for row in documents),
        tuple(row[1] for row in documents),
        MetaIndex([row[2] for row in documents]),
    )


def _rows(
    session: Session, base: KnowledgeBase, snapshot: Snapshot, places: Mapping[str, int]
) -> list[IndexRow]:
    query = (
        select(
            col(Chunk.id),
            col(Chunk.document_id),
            col(Embedding.vector),
            col(Chunk.terms),
            col(Chunk.version_id),
            col(Chunk.parent_start),
        )
        .join(
            Embedding,
            (col(Embedding.text_hash) == col(Chunk.text_hash))
            & (col(Embedding.fingerprint) == snapshot.fingerprint),
        )
        .where(
            col(Chunk.base_id) == base.id,
            visible(Chunk, snapshot.number),
            col(Chunk.enabled).is_(True),
        )
        .order_by(col(Chunk.document_id), col(Chunk.position))
    )
    parents: dict[tuple[str, int], int] = {}
    rows: list[IndexRow] = []
    for chunk, document, vector, terms, version, start in session.connection().execute(query):
        parent = None if start is None else parents.setdefault((version, start), len(parents))
        rows.append(IndexRow(chunk, places[document], vector, terms, parent))
    # Equal scores stand in this order, which two builds of the same files share.
    return sorted(rows, key=lambda row: row.document)
