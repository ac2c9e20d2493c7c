"""Outbox and inbox: the same tables in every service's database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    text,
)

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

# What retention took out of the outbox and projections still need: of each subject the newest event of each type whose
# contract says that it is kept. The same columns, so that both are read as one (docs/decisions/0013).
kept_events = Table(
    "kept_events",
    messaging_metadata,
    Column("type", String(120), primary_key=True),
    Column("subject", String(120), primary_key=True),
    Column("subject_version", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("causation_id", Uuid),
    Column("traceparent", String(60)),
    Column("body", LargeBinary, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    Index("ix_kept_events_position", "position", unique=True),
)

# Events up to this position were removed before any were kept. No row: nothing was ever lost.
outbox_losses = Table(
    "outbox_losses",
    messaging_metadata,
    Column("removed_to", BigInteger, primary_key=True, autoincrement=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

# Events of this service's outbox to be handed to one consumer group again; carried out by its worker, in portions.
# `state`: running, done, refused, stopped. `position`: how far it has come; `end_position`: the last when it was asked.
replays = Table(
    "replays",
    messaging_metadata,
    Column("replay_id", Uuid, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("reason", Text),
    Column("consumer", String(60), nullable=False),
    Column("types", Json, nullable=False),
    Column("event_ids", Json),  # null: everything of these types within the range
    Column("subjects", Json),
    Column("since", UtcDateTime),
    Column("until", UtcDateTime),
    Column("again", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("end_position", BigInteger, nullable=False),
    Column("found", Integer, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("error", Text),
    Index(
        "ix_replays_running",
        "asked_at",
        postgresql_where=text("state = 'running'"),
        sqlite_where=text("state = 'running'"),
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
    Column("digest", LargeBinary),  # tells a redelivery from another event under the same id; null before 0.2
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
