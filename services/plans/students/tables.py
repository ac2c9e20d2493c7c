"""Students as the roster last said."""

from sqlalchemy import Boolean, Column, Integer, String, Table, Uuid

from services.plans.tables import metadata

students = Table(
    "students",
    metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("grade", Integer, nullable=False),
    Column("graduation_year", Integer, nullable=False),
    Column("home_language", String(35), nullable=False),
    Column("enrolled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # of the event that last told grade, year and language
    Column("enrolled_version", Integer, nullable=False, server_default="0"),
)
