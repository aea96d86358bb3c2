"""A snapshot's index, read from SQL."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from core.locks import FileLock
from core.settings import Settings
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


def index_folder(data: Path, base_id: str) -> Path:
    """Where Chroma keeps what it derives of a large base."""
    return data / "index" / base_id


def drop_index(data: Path, base_id: str) -> None:
    """Leave no vector of what was removed in Chroma's files; a process that owns them does so
    itself when it searches next."""
    folder = index_folder(data, base_id)
    if not folder.exists():
        return
    lock = FileLock(folder / "owner.lock")
    if lock.try_acquire():
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()


def load_index(
    session: Session, base: KnowledgeBase, snapshot: Snapshot, settings: Settings
) -> LoadedIndex:
    """Vectors and terms of every chunk that a snapshot shows; about 1 s for 20,000 chunks.

    Chroma's files follow the newest snapshot; older ones are always scanned.
    """
    newest = snapshot.number == base.snapshot
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
        build_index(
            rows,
            dimensions,
            folder=index_folder(settings.data, base.id) if newest else None,
            chroma_from=settings.chroma_from,
        ),
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
