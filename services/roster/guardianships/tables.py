"""Tables of guardianships, the links they come from, and the court orders that restrict them."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, String, Table, Text, Uuid

from services.roster.tables import metadata
from shared.database.schema import Json, UtcDateTime

# What a source says: `owner`'s record names `other`. Which of them is the student, their roles say.
agent_links = Table(
    "agent_links",
    metadata,
    Column("link_id", Uuid, primary_key=True),
    Column("source", String(120), nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("other_id", Uuid, nullable=False),
    Column("relation", String(64)),
    Index("ix_agent_links_owner", "owner_id"),
    Index("ix_agent_links_other", "other_id"),
    Index("ix_agent_links_source", "source"),
)

# What follows from the links, less what the court orders in force take away.
guardianships = Table(
    "guardianships",
    metadata,
    Column("guardianship_id", Uuid, primary_key=True),
    Column("guardian_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("relation", String(64), nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Column("barred", Boolean, nullable=False),
    Column("rights", Json, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_guardianships_student", "student_id"),
    Index("ix_guardianships_guardian", "guardian_id"),
)

# Orders belong to the pair and outlive the link: an import can neither lift one nor lose it.
court_orders = Table(
    "court_orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("guardianship_id", Uuid, nullable=False),
    Column("guardian_id", Uuid, nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("document_reference", String(200), nullable=False),
    Column("barred", Boolean, nullable=False),
    Column("rights", Json, nullable=False),
    Column("begins_on", Date),
    Column("ends_on", Date),
    Column("state", String(16), nullable=False),  # filed, confirmed, lifting, lifted
    Column("filed_by", Uuid, nullable=False),
    Column("filed_at", UtcDateTime, nullable=False),
    Column("confirmed_by", Uuid),
    Column("confirmed_at", UtcDateTime),
    Column("lift_reference", Text),
    Column("lift_asked_by", Uuid),
    Column("lift_asked_at", UtcDateTime),
    Column("lifted_by", Uuid),
    Column("lifted_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Index("ix_court_orders_guardianship", "guardianship_id"),
    Index("ix_court_orders_student", "student_id"),
)
