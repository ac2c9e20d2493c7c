"""Partners, relationship files, matches, and the tables every service has."""

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
    _create_partners()
    _create_relationship_files()
    _create_matches()


def downgrade() -> None:
    for table in ("matches", "goals", "students", "relationship_entries", "relationship_files", "partners"):
        op.drop_table(table)
    drop_shared_tables_v1()


def _create_partners() -> None:
    op.create_table(
        "partners",
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("partner_key", sa.String(100), nullable=False),
        sa.Column("organization", sa.String(200), nullable=False),
        sa.Column("sealed_contact", sa.Text, nullable=False),
        sa.Column("clusters", Json, nullable=False),
        sa.Column("languages", Json, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("partner_id", name="pk_partners"),
        sa.UniqueConstraint("partner_key", name="uq_partners_partner_key"),
    )


def _create_relationship_files() -> None:
    op.create_table(
        "relationship_files",
        sa.Column("relationship_file_id", sa.Uuid, nullable=False),
        sa.Column("partner_id", sa.Uuid, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("relationship_file_id", name="pk_relationship_files"),
        sa.UniqueConstraint("partner_id", name="uq_relationship_files_partner_id"),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.partner_id"], name="fk_relationship_files_partner_id_partners"
        ),
    )
    op.create_table(
        "relationship_entries",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("relationship_file_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("by", sa.Uuid),
        sa.Column("student_id", sa.Uuid),
        sa.Column("facts", Json, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_relationship_entries"),
        sa.UniqueConstraint("entry_id", name="uq_relationship_entries_entry_id"),
        sa.ForeignKeyConstraint(
            ["relationship_file_id"],
            ["relationship_files.relationship_file_id"],
            name="fk_relationship_entries_relationship_file_id_relationship_files",
        ),
    )
    op.create_index("ix_relationship_entries_file", "relationship_entries", ["relationship_file_id", "position"])


def _create_matches() -> None:
    op.create_table(
        "students",
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("home_language", sa.String(35)),
        sa.Column("grade", sa.Integer),
        sa.Column("is_enrolled", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_students"),
    )
    op.create_table(
        "goals",
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("cluster", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_goals"),
    )
    op.create_table(
        "matches",
        sa.Column("match_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("cluster", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("candidates", Json, nullable=False),
        sa.Column("partner_id", sa.Uuid),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("match_id", name="pk_matches"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.partner_id"], name="fk_matches_partner_id_partners"),
    )
    op.create_index("ix_matches_student", "matches", ["student_id", "opened_at"])
    op.create_index("ix_matches_partner_status", "matches", ["partner_id", "status"])
    op.create_index("ix_matches_status", "matches", ["status"])
