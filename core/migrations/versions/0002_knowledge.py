"""knowledge"""

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sources", sa.JSON(), nullable=True))

    op.create_table(
        "embeddings",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "text_hash"),
    )
    op.create_table(
        "knowledge_bases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("embedder", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("chunker", sa.JSON(), nullable=False),
        sa.Column("cleaning", sa.JSON(), nullable=False),
        sa.Column("retrieval", sa.JSON(), nullable=False),
        sa.Column("snapshot", sa.Integer(), nullable=False),
        sa.Column("oldest_snapshot", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    with op.batch_alter_table("knowledge_bases", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_knowledge_bases_updated_at"), ["updated_at"], unique=False
        )

    op.create_table(
        "access_rules",
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("allowed", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.PrimaryKeyConstraint("base_id", "subject"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("source", core.types.ExactText(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("base_id", "name"),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_documents_base_id"), ["base_id"], unique=False)

    op.create_table(
        "ingests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=True),
        sa.Column("error", core.types.ExactText(), nullable=True),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("embedded", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("snapshot", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("ended_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("ingests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ingests_base_id"), ["base_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ingests_state"), ["state"], unique=False)

    op.create_table(
        "snapshots",
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message", core.types.ExactText(), nullable=False),
        sa.Column("embedder", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("chunker", sa.JSON(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.PrimaryKeyConstraint("base_id", "number"),
    )
    op.create_table(
        "chunk_edits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("originals", sa.JSON(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("chunk_edits", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_chunk_edits_document_id"), ["document_id"], unique=False
        )

    op.create_table(
        "document_versions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("recipe", sa.String(length=64), nullable=False),
        sa.Column("media", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("title", core.types.ExactText(), nullable=False),
        sa.Column("text", core.types.ExactText(), nullable=False),
        sa.Column("raw_text", core.types.ExactText(), nullable=True),
        sa.Column("pages", sa.JSON(), nullable=False),
        sa.Column("raw_pages", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("lost_edits", sa.Integer(), nullable=False),
        sa.Column("added_in", sa.Integer(), nullable=True),
        sa.Column("removed_in", sa.Integer(), nullable=True),
        sa.Column("ingest_id", sa.String(), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("document_versions", schema=None) as batch_op:
        batch_op.create_index("ix_document_versions_base", ["base_id", "removed_in"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_document_versions_document_id"), ["document_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_document_versions_ingest_id"), ["ingest_id"], unique=False
        )

    op.create_table(
        "ingest_items",
        sa.Column("ingest_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", core.types.ExactText(), nullable=False),
        sa.Column("path", core.types.ExactText(), nullable=False),
        sa.Column("source", core.types.ExactText(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", core.types.ExactText(), nullable=True),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ingest_id"],
            ["ingests.id"],
        ),
        sa.PrimaryKeyConstraint("ingest_id", "position"),
    )
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("query", core.types.ExactText(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("relevant", sa.Boolean(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("marks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_marks_base_id"), ["base_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_marks_document_id"), ["document_id"], unique=False)

    op.create_table(
        "chunks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("base_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("headings", sa.JSON(), nullable=False),
        sa.Column("parent_start", sa.Integer(), nullable=True),
        sa.Column("parent_end", sa.Integer(), nullable=True),
        sa.Column("text", core.types.ExactText(), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("edited", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("added_in", sa.Integer(), nullable=True),
        sa.Column("removed_in", sa.Integer(), nullable=True),
        sa.Column("ingest_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["base_id"],
            ["knowledge_bases.id"],
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["document_versions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.create_index("ix_chunks_base", ["base_id", "removed_in"], unique=False)
        batch_op.create_index(batch_op.f("ix_chunks_ingest_id"), ["ingest_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_chunks_text_hash"), ["text_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_chunks_version_id"), ["version_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("chunks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_chunks_version_id"))
        batch_op.drop_index(batch_op.f("ix_chunks_text_hash"))
        batch_op.drop_index(batch_op.f("ix_chunks_ingest_id"))
        batch_op.drop_index("ix_chunks_base")

    op.drop_table("chunks")
    with op.batch_alter_table("marks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_marks_document_id"))
        batch_op.drop_index(batch_op.f("ix_marks_base_id"))

    op.drop_table("marks")
    op.drop_table("ingest_items")
    with op.batch_alter_table("document_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_document_versions_ingest_id"))
        batch_op.drop_index(batch_op.f("ix_document_versions_document_id"))
        batch_op.drop_index("ix_document_versions_base")

    op.drop_table("document_versions")
    with op.batch_alter_table("chunk_edits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_chunk_edits_document_id"))

    op.drop_table("chunk_edits")
    op.drop_table("snapshots")
    with op.batch_alter_table("ingests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ingests_state"))
        batch_op.drop_index(batch_op.f("ix_ingests_base_id"))

    op.drop_table("ingests")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_base_id"))

    op.drop_table("documents")
    op.drop_table("access_rules")
    with op.batch_alter_table("knowledge_bases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_knowledge_bases_updated_at"))

    op.drop_table("knowledge_bases")
    op.drop_table("embeddings")
    with op.batch_alter_table("cells", schema=None) as batch_op:
        batch_op.drop_column("sources")
