"""Tables of imports: what was applied, what waits for a person, and one lock per source."""

from sqlalchemy import Column, Index, Integer, String, Table, Text, Uuid

from services.roster.tables import metadata
from shared.database.schema import Json, UtcDateTime

# `sealed_content` is the package, packed and sealed, kept only while a person has yet to decide.
roster_imports = Table(
    "roster_imports",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("source", String(120), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("school_year", Integer),
    Column("state", String(16), nullable=False),  # parked, applied, confirmed, rejected
    Column("reason", Text),
    Column("report", Json, nullable=False),
    Column("sealed_content", Text),
    Column("imported_at", UtcDateTime, nullable=False),
    Column("decided_by", Uuid),
    Column("decided_at", UtcDateTime),
    Index("ix_roster_imports_state", "state", "imported_at"),
)

# Locked while an import of the source is applied, so that two of them cannot interleave.
roster_sources = Table(
    "roster_sources",
    metadata,
    Column("source", String(120), primary_key=True),
)
