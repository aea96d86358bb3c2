"""what a version of a prompt includes"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prompt_includes",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=400), nullable=False),
        sa.Column("snippet_id", sa.Integer(), nullable=False),
        sa.Column("pinned", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["snippet_id"], ["prompts.id"]),
        sa.ForeignKeyConstraint(["version_id"], ["prompt_versions.id"]),
        sa.PrimaryKeyConstraint("version_id", "ref"),
    )
    op.create_index("ix_prompt_includes_snippet_id", "prompt_includes", ["snippet_id"])


def downgrade() -> None:
    with op.batch_alter_table("prompt_includes", schema=None) as batch_op:
        batch_op.drop_index("ix_prompt_includes_snippet_id")
    op.drop_table("prompt_includes")
