"""Schools, students, people, guardianships with court orders, caseloads, imports, and the tables every service has."""

import sqlalchemy as sa
from alembic import op

from shared.database.migrations import create_shared_tables_v1, drop_shared_tables_v1
from shared.database.schema import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "schools",
    "students",
    "people",
    "person_roles",
    "birth_dates",
    "agent_links",
    "guardianships",
    "court_orders",
    "caseloads",
    "caseload_rows",
    "class_memberships",
    "roster_imports",
    "roster_sources",
)


def upgrade() -> None:
    create_shared_tables_v1()
    _create_schools_and_students()
    _create_people()
    _create_guardianships()
    _create_caseloads()
    _create_imports()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    drop_shared_tables_v1()


def _create_schools_and_students() -> None:
    op.create_table(
        "schools",
        sa.Column("school_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("sourced_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("lowest_grade", sa.Integer),
        sa.Column("highest_grade", sa.Integer),
        sa.PrimaryKeyConstraint("school_id", name="pk_schools"),
    )
    op.create_index("ix_schools_source", "schools", ["source"])
    op.create_table(
        "students",
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("school_id", sa.Uuid, nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("graduation_year", sa.Integer, nullable=False),
        sa.Column("home_language", sa.String(35), nullable=False),
        sa.Column("rights_transfer_at", UtcDateTime),
        sa.Column("sealed_name", sa.Text, nullable=False),
        sa.Column("name_digest", sa.String(80), nullable=False),
        sa.Column("is_enrolled", sa.Boolean, nullable=False),
        sa.Column("withdrawn_on", sa.Date),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_students"),
    )
    op.create_index("ix_students_school", "students", ["school_id"])
    op.create_index("ix_students_source", "students", ["source", "student_id"])


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("sourced_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16)),
        sa.Column("sealed_contact", sa.Text, nullable=False),
        sa.Column("sealed_name", sa.Text, nullable=False),
        sa.Column("name_digest", sa.String(80), nullable=False),
        sa.Column("contact_digest", sa.String(80), nullable=False),
        sa.Column("announced", sa.String(120)),
        sa.Column("language", sa.String(35)),
        sa.Column("grade", sa.Integer),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("edited_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_people"),
    )
    op.create_index("ix_people_source", "people", ["source", "person_id"])
    op.create_index("ix_people_sourced_id", "people", ["sourced_id"])
    op.create_table(
        "person_roles",
        sa.Column("role_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("relation", sa.String(64), nullable=False),
        sa.Column("is_primary", sa.Boolean, nullable=False),
        sa.Column("school_id", sa.Uuid),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.Column("grade", sa.Integer),
        sa.PrimaryKeyConstraint("role_id", name="pk_person_roles"),
    )
    op.create_index("ix_person_roles_person", "person_roles", ["person_id"])
    op.create_index("ix_person_roles_source", "person_roles", ["source"])
    op.create_table(
        "birth_dates",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("born_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_birth_dates"),
    )
    op.create_index("ix_birth_dates_source", "birth_dates", ["source"])


def _create_guardianships() -> None:
    op.create_table(
        "agent_links",
        sa.Column("link_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("other_id", sa.Uuid, nullable=False),
        sa.Column("relation", sa.String(64)),
        sa.PrimaryKeyConstraint("link_id", name="pk_agent_links"),
    )
    op.create_index("ix_agent_links_other", "agent_links", ["other_id"])
    op.create_index("ix_agent_links_owner", "agent_links", ["owner_id"])
    op.create_index("ix_agent_links_source", "agent_links", ["source"])
    op.create_table(
        "guardianships",
        sa.Column("guardianship_id", sa.Uuid, nullable=False),
        sa.Column("guardian_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("relation", sa.String(64), nullable=False),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.Column("barred", sa.Boolean, nullable=False),
        sa.Column("rights", Json, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("guardianship_id", name="pk_guardianships"),
    )
    op.create_index("ix_guardianships_guardian", "guardianships", ["guardian_id"])
    op.create_index("ix_guardianships_student", "guardianships", ["student_id"])
    op.create_table(
        "court_orders",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("guardianship_id", sa.Uuid, nullable=False),
        sa.Column("guardian_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("document_reference", sa.String(200), nullable=False),
        sa.Column("barred", sa.Boolean, nullable=False),
        sa.Column("rights", Json, nullable=False),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("filed_by", sa.Uuid, nullable=False),
        sa.Column("filed_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_by", sa.Uuid),
        sa.Column("confirmed_at", UtcDateTime),
        sa.Column("lift_reference", sa.Text),
        sa.Column("lift_asked_by", sa.Uuid),
        sa.Column("lift_asked_at", UtcDateTime),
        sa.Column("lifted_by", sa.Uuid),
        sa.Column("lifted_at", UtcDateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_court_orders"),
    )
    op.create_index("ix_court_orders_guardianship", "court_orders", ["guardianship_id"])
    op.create_index("ix_court_orders_student", "court_orders", ["student_id"])


def _create_caseloads() -> None:
    op.create_table(
        "caseloads",
        sa.Column("assignment_id", sa.Uuid, nullable=False),
        sa.Column("staff_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("relation", sa.String(16), nullable=False),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("assignment_id", name="pk_caseloads"),
    )
    op.create_index("ix_caseloads_staff", "caseloads", ["staff_id"])
    op.create_index("ix_caseloads_student", "caseloads", ["student_id"])
    op.create_table(
        "caseload_rows",
        sa.Column("row_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("staff_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("relation", sa.String(16), nullable=False),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.PrimaryKeyConstraint("row_id", name="pk_caseload_rows"),
    )
    op.create_index("ix_caseload_rows_source", "caseload_rows", ["source"])
    op.create_index("ix_caseload_rows_student", "caseload_rows", ["student_id"])
    op.create_table(
        "class_memberships",
        sa.Column("membership_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("class_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("begins_on", sa.Date),
        sa.Column("ends_on", sa.Date),
        sa.PrimaryKeyConstraint("membership_id", name="pk_class_memberships"),
    )
    op.create_index("ix_class_memberships_class", "class_memberships", ["class_id", "role"])
    op.create_index("ix_class_memberships_person", "class_memberships", ["person_id"])
    op.create_index("ix_class_memberships_source", "class_memberships", ["source"])


def _create_imports() -> None:
    op.create_table(
        "roster_imports",
        sa.Column("import_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("school_year", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("report", Json, nullable=False),
        sa.Column("sealed_content", sa.Text),
        sa.Column("imported_at", UtcDateTime, nullable=False),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("decided_at", UtcDateTime),
        sa.PrimaryKeyConstraint("import_id", name="pk_roster_imports"),
    )
    op.create_index("ix_roster_imports_state", "roster_imports", ["state", "imported_at"])
    op.create_table(
        "roster_sources",
        sa.Column("source", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_roster_sources"),
    )
