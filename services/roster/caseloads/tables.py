"""Tables of caseloads and of what they come from: classes and caseload files."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, String, Table, Uuid

from services.roster.tables import metadata

# Who is responsible for whom, derived from links, classes and caseload files.
caseloads = Table(
    "caseloads",
    metadata,
    Column("assignment_id", Uuid, primary_key=True),
    Column("staff_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("relation", String(16), nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_caseloads_student", "student_id"),
    Index("ix_caseloads_staff", "staff_id"),
)

caseload_rows = Table(
    "caseload_rows",
    metadata,
    Column("row_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("staff_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("relation", String(16), nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Index("ix_caseload_rows_student", "student_id"),
    Index("ix_caseload_rows_source", "source"),
)

class_memberships = Table(
    "class_memberships",
    metadata,
    Column("membership_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("class_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("role", String(32), nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Index("ix_class_memberships_person", "person_id"),
    Index("ix_class_memberships_class", "class_id", "role"),
    Index("ix_class_memberships_source", "source"),
)
