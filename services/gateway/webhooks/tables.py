"""Endpoints, their secrets, what they were sent and with what result. No event bodies: those are in the event log."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.orm import Session

from services.gateway.tables import metadata
from shared.clock import Clock
from shared.database.schema import Json, UtcDateTime

# Where events are sent. `state`: pending, active, paused, disabled; `stopped_by` is a role, or signpost itself.
# `version` counts what people changed, and none of what sending leaves behind.
endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("owner_id", Uuid, nullable=False),
    Column("url", String(500), nullable=False),
    Column("description", String(200), nullable=False),
    Column("events", Json, nullable=False),  # patterns the owner wants
    Column("allowed_events", Json, nullable=False),  # patterns the district permits
    Column("state", String(16), nullable=False),
    Column("reason", String(60)),
    Column("stopped_by", String(32)),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("failures_in_row", Integer, nullable=False),
    Column("last_success_at", UtcDateTime),
    Column("last_failure_at", UtcDateTime),
    Column("rest_until", UtcDateTime),  # asked for by Retry-After
    Column("warned", Boolean, nullable=False),
    Index("ix_webhook_endpoints_owner", "owner_id", "created_at"),
)

# Encrypted. A replaced one goes on signing until `expires_at`.
secrets = Table(
    "webhook_secrets",
    metadata,
    Column("secret_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("locked", String(300), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Index("ix_webhook_secrets_endpoint", "endpoint_id"),
)

_QUEUED = text("state = 'queued'")
_SENDING = text("state = 'sending'")

# One per endpoint and event. `state`: queued, sending, delivered, failed. `attempt_id` is the fence: an outcome
# counts only for the attempt that is written here.
deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", String(120), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(60)),
    Column("attempts", Integer, nullable=False),
    Column("attempt_id", Uuid),
    Column("claimed_until", UtcDateTime),
    Column("next_attempt_at", UtcDateTime),
    Column("traceparent", String(80)),
    Column("disclosed", Boolean, nullable=False),  # the student's disclosure log has it
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("endpoint_id", "event_id", name="uq_webhook_deliveries_endpoint_event"),
    Index(
        "ix_webhook_deliveries_due", "endpoint_id", "next_attempt_at", postgresql_where=_QUEUED, sqlite_where=_QUEUED
    ),
    Index("ix_webhook_deliveries_sending", "claimed_until", postgresql_where=_SENDING, sqlite_where=_SENDING),
    Index("ix_webhook_deliveries_log", "endpoint_id", "created_at"),
    Index("ix_webhook_deliveries_age", "created_at"),
)

# Every try, with what the receiver's server answered, and never its words.
attempts = Table(
    "webhook_attempts",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("status", Integer),
    Column("address", String(45)),
    Index("ix_webhook_attempts_event", "endpoint_id", "event_id"),
    Index("ix_webhook_attempts_recent", "endpoint_id", "at"),
    Index("ix_webhook_attempts_age", "at"),
)

# What happened to an endpoint, and by whom: notices of failing and disabling to its owner among them.
changes = Table(
    "webhook_changes",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("reason", String(60)),
    Column("by_id", Uuid),
    Column("by_role", String(32), nullable=False),
    Index("ix_webhook_changes_endpoint", "endpoint_id", "position"),
)


def database_time(session: Session, clock: Clock) -> datetime:
    """
    The instant by which leases and schedules run: the database's own clock where it has one.

    Several machines' clocks differ; SQLite is used by one machine alone.
    """
    if session.get_bind().dialect.name != "postgresql":
        return clock.now()
    if "database_time" not in session.info:  # now() stands still within a transaction
        session.info["database_time"] = session.execute(select(func.now())).scalar_one()
    now: datetime = session.info["database_time"]
    return now
