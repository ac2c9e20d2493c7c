"""The findings as they stand, written anew whenever courses or rules change."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Integer, Row, String, Table, Text, select
from sqlalchemy.orm import Session

from services.catalog.conflicts.rules import Conflict
from services.catalog.tables import metadata

conflicts = Table(
    "conflicts",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("scope", Text, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("place", String(300), nullable=False),
)


def conflict_of(row: Row[Any]) -> Conflict:
    return Conflict(row.scope, row.kind, row.subject, row.severity, row.detail, row.place)


def stored_conflicts(session: Session) -> Iterator[Conflict]:
    for row in session.execute(select(conflicts).order_by(conflicts.c.position)):
        yield conflict_of(row)


def replace_conflicts(session: Session, found: Sequence[Conflict]) -> None:
    session.execute(conflicts.delete())
    rows = [
        {
            "position": position,
            "scope": each.scope,
            "kind": each.kind,
            "subject": each.subject,
            "severity": each.severity,
            "detail": each.detail,
            "place": each.where,
        }
        for position, each in enumerate(found)
    ]
    if rows:
        session.execute(conflicts.insert(), rows)
