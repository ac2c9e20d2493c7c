"""The event log: every event of every service, as this gateway heard it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Integer, Row, String, Table, Uuid, delete, select, text
from sqlalchemy.orm import Session

from services.gateway.journeys.rules import Fact
from services.gateway.tables import metadata
from shared.database.schema import Json, UtcDateTime

_UNPLACED = text("feed_position IS NULL")
UNPLACED: dict[str, Any] = {"sqlite_where": _UNPLACED, "postgresql_where": _UNPLACED}

# Sealed personal data is left out of `event`: a journey is told without it.
event_log = Table(
    "event_log",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("type", String(120), nullable=False),
    Column("source", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("subject_version", Integer, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("causation_id", Uuid),
    Column("student_id", Uuid),
    Column("addressee_id", Uuid),  # recipient of a notice, assignee of a task
    Column("event", Json, nullable=False),
    Column("feed_position", BigInteger),  # given after the commit, by services.gateway.feed
    Index("ix_event_log_correlation", "correlation_id", "position"),
    Index("ix_event_log_student", "student_id", "type"),
    Index("ix_event_log_feed", "feed_position", unique=True),
    Index("ix_event_log_unplaced", "position", **UNPLACED),
)

# A row of the columns below.
FactRow = Row[*tuple[Any, ...]]

_FACT = (
    event_log.c.position,
    event_log.c.event_id,
    event_log.c.type,
    event_log.c.subject_version,
    event_log.c.time,
    event_log.c.causation_id,
    event_log.c.student_id,
    event_log.c.addressee_id,
    event_log.c.event,
)


def journey_rows(session: Session, correlation_id: UUID, *, limit: int) -> Sequence[FactRow]:
    statement = (
        select(*_FACT).where(event_log.c.correlation_id == correlation_id).order_by(event_log.c.position).limit(limit)
    )
    return session.execute(statement).all()


def student_rows(session: Session, student_ids: Collection[UUID], types: Sequence[str]) -> Sequence[FactRow]:
    """Everything of these types ever logged about these students."""
    statement = select(*_FACT).where(event_log.c.student_id.in_(student_ids), event_log.c.type.in_(types))
    return session.execute(statement.order_by(event_log.c.position)).all()


def remove_older(session: Session, *, before: datetime, keep: Sequence[str], portion: int) -> Sequence[int]:
    """Delete the oldest events of other types than `keep`; their positions in the feed."""
    old = select(event_log.c.position, event_log.c.feed_position).where(
        event_log.c.time < before, event_log.c.type.not_in(keep), event_log.c.feed_position.is_not(None)
    )
    chosen = session.execute(old.order_by(event_log.c.position).limit(portion)).all()
    session.execute(delete(event_log).where(event_log.c.position.in_([row.position for row in chosen])))
    return [row.feed_position for row in chosen]


def fact_of(row: FactRow) -> Fact:
    return Fact(
        position=row.position,
        event_id=row.event_id,
        type=row.type,
        at=row.time,
        caused_by=row.causation_id,
        student_id=row.student_id,
        addressee_id=row.addressee_id,
        data=row.event,
    )
