"""backends and tuning"""

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backends",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", core.types.ExactText(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("base_url", sa.String(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("adapters", sa.JSON(), nullable=False),
        sa.Column("asked_adapters", sa.JSON(), nullable=False),
        sa.Column("used_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("asked_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("seen_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tuning_jobs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=True),
        sa.Column("reason", core.types.ExactText(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("eval_loss", sa.Float(), nullable=True),
        sa.Column("tokens_per_second", sa.Float(), nullable=True),
        sa.Column("peak_memory_gb", sa.Float(), nullable=True),
        sa.Column("checkpoint", sa.String(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("parity", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("proof_run", sa.String(), nullable=True),
        sa.Column("serving", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("backend", sa.String(), nullable=True),
        sa.Column("published_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("started_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("ended_at", core.types.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["proof_run"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_tuning_jobs_created_at", "tuning_jobs", ["created_at"])
    op.create_index("ix_tuning_jobs_status", "tuning_jobs", ["status"])
    op.create_table(
        "tuning_points",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("text", core.types.ExactText(), nullable=True),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["tuning_jobs.id"]),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )
    op.create_index("ix_tuning_points_kind", "tuning_points", ["job_id", "kind", "step"])


def downgrade() -> None:
    with op.batch_alter_table("tuning_points", schema=None) as batch_op:
        batch_op.drop_index("ix_tuning_points_kind")
    op.drop_table("tuning_points")
    with op.batch_alter_table("tuning_jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_tuning_jobs_status")
        batch_op.drop_index("ix_tuning_jobs_created_at")
    op.drop_table("tuning_jobs")
    op.drop_table("backends")
