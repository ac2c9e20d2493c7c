"""Events kept for projections, replays to one consumer group, and what tells a redelivery from a reused id; versions
of what a withdrawal and a retirement tell alone."""

import sqlalchemy as sa
from alembic import op

from shared.database.migrations import add_replay_tables_v2, drop_replay_tables_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_replay_tables_v2()
    op.add_column("students", sa.Column("enrolled_version", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE students SET enrolled_version = version")
    op.add_column("courses", sa.Column("retired_version", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE courses SET retired_version = version")


def downgrade() -> None:
    op.drop_column("students", "enrolled_version")
    op.drop_column("courses", "retired_version")
    drop_replay_tables_v2()
