"""Tables of knowledge bases: documents, chunks, vectors, snapshots, ingests, marks.

A row of `document_versions` or `chunks` belongs to snapshot `s` iff `added_in <= s` and it was not
removed by then (`removed_in` is null or greater than `s`). Rows of an ingest that is not published
yet have no `added_in`: no snapshot shows them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment


class KnowledgeBase(Base, table=True):
    """Documents with one embedder and one way to cut them; `epoch` grows when rows vanish."""

    __tablename__ = "knowledge_bases"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    description: str = ""
    embedder: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    fingerprint: str = Field(description="of the embedder that made the vectors")
    chunker: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    cleaning: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    retrieval: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    snapshot: int = 0
    oldest_snapshot: int = 0
    epoch: int = 0
    restricted: bool = Field(default=False, description="only who has an access rule may search")
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class Document(Base, table=True):
    """A named document of a base; its text lives in its versions."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("base_id", "name"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    base_id: str = Field(foreign_key="knowledge_bases.id", index=True)
    name: str = Field(max_length=1024)
    meta: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    source: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class DocumentVersion(Base, table=True):
    """What a document said: cleaned `text`, and `raw_text` before cleaning where they differ.

    `recipe` covers the cleaning and cutting that made the chunks, so that the same bytes are
    worked on again only when it changes.
    """

    __tablename__ = "document_versions"
    __table_args__ = (Index("ix_document_versions_base", "base_id", "removed_in"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    base_id: str = Field(foreign_key="knowledge_bases.id")
    document_id: str = Field(foreign_key="documents.id", index=True)
    content_hash: str = Field(max_length=64)
    recipe: str = Field(max_length=64)
    media: str
    size: int
    title: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    text: str = Field(sa_column=Column(ExactText, nullable=False))
    raw_text: str | None = Field(default=None, sa_column=Column(ExactText))
    pages: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    raw_pages: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    notes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    chunks: int = 0
    lost_edits: int = Field(default=0, description="edits whose passage is no longer there")
    added_in: int | None = None
    removed_in: int | None = None
    ingest_id: str | None = Field(default=None, index=True)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Chunk(Base, table=True):
    """A passage that is found; `start` and `end` are its place in the version's text.

    `text_hash` names what was embedded: title, headings and text. `origin_hash` is the hash of
    the passage as it was cut, which an edit of the chunk is bound to.
    """

    __tablename__ = "chunks"
    __table_args__ = (Index("ix_chunks_base", "base_id", "removed_in"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    base_id: str = Field(foreign_key="knowledge_bases.id")
    document_id: str = Field(foreign_key="documents.id")
    version_id: str = Field(foreign_key="document_versions.id", index=True)
    position: int
    start: int
    end: int
    page: int | None = None
    headings: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    parent_start: int | None = None
    parent_end: int | None = None
    text: str = Field(sa_column=Column(ExactText, nullable=False))
    text_hash: str = Field(max_length=64, index=True)
    origins: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    edited: bool = False
    enabled: bool = True
    terms: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    added_in: int | None = None
    removed_in: int | None = None
    ingest_id: str | None = Field(default=None, index=True)


class Embedding(Base, table=True):
    """A vector by what was embedded and by which embedder: float32, little-endian, length 1."""

    __tablename__ = "embeddings"
    fingerprint: str = Field(primary_key=True)
    text_hash: str = Field(primary_key=True, max_length=64)
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Snapshot(Base, table=True):
    """One state of a base; its settings are those its chunks and vectors were made with."""

    __tablename__ = "snapshots"
    base_id: str = Field(foreign_key="knowledge_bases.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    message: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    embedder: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    fingerprint: str
    chunker: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    documents: int = 0
    chunks: int = 0
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Ingest(Base, table=True):
    """A job that adds documents or cuts and embeds those there are anew."""

    __tablename__ = "ingests"
    id: str = Field(default_factory=new_id, primary_key=True)
    base_id: str = Field(foreign_key="knowledge_bases.id", index=True)
    kind: str = Field(description="add or reindex")
    form: str = Field(default="auto", description="auto or beir")
    state: str = Field(default="queued", index=True)
    wanted: str | None = Field(default=None, description="cancel, asked of the owner")
    error: str | None = Field(default=None, sa_column=Column(ExactText))
    meta: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    settings: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column(JSON, nullable=False),
        description="what a reindex changes; the parser of what is added",
    )
    total: int = 0
    done: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    seconds: float = 0
    snapshot: int | None = None
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class IngestItem(Base, table=True):
    """A file of an ingest, or a member of an archive that was refused."""

    __tablename__ = "ingest_items"
    ingest_id: str = Field(foreign_key="ingests.id", primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(sa_column=Column(ExactText, nullable=False))
    path: str = Field(sa_column=Column(ExactText, nullable=False), description="where it is read")
    source: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    state: str = Field(default="queued", description="queued, done, unchanged, failed, vanished")
    reason: str | None = Field(default=None, sa_column=Column(ExactText))
    documents: int = 0
    chunks: int = 0


class ChunkEdit(Base, table=True):
    """A person's change to consecutive passages: their hashes as cut, and what stands instead."""

    __tablename__ = "chunk_edits"
    id: int | None = Field(default=None, primary_key=True)
    document_id: str = Field(foreign_key="documents.id", index=True)
    originals: list[str] = Field(sa_column=Column(JSON, nullable=False))
    texts: list[str] = Field(sa_column=Column(JSON, nullable=False))
    active: bool = True
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class AccessRule(Base, table=True):
    """What a person or key may find in a base: `allowed` values by metadata name, all must hold."""

    __tablename__ = "access_rules"
    base_id: str = Field(foreign_key="knowledge_bases.id", primary_key=True)
    subject: str = Field(primary_key=True, description="user:NAME or key:ID")
    allowed: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Mark(Base, table=True):
    """A person's judgement that a passage answers a query, or not; the newest counts."""

    __tablename__ = "marks"
    id: int | None = Field(default=None, primary_key=True)
    base_id: str = Field(foreign_key="knowledge_bases.id", index=True)
    query: str = Field(sa_column=Column(ExactText, nullable=False))
    document_id: str = Field(foreign_key="documents.id", index=True)
    start: int
    end: int
    relevant: bool | None = Field(default=None, description="null takes it back")
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)
