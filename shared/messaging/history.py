"""What a service has published: its outbox and the events kept from it, read as one, in the order of positions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, func, select, union_all
from sqlalchemy.orm import Session

from shared.messaging.tables import kept_events, outbox, outbox_losses

BEGINNING = 0


@dataclass(frozen=True)
class Selection:
    """
    Which events.

    Args:
        types: Of these types alone.
        event_ids: These alone; empty means any.
        subjects: About these alone; empty means any.
        since, until: When the event happened; from, and before.
    """

    types: Collection[str]
    event_ids: Collection[UUID] = ()
    subjects: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    only_published: bool = True

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = [table.c.type.in_(sorted(self.types))]
        if self.event_ids:
            found.append(table.c.event_id.in_(self.event_ids))
        if self.subjects:
            found.append(table.c.subject.in_(self.subjects))
        if self.since is not None:
            found.append(table.c.occurred_at >= self.since)
        if self.until is not None:
            found.append(table.c.occurred_at < self.until)
        if self.only_published:
            found.append(table.c.published_at.is_not(None))
        return found


def page(
    session: Session, selection: Selection, *, after: int, up_to: int | None = None, limit: int = 1000
) -> Sequence[Row[Any]]:
    """
    The next events of a selection, with the columns of the outbox.

    Each of the two tables is read along its own index on the position, no further than the page needs.
    """
    parts = []
    for table in (kept_events, outbox):
        wanted = [table.c.position > after, *selection.conditions(table)]
        if up_to is not None:
            wanted.append(table.c.position <= up_to)
        first = select(*_columns(table)).where(*wanted).order_by(table.c.position).limit(limit).subquery()
        parts.append(select(*(first.c[column.name] for column in outbox.c)))
    both = union_all(*parts).subquery()
    return session.execute(select(both).order_by(both.c.position).limit(limit)).all()


def count(session: Session, selection: Selection, *, up_to: int | None = None) -> int:
    found = 0
    for table in (kept_events, outbox):
        wanted = selection.conditions(table)
        if up_to is not None:
            wanted.append(table.c.position <= up_to)
        found += session.execute(select(func.count()).select_from(table).where(*wanted)).scalar_one()
    return found


def oldest_publication(session: Session, selection: Selection) -> datetime | None:
    """When the event of a selection was published that was published first."""
    oldest = [
        session.execute(select(func.min(table.c.published_at)).where(*selection.conditions(table))).scalar()
        for table in (kept_events, outbox)
    ]
    return min((each for each in oldest if each is not None), default=None)


def published_before(session: Session, instant: datetime) -> int:
    """The highest position of the outbox that was published before; BEGINNING if there is none."""
    statement = select(outbox.c.position).where(outbox.c.published_at < instant)
    found: int | None = session.execute(statement.order_by(outbox.c.position.desc()).limit(1)).scalar()
    return found or BEGINNING


def positions_after(session: Session, position: int, types: Collection[str]) -> set[int]:
    """Of events in the outbox beyond a position."""
    statement = select(outbox.c.position).where(outbox.c.position > position, outbox.c.type.in_(sorted(types)))
    return set(session.execute(statement).scalars())


def at(session: Session, positions: Collection[int]) -> Sequence[Row[Any]]:
    """The events at these positions of the outbox, in their order."""
    return session.execute(select(outbox).where(outbox.c.position.in_(positions)).order_by(outbox.c.position)).all()


def last_position(session: Session) -> int:
    """Of the newest event there is."""
    ends = (session.execute(select(func.max(table.c.position))).scalar() for table in (kept_events, outbox))
    return max(each or BEGINNING for each in ends)


def lost_to(session: Session) -> int | None:
    """The position up to which events were removed before any were kept; None if nothing was ever lost."""
    lost: int | None = session.execute(select(func.max(outbox_losses.c.removed_to))).scalar()
    return lost


def _columns(table: Table) -> list[ColumnElement[Any]]:
    """In the order of the outbox's, so that both tables fit together."""
    return [table.c[column.name] for column in outbox.c]
