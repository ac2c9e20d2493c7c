"""Outbox and inbox: the same tables in every service's database."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, Uuid, text

from shared.database.schema import NAMING, Json, UtcDateTime

messaging_metadata = MetaData(naming_convention=NAMING)

_position = BigInteger().with_variant(Integer, "sqlite")

# Events written in the producer's transaction. Kept after publishing, for replay, until retention removes them.
outbox = Table(
    "outbox",
    messaging_metadata,
    Column("position", _position, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", String(120), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("subject_version", Integer, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("causation_id", Uuid),
    Column("traceparent", String(60)),
    Column("body", LargeBinary, nullable=False),
    Column("published_at", UtcDateTime),
    Index(
        "ix_outbox_unpublished",
        "position",
        postgresql_where=text("published_at IS NULL"),
        sqlite_where=text("published_at IS NULL"),
    ),
)

# One row per consumer group and event. `state`: applied, parked (to be tried again), dead, discarded.
# Headers, body and error are kept only while an event is parked or dead.
inbox = Table(
    "inbox",
    messaging_metadata,
    Column("consumer", String(60), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("type", String(120), nullable=False),
    Column("state", String(16), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("error_class", String(120)),
    Column("error", Text),
    Column("headers", Json),
    Column("body", LargeBinary),
    Index(
        "ix_inbox_due",
        "next_attempt_at",
        postgresql_where=text("state = 'parked'"),
        sqlite_where=text("state = 'parked'"),
    ),
    Index(
        "ix_inbox_unapplied",
        "state",
        postgresql_where=text("state <> 'applied'"),
        sqlite_where=text("state <> 'applied'"),
    ),
    # For retention. Ids arrive in the order of time, so PostgreSQL needs no more than the range of each block.
    Index("ix_inbox_received_at", "received_at", postgresql_using="brin"),
)

# Who replayed or discarded which dead letter, and why.
dead_letter_actions = Table(
    "dead_letter_actions",
    messaging_metadata,
    Column("position", _position, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("action", String(16), nullable=False),
    Column("consumer", String(60), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("reason", Text),
)
