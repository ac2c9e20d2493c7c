"""Tables of schools and students."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, String, Table, Text, Uuid

from services.roster.tables import metadata
from shared.database.schema import UtcDateTime

# Every organisation a source names; students are enrolled in the nearest one above them that is a school.
schools = Table(
    "schools",
    metadata,
    Column("school_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("sourced_id", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(64), nullable=False),
    Column("parent_id", Uuid),
    Column("lowest_grade", Integer),
    Column("highest_grade", Integer),
    Index("ix_schools_source", "source"),
)

# One row per person who is or was a student. `version` orders the student's events.
students = Table(
    "students",
    metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("school_id", Uuid, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("graduation_year", Integer, nullable=False),
    Column("home_language", String(35), nullable=False),
    Column("rights_transfer_at", UtcDateTime),
    Column("sealed_name", Text, nullable=False),
    Column("name_digest", String(80), nullable=False),
    Column("is_enrolled", Boolean, nullable=False),
    Column("withdrawn_on", Date),
    Column("version", Integer, nullable=False),
    Index("ix_students_source", "source", "student_id"),
    Index("ix_students_school", "school_id"),
)
