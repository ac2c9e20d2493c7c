"""Students, courses, requirement sets, plans with their revisions, and the tables every service has."""

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
    _create_students()
    _create_catalog()
    _create_plans()


def downgrade() -> None:
    for table in ("plan_revisions", "plans", "catalog_revision", "requirement_sets", "courses", "students"):
        op.drop_table(table)
    drop_shared_tables_v1()


def _create_students() -> None:
    op.create_table(
        "students",
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("graduation_year", sa.Integer, nullable=False),
        sa.Column("home_language", sa.String(35), nullable=False),
        sa.Column("enrolled", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_students"),
    )


def _create_catalog() -> None:
    op.create_table(
        "courses",
        sa.Column("course_id", sa.Uuid, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("credits", Credits, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("is_retired", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("course_id", name="pk_courses"),
    )
    op.create_index("ix_courses_code", "courses", ["code"])
    op.create_table(
        "requirement_sets",
        sa.Column("requirement_set_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("unit", sa.String(40), nullable=False),
        sa.Column("total", Credits, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("requirements", Json, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("requirement_set_id", name="pk_requirement_sets"),
    )
    op.create_index("ix_requirement_sets_key", "requirement_sets", ["key"])
    counter = op.create_table(
        "catalog_revision",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("requirements_revision", sa.Integer, nullable=False),
        sa.Column("correlation_id", sa.Uuid),
        sa.Column("causation_id", sa.Uuid),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_revision"),
    )
    op.bulk_insert(counter, [{"id": 1, "revision": 0, "requirements_revision": 0}])


def _create_plans() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("courses", Json, nullable=False),
        sa.Column("goal", Json),
        sa.Column("interests", Json, nullable=False),
        sa.Column("requirement_set", sa.String(200)),
        sa.Column("unmet", Json, nullable=False),
        sa.Column("audited_revision", sa.Integer, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plans"),
        sa.UniqueConstraint("student_id", name="uq_plans_student_id"),
    )
    op.create_index("ix_plans_audited_revision", "plans", ["audited_revision"])
    op.create_table(
        "plan_revisions",
        sa.Column("plan_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("actor_role", sa.String(16), nullable=False),
        sa.Column("changes", Json, nullable=False),
        sa.Column("standing", Json, nullable=False),
        sa.Column("courses", Json, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("correlation_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "version", name="pk_plan_revisions"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.plan_id"], name="fk_plan_revisions_plan_id_plans"),
    )
