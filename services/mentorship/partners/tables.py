"""Partners as the district last listed them."""

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, Uuid

from services.mentorship.tables import metadata
from shared.database.schema import Json, UtcDateTime

partners = Table(
    "partners",
    metadata,
    Column("partner_id", Uuid, primary_key=True),
    Column("partner_key", String(100), nullable=False, unique=True),
    Column("organization", String(200), nullable=False),
    Column("sealed_contact", Text, nullable=False),  # sealed JSON object: name, email, phone
    Column("clusters", Json, nullable=False),
    Column("languages", Json, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
