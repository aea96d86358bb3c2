"""serving"""

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_states",
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("alert", sa.String(length=64), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "alert"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("apps", sa.JSON(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("rpm", sa.Integer(), nullable=True),
        sa.Column("tpm", sa.Integer(), nullable=True),
        sa.Column("streams", sa.Integer(), nullable=True),
        sa.Column("budget_day", core.types.Money(length=64), nullable=True),
        sa.Column("expires_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("revoked_at", core.types.Moment(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("last_used_at", core.types.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "apps",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", core.types.ExactText(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("operations", sa.JSON(), nullable=False),
        sa.Column("origin", sa.JSON(), nullable=True),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    with op.batch_alter_table("apps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_apps_updated_at"), ["updated_at"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "owner", "id"),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_conversations_updated_at"), ["updated_at"], unique=False
        )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("rating", sa.String(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("comment", core.types.ExactText(), nullable=False),
        sa.Column("correction", core.types.ExactText(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feedback_app_id"), ["app_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_feedback_trace_id"), ["trace_id"], unique=False)
    op.create_table(
        "idempotent_calls",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("token", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("media", sa.String(), nullable=True),
        sa.Column("body", core.types.ExactText(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "token"),
    )
    with op.batch_alter_table("idempotent_calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotent_calls_at"), ["at"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("correction", core.types.ExactText(), nullable=True),
        sa.Column("dataset", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("trace_id"),
    )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reviews_app_id"), ["app_id"], unique=False)
    op.create_table(
        "serving_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "trace_contents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("output", core.types.ExactText(), nullable=False),
        sa.Column("tool_calls", sa.JSON(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "traces",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("alias", sa.String(), nullable=True),
        sa.Column("canary", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("conversation", sa.String(), nullable=True),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.Column("ttft_ms", sa.Float(), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cost", core.types.Money(length=64), nullable=True),
        sa.Column("error", core.types.ExactText(), nullable=True),
        sa.Column("error_kind", sa.String(), nullable=True),
        sa.Column("preview", core.types.ExactText(), nullable=False),
        sa.Column("rating", sa.String(), nullable=True),
        sa.Column("judged", sa.String(), nullable=True),
        sa.Column("review", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("traces", schema=None) as batch_op:
        batch_op.create_index("ix_traces_app_at", ["app_id", "at"], unique=False)
        batch_op.create_index("ix_traces_at", ["at"], unique=False)
        batch_op.create_index("ix_traces_rating", ["app_id", "rating", "at"], unique=False)
        batch_op.create_index("ix_traces_release", ["app_id", "release", "at"], unique=False)
        batch_op.create_index(
            "ix_traces_review",
            ["review", "at"],
            unique=False,
            sqlite_where=sa.text("review IS NOT NULL"),
            postgresql_where=sa.text("review IS NOT NULL"),
        )
    op.create_table(
        "app_alias_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_release", sa.Integer(), nullable=True),
        sa.Column("to_release", sa.Integer(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("reason", core.types.ExactText(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"],
            ["apps.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("app_alias_moves", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_app_alias_moves_app_id"), ["app_id"], unique=False)
    op.create_table(
        "app_aliases",
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=True),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("canary_since", core.types.Moment(timezone=True), nullable=True),
        sa.Column("canary_move", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"],
            ["apps.id"],
        ),
        sa.PrimaryKeyConstraint("app_id", "name"),
    )
    op.create_table(
        "app_releases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("message", core.types.ExactText(), nullable=False),
        sa.Column("imported_from", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"],
            ["apps.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("app_id", "number"),
    )
    with op.batch_alter_table("app_releases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_app_releases_app_id"), ["app_id"], unique=False)
    op.create_table(
        "judgements",
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("reason", core.types.ExactText(), nullable=False),
        sa.Column("cost", core.types.Money(length=64), nullable=True),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("trace_id"),
    )
    with op.batch_alter_table("judgements", schema=None) as batch_op:
        batch_op.create_index("ix_judgements_app", ["app_id", "at"], unique=False)

    op.create_table(
        "key_uses",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("meter", sa.String(length=16), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("key_id", "meter", "window"),
    )
    op.create_table(
        "stream_leases",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("process", sa.String(length=26), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("until", core.types.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
        ),
        sa.PrimaryKeyConstraint("key_id", "process"),
    )


def downgrade() -> None:
    with op.batch_alter_table("judgements", schema=None) as batch_op:
        batch_op.drop_index("ix_judgements_app")

    op.drop_table("judgements")
    op.drop_table("stream_leases")
    op.drop_table("key_uses")
    with op.batch_alter_table("app_releases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_releases_app_id"))
    op.drop_table("app_releases")
    op.drop_table("app_aliases")
    with op.batch_alter_table("app_alias_moves", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_alias_moves_app_id"))
    op.drop_table("app_alias_moves")
    with op.batch_alter_table("traces", schema=None) as batch_op:
        batch_op.drop_index("ix_traces_review")
        batch_op.drop_index("ix_traces_release")
        batch_op.drop_index("ix_traces_rating")
        batch_op.drop_index("ix_traces_at")
        batch_op.drop_index("ix_traces_app_at")
    op.drop_table("traces")
    op.drop_table("trace_contents")
    op.drop_table("serving_version")
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reviews_app_id"))
    op.drop_table("reviews")
    with op.batch_alter_table("idempotent_calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotent_calls_at"))
    op.drop_table("idempotent_calls")
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feedback_trace_id"))
        batch_op.drop_index(batch_op.f("ix_feedback_app_id"))
    op.drop_table("feedback")
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversations_updated_at"))
    op.drop_table("conversations")
    with op.batch_alter_table("apps", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_apps_updated_at"))
    op.drop_table("apps")
    op.drop_table("api_keys")
    op.drop_table("alert_states")
