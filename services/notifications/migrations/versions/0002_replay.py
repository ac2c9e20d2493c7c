"""Events kept for projections, replays to one consumer group, and what tells a redelivery from a reused id."""

from shared.database.migrations import add_replay_tables_v2, drop_replay_tables_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_replay_tables_v2()


def downgrade() -> None:
    drop_replay_tables_v2()
