"""Projections of roster: recipients and students. Names and addresses stay sealed here."""

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, Uuid

from services.notifications.tables import metadata

recipients = Table(
    "recipients",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("kind", String(16), nullable=False),  # student, guardian, staff
    Column("language", String(35), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("sealed_contact", Text),  # null once the person left the roster
    Column("version", Integer, nullable=False),
    Column("removed", Boolean, nullable=False),
)

students = Table(
    "students",
    metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("sealed_name", Text, nullable=False),
    Column("version", Integer, nullable=False),
)
