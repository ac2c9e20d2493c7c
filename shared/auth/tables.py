"""The relationship projection and the disclosure log: the same tables in every service's database."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, MetaData, String, Table, Uuid

from shared.database.schema import NAMING, Json, UtcDateTime

access_metadata = MetaData(naming_convention=NAMING)

# One row per person, student and kind of relation; kept from roster events. Each part has the version of the event
# that last spoke of it, 0 if none has (shared/auth/projection.py).
relationships = Table(
    "relationships",
    access_metadata,
    Column("relationship_id", Uuid, primary_key=True),
    Column("person_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("kind", String(32), nullable=False),  # self, guardian_of, counselor_of, case_manager_of, teacher_of
    Column("rights", Json, nullable=False),  # of a guardian: subset of plan.read, plan.sign, notices
    Column("barred", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Column("dates_version", Integer, nullable=False),
    Column("rights_version", Integer, nullable=False),
    Column("ended_version", Integer, nullable=False),
    Index("ix_relationships_person", "person_id", "student_id"),
    Index("ix_relationships_student", "student_id"),
)

# What the decision must know of a student: when rights pass, and whether the student is enrolled.
access_students = Table(
    "access_students",
    access_metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("rights_transfer_at", UtcDateTime),
    Column("enrolled", Boolean, nullable=False),
    Column("transfer_version", Integer, nullable=False),
    Column("enrolled_version", Integer, nullable=False),
)

# Reads of a student's record by somebody outside the school's staff and the family (ACCESS: disclosure).
disclosure_log = Table(
    "disclosure_log",
    access_metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("role", String(32), nullable=False),
    Column("student_id", Uuid, nullable=False, index=True),
    Column("resource", String(64), nullable=False),
    Column("reason", String(200)),
)
