"""Causes, notices, and the ledger of messages. Ids and course facts alone: no name, no address, no rendered text."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, Uuid, text

from services.notifications.tables import metadata
from shared.database.schema import Json, UtcDateTime

# An event that led to notices or tasks: what is rendered from it, and the envelope that later events chain to.
causes = Table(
    "causes",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("envelope", Json, nullable=False),
    Column("payload", Json, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

# One per event, person and template. `state`: pending, sent, failed, suppressed.
notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("cause_id", Uuid, ForeignKey("causes.event_id"), nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("recipient_id", Uuid, nullable=False),
    Column("audience", String(16), nullable=False),  # guardian, student, counselor
    Column("template", String(40), nullable=False),
    Column("channels", Json, nullable=False),  # in the order they are tried
    Column("urgency", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    UniqueConstraint("cause_id", "recipient_id", "template", name="uq_notices_cause_recipient_template"),
    Index("ix_notices_recipient", "recipient_id", "created_at"),
    Index("ix_notices_student", "student_id", "created_at"),
)

_DUE = text("state IN ('queued', 'uncertain')")
_SENDING = text("state = 'sending'")

# The ledger: one row per notice and channel. `state`: queued, sending, accepted, delivered, failed, uncertain,
# cancelled, suppressed. `attempt_id` is the fence: an outcome counts only for the attempt that is written here.
messages = Table(
    "messages",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("notice_id", Uuid, ForeignKey("notices.notice_id"), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(60)),
    Column("attempts", Integer, nullable=False),
    Column("times_uncertain", Integer, nullable=False),
    Column("attempt_id", Uuid),
    Column("claimed_until", UtcDateTime),
    Column("next_attempt_at", UtcDateTime),
    Column("provider_id", String(80)),
    Column("reported", String(16)),  # what the provider said later: delivered, failed
    Column("created_at", UtcDateTime, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("notice_id", "channel", name="uq_messages_notice_channel"),
    Index("ix_messages_due", "urgency", "next_attempt_at", postgresql_where=_DUE, sqlite_where=_DUE),
    Index("ix_messages_sending", "claimed_until", postgresql_where=_SENDING, sqlite_where=_SENDING),
)
