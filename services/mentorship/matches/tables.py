"""Matches, and what the service remembers of students and their goals to make them."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Uuid

from services.mentorship.tables import metadata
from shared.database.schema import Json, UtcDateTime

# Projection of roster events; newest version wins.
students = Table(
    "students",
    metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("home_language", String(35)),  # unknown when the withdrawal is all that was heard
    Column("grade", Integer),
    Column("is_enrolled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # of the event that last told language and grade; 0 if none has
    Column("enrolled_version", Integer, nullable=False, server_default="0"),
)

# Projection of plan events: the career goal each student has now.
goals = Table(
    "goals",
    metadata,
    Column("student_id", Uuid, primary_key=True),
    Column("cluster", String(200), nullable=False),
    Column("version", Integer, nullable=False),
)

matches = Table(
    "matches",
    metadata,
    Column("match_id", Uuid, primary_key=True),
    Column("student_id", Uuid, nullable=False),
    Column("cluster", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("candidates", Json, nullable=False),  # list of {partner_id, organization, reasons}, best first
    Column("partner_id", Uuid, ForeignKey("partners.partner_id")),  # the one accepted
    Column("opened_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", Uuid),
    Column("end_reason", String(32)),
    Column("version", Integer, nullable=False),  # of the match's events; 0 while nobody fits
    Index("ix_matches_student", "student_id", "opened_at"),
    Index("ix_matches_partner_status", "partner_id", "status"),
    Index("ix_matches_status", "status"),
)
