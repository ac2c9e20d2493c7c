"""Courses, catalogs, requirement sets and conflicts, and the tables every service has."""

import sqlalchemy as sa
from alembic import op

from shared.database.migrations import create_shared_tables_v1, drop_shared_tables_v1
from shared.database.schema import Credits, Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_shared_tables_v1()
    op.create_table(
        "catalog_state",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_state"),
    )
    _create_courses()
    op.create_table(
        "catalogs",
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("school_year", sa.String(9), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("course_count", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(300), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("catalog_id", name="pk_catalogs"),
        sa.UniqueConstraint("school_year", name="uq_catalogs_school_year"),
    )
    _create_requirement_sets()
    op.create_table(
        "conflicts",
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("place", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_conflicts"),
    )


def downgrade() -> None:
    for table in ("conflicts", "requirement_sets", "catalogs", "courses", "catalog_state"):
        op.drop_table(table)
    drop_shared_tables_v1()


def _create_courses() -> None:
    op.create_table(
        "courses",
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("department", sa.String(100), nullable=False),
        sa.Column("credits", Credits(), nullable=False),
        sa.Column("grades", Json, nullable=False),
        sa.Column("grade_bits", sa.Integer(), nullable=False),
        sa.Column("terms", Json, nullable=False),
        sa.Column("prerequisites", Json, nullable=False),
        sa.Column("minimum_grades", Json, nullable=False),
        sa.Column("corequisites", Json, nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("repeatable", sa.Integer(), nullable=False),
        sa.Column("remarks", Json, nullable=False),
        sa.Column("origin", sa.String(300), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("course_id", name="pk_courses"),
        sa.UniqueConstraint("code", name="uq_courses_code"),
    )
    op.create_index("ix_courses_department", "courses", ["department"])


def _create_requirement_sets() -> None:
    op.create_table(
        "requirement_sets",
        sa.Column("requirement_set_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(130), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(120), nullable=False),
        sa.Column("total", Credits(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("requirements", Json, nullable=False),
        sa.Column("remarks", Json, nullable=False),
        sa.Column("course_sizes", Json, nullable=False),
        sa.Column("places", Json, nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("requirement_set_id", name="pk_requirement_sets"),
        sa.UniqueConstraint("key", name="uq_requirement_sets_key"),
    )
