"""scenes of the playground, and preferences between outputs"""

import sqlalchemy as sa
from alembic import op

import core.types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scenes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("copied_from", sa.String(), nullable=True),
        sa.Column("created_at", core.types.Moment(timezone=True), nullable=False),
        sa.Column("updated_at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_scenes_owner", "scenes", ["owner"])
    op.create_table(
        "output_preferences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=160), nullable=False),
        sa.Column("pair_key", sa.String(length=64), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("output_a", core.types.ExactText(), nullable=False),
        sa.Column("output_b", core.types.ExactText(), nullable=False),
        sa.Column("arm_a", core.types.ExactText(), nullable=False),
        sa.Column("arm_b", core.types.ExactText(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=False),
        sa.Column("preference", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", core.types.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_output_preferences_pair_key", "output_preferences", ["pair_key"])
    op.create_index("ix_output_preferences_place", "output_preferences", ["place"])


def downgrade() -> None:
    with op.batch_alter_table("output_preferences", schema=None) as batch_op:
        batch_op.drop_index("ix_output_preferences_place")
        batch_op.drop_index("ix_output_preferences_pair_key")
    op.drop_table("output_preferences")
    with op.batch_alter_table("scenes", schema=None) as batch_op:
        batch_op.drop_index("ix_scenes_owner")
    op.drop_table("scenes")
