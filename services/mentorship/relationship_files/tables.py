"""Relationship files and the entries of their timelines."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Uuid

from services.mentorship.tables import metadata
from shared.database.schema import Json, UtcDateTime

relationship_files = Table(
    "relationship_files",
    metadata,
    Column("relationship_file_id", Uuid, primary_key=True),
    Column("partner_id", Uuid, ForeignKey("partners.partner_id"), nullable=False, unique=True),
    Column("opened_at", UtcDateTime, nullable=False),
)

relationship_entries = Table(
    "relationship_entries",
    metadata,
    # Entries of one transaction share their instant; the position keeps the order in which they were written.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("entry_id", Uuid, nullable=False, unique=True),
    Column("relationship_file_id", Uuid, ForeignKey("relationship_files.relationship_file_id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Uuid),
    Column("student_id", Uuid),
    Column("facts", Json, nullable=False),
    Index("ix_relationship_entries_file", "relationship_file_id", "position"),
)
