"""Tables of people, the roles they hold, and their birth dates."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, String, Table, Text, Uuid

from services.roster.tables import metadata
from shared.database.schema import UtcDateTime

# `version` orders the person's contact events. The digests are keyed hashes of what the source last said:
# they tell a change without opening anything, and a person's own edit from one by the source.
people = Table(
    "people",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("sourced_id", String(255), nullable=False),
    Column("kind", String(16)),  # student, guardian or staff; null for one with no part in any student's plan
    Column("sealed_contact", Text, nullable=False),
    Column("sealed_name", Text, nullable=False),
    Column("name_digest", String(80), nullable=False),
    Column("contact_digest", String(80), nullable=False),
    Column("announced", String(120)),  # kind and digest last published as ContactChanged; null once removed
    Column("language", String(35)),
    Column("grade", Integer),
    Column("is_active", Boolean, nullable=False),
    Column("edited_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Index("ix_people_source", "source", "person_id"),
    Index("ix_people_sourced_id", "sourced_id"),
)

person_roles = Table(
    "person_roles",
    metadata,
    Column("role_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("role", String(16), nullable=False),
    Column("relation", String(64), nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("school_id", Uuid),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Column("grade", Integer),
    Index("ix_person_roles_person", "person_id"),
    Index("ix_person_roles_source", "source"),
)

birth_dates = Table(
    "birth_dates",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("born_on", Date, nullable=False),
    Index("ix_birth_dates_source", "source"),
)
