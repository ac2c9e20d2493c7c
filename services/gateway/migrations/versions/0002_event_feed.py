"""Positions of the event feed. Events logged before get theirs from the worker, in portions."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNPLACED = sa.text("feed_position IS NULL")


def upgrade() -> None:
    op.add_column("event_log", sa.Column("feed_position", sa.BigInteger()))
    op.create_index("ix_event_log_feed", "event_log", ["feed_position"], unique=True)
    op.create_index(
        "ix_event_log_unplaced", "event_log", ["position"], sqlite_where=UNPLACED, postgresql_where=UNPLACED
    )
    head = op.create_table(
        "feed_head",
        sa.Column("feed", sa.String(20), primary_key=True),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(head, [{"feed": "events", "epoch": secrets.token_hex(4), "position": 0, "forgotten": 0}])


def downgrade() -> None:
    op.drop_table("feed_head")
    op.drop_index("ix_event_log_unplaced", "event_log")
    op.drop_index("ix_event_log_feed", "event_log")
    op.drop_column("event_log", "feed_position")
