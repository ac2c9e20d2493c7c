"""The event log, and the tables every service has."""

import sqlalchemy as sa
from alembic import op

from shared.database.migrations import create_shared_tables_v1, drop_shared_tables_v1
from shared.database.schema import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_shared_tables_v1()
    op.create_table(
        "event_log",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("subject_version", sa.Integer(), nullable=False),
        sa.Column("time", UtcDateTime(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("student_id", sa.Uuid()),
        sa.Column("addressee_id", sa.Uuid()),
        sa.Column("event", Json, nullable=False),
        sa.UniqueConstraint("event_id", name="uq_event_log_event_id"),
    )
    op.create_index("ix_event_log_correlation", "event_log", ["correlation_id", "position"])
    op.create_index("ix_event_log_student", "event_log", ["student_id", "type"])


def downgrade() -> None:
    op.drop_index("ix_event_log_student", "event_log")
    op.drop_index("ix_event_log_correlation", "event_log")
    op.drop_table("event_log")
    drop_shared_tables_v1()
