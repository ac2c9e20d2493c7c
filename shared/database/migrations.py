"""Alembic, run the same way for every service."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError

from shared.auth.tables import access_metadata
from shared.database.database import DatabaseAway, create_service_engine, failure_of, is_away
from shared.database.schema import Json, UtcDateTime
from shared.messaging.tables import messaging_metadata
from shared.settings import Settings
from shared.web.idempotency_table import idempotency_metadata

SERVICES_FOLDER = Path(__file__).parents[2] / "services"


def migrate(settings: Settings, service: str) -> None:
    """
    Bring a service's database to the newest revision. Safe to run from several processes at once.

    Raises:
        DatabaseAway: It cannot be reached; nothing was changed.
    """
    engine = create_service_engine(settings.database_url_for(service), pool_size=1)
    if engine.dialect.name == "sqlite" and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        with engine.execution_options(signpost_write=True).connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('signpost-migrate'))"))
            command.upgrade(alembic_config(service, connection), "head")
    except DBAPIError as error:
        if is_away(error):
            raise DatabaseAway(failure_of(service, engine, error)) from error
        raise
    finally:
        engine.dispose()


def alembic_config(service: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SERVICES_FOLDER / service / "migrations"))
    config.attributes["connection"] = connection
    return config


def service_metadata(metadata: MetaData) -> list[MetaData]:
    """All tables of a service's database: its own and the shared ones."""
    return [metadata, messaging_metadata, access_metadata, idempotency_metadata]


def run_env(service: str, metadata: MetaData) -> None:
    """What each service's env.py calls. The connection is handed in by `migrate`."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=service_metadata(metadata),
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=False,  # the caller owns the transaction
    )
    context.run_migrations()


def create_shared_tables_v1() -> None:
    """What every service's database has of the shared tables, as of the first release."""
    position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "outbox",
        sa.Column("position", position, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("subject_version", sa.Integer(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("traceparent", sa.String(60)),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", UtcDateTime()),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
    )
    _partial_index("ix_outbox_unpublished", "outbox", "position", "published_at IS NULL")
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(60), primary_key=True),
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime()),
        sa.Column("error_class", sa.String(120)),
        sa.Column("error", sa.Text()),
        sa.Column("headers", Json),
        sa.Column("body", sa.LargeBinary()),
    )
    _partial_index("ix_inbox_due", "inbox", "next_attempt_at", "state = 'parked'")
    _partial_index("ix_inbox_unapplied", "inbox", "state", "state <> 'applied'")
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"], postgresql_using="brin")
    op.create_table(
        "dead_letter_actions",
        sa.Column("position", position, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("consumer", sa.String(60), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text()),
    )
    op.create_table(
        "relationships",
        sa.Column("relationship_id", sa.Uuid(), primary_key=True),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("rights", Json, nullable=False),
        sa.Column("barred", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("begins_on", sa.Date()),
        sa.Column("ends_on", sa.Date()),
        sa.Column("dates_version", sa.Integer(), nullable=False),
        sa.Column("rights_version", sa.Integer(), nullable=False),
        sa.Column("ended_version", sa.Integer(), nullable=False),
    )
    op.create_index("ix_relationships_person", "relationships", ["person_id", "student_id"])
    op.create_index("ix_relationships_student", "relationships", ["student_id"])
    op.create_table(
        "access_students",
        sa.Column("student_id", sa.Uuid(), primary_key=True),
        sa.Column("rights_transfer_at", UtcDateTime()),
        sa.Column("enrolled", sa.Boolean(), nullable=False),
        sa.Column("transfer_version", sa.Integer(), nullable=False),
        sa.Column("enrolled_version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "disclosure_log",
        sa.Column("position", position, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(200)),
    )
    op.create_index("ix_disclosure_log_student_id", "disclosure_log", ["student_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("person_id", sa.Uuid(), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", Json),
        sa.Column("body", sa.LargeBinary()),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def drop_shared_tables_v1() -> None:
    for table in (
        "idempotency_keys",
        "disclosure_log",
        "access_students",
        "relationships",
        "dead_letter_actions",
        "inbox",
        "outbox",
    ):
        op.drop_table(table)


def _partial_index(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def add_replay_tables_v2() -> None:
    """Events kept for projections, replays, and digests in the inbox: in every service's database since 0.2."""
    same: tuple[sa.Column[Any], ...] = (
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("traceparent", sa.String(60)),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "kept_events",
        sa.Column("type", sa.String(120), primary_key=True),
        sa.Column("subject", sa.String(120), primary_key=True),
        sa.Column("subject_version", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        *same,
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("event_id", name="uq_kept_events_event_id"),
    )
    op.create_index("ix_kept_events_position", "kept_events", ["position"], unique=True)
    losses = op.create_table(
        "outbox_losses",
        sa.Column("removed_to", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
    )
    _note_what_is_gone(losses)
    op.create_table(
        "replays",
        sa.Column("replay_id", sa.Uuid(), primary_key=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("consumer", sa.String(60), nullable=False),
        sa.Column("types", Json, nullable=False),
        sa.Column("event_ids", Json),
        sa.Column("subjects", Json),
        sa.Column("since", UtcDateTime()),
        sa.Column("until", UtcDateTime()),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("end_position", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("error", sa.Text()),
    )
    _partial_index("ix_replays_running", "replays", "asked_at", "state = 'running'")
    op.add_column("inbox", sa.Column("digest", sa.LargeBinary()))


def drop_replay_tables_v2() -> None:
    op.drop_column("inbox", "digest")
    for table in ("replays", "outbox_losses", "kept_events"):
        op.drop_table(table)


def _note_what_is_gone(losses: sa.Table) -> None:
    """Until now retention kept nothing: if the first events are not there any more, projections cannot be rebuilt."""
    outbox = sa.table("outbox", sa.column("position", sa.BigInteger()))
    oldest = op.get_bind().execute(sa.select(sa.func.min(outbox.c.position))).scalar()
    if oldest is not None and oldest > 1:
        op.bulk_insert(losses, [{"removed_to": oldest - 1, "noted_at": datetime.now(UTC)}])
