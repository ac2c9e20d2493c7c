"""AMQP integrators, and what was done to them."""

import sqlalchemy as sa
from alembic import op

from shared.database.schema import Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amqp_integrators",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("integrator_id", sa.Uuid(), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("reads_stream", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("rotated_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "amqp_integrator_changes",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("by_role", sa.String(32), nullable=False),
    )
    op.create_index("ix_amqp_integrator_changes_name", "amqp_integrator_changes", ["name"])


def downgrade() -> None:
    op.drop_table("amqp_integrator_changes")
    op.drop_table("amqp_integrators")
