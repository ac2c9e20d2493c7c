"""AMQP integrators and what was done to them, by whom. No passwords: the broker alone has them, hashed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Integer, Row, String, Table, Uuid, delete, select, update
from sqlalchemy.orm import Session

from services.gateway.tables import metadata
from shared.database.schema import Json, UtcDateTime

# One row per user of the broker. `integrator_id` stands for it in the disclosure log.
integrators = Table(
    "amqp_integrators",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("integrator_id", Uuid, nullable=False),
    Column("events", Json, nullable=False),  # patterns; empty for a reader of the stream
    Column("reads_stream", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime, nullable=False),
)

# Stays when an integrator is removed.
changes = Table(
    "amqp_integrator_changes",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("name", String(40), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("events", Json, nullable=False),
    Column("by_id", Uuid, nullable=False),
    Column("by_role", String(32), nullable=False),
)


def all_integrators(session: Session) -> Sequence[Row[Any]]:
    return session.execute(select(integrators).order_by(integrators.c.name)).all()


def find(session: Session, name: str) -> Row[Any] | None:
    return session.execute(select(integrators).where(integrators.c.name == name)).first()


def insert(
    session: Session, name: str, *, integrator_id: UUID, events: list[str], reads_stream: bool, at: datetime
) -> None:
    session.execute(
        integrators.insert().values(
            name=name,
            integrator_id=integrator_id,
            events=events,
            reads_stream=reads_stream,
            created_at=at,
            rotated_at=at,
        )
    )


def mark_rotated(session: Session, name: str, *, at: datetime) -> None:
    session.execute(update(integrators).where(integrators.c.name == name).values(rotated_at=at))


def remove(session: Session, name: str) -> None:
    session.execute(delete(integrators).where(integrators.c.name == name))


def note(
    session: Session, name: str, kind: str, *, events: Sequence[str], by_id: UUID, by_role: str, at: datetime
) -> None:
    values = {"name": name, "kind": kind, "events": list(events), "by_id": by_id, "by_role": by_role, "at": at}
    session.execute(changes.insert().values(values))


def history(session: Session, name: str) -> Sequence[Row[Any]]:
    return session.execute(select(changes).where(changes.c.name == name).order_by(changes.c.position)).all()
