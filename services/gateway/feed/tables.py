"""Positions in the feed: given by one writer at a time, so that they commit in their order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, String, Table, func, insert, or_, select, update
from sqlalchemy.orm import Session

from services.gateway.feed.rules import Head, Logged, Reader
from services.gateway.journeys.tables import FactRow, event_log
from services.gateway.tables import metadata
from shared.auth.access import Principal, persons_allowed, visible_students
from shared.auth.tables import disclosure_log
from shared.events.patterns import EVERYTHING, fixed_part

_FEED = "events"

# One row. Whoever gives positions holds its lock until the commit: that is what makes the feed gapless.
feed_head = Table(
    "feed_head",
    metadata,
    Column("feed", String(20), primary_key=True),
    Column("epoch", String(16), nullable=False),  # told apart from a log that took this one's place
    Column("position", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),  # the highest position of an event no longer kept
)

_EVENT = (
    event_log.c.feed_position,
    event_log.c.event_id,
    event_log.c.type,
    event_log.c.source,
    event_log.c.subject,
    event_log.c.subject_version,
    event_log.c.time,
    event_log.c.correlation_id,
    event_log.c.causation_id,
    event_log.c.student_id,
    event_log.c.addressee_id,
    event_log.c.event,
)


def has_unplaced(session: Session) -> bool:
    return session.execute(select(event_log.c.position).where(_unplaced()).limit(1)).first() is not None


def place(session: Session, *, portion: int) -> int:
    """Give the oldest committed events without a position the next ones; how many."""
    own = feed_head.c.feed == _FEED
    # A second writer waits here until the first has committed, and looks only then at what is left.
    position: int = session.execute(select(feed_head.c.position).where(own).with_for_update()).scalar_one()
    oldest = select(event_log.c.position).where(_unplaced()).order_by(event_log.c.position).limit(portion).subquery()
    numbered = select(
        oldest.c.position, (func.row_number().over(order_by=oldest.c.position) + position).label("given")
    ).subquery()
    placing = (
        update(event_log).where(event_log.c.position == numbered.c.position).values(feed_position=numbered.c.given)
    )
    placed: int = session.execute(placing).rowcount  # type: ignore[attr-defined]  # an UPDATE's result has it
    session.execute(update(feed_head).where(own).values(position=position + placed))
    return placed


def _unplaced() -> ColumnElement[bool]:
    return event_log.c.feed_position.is_(None)


def read_head(session: Session) -> Head:
    row = session.execute(select(feed_head).where(feed_head.c.feed == _FEED)).one()
    return Head(row.epoch, row.position, row.forgotten)


def note_forgotten(session: Session, position: int) -> None:
    later = feed_head.c.forgotten < position
    session.execute(update(feed_head).where(feed_head.c.feed == _FEED, later).values(forgotten=position))


@dataclass(frozen=True)
class Window:
    """The part of the log one read looks at: (after, upto]."""

    after: int
    upto: int


def next_window(session: Session, head: Head, after: int, *, width: int) -> Window:
    """The next positions to look at, past those whose events are no longer kept."""
    first = session.execute(
        select(func.min(event_log.c.feed_position)).where(event_log.c.feed_position > after)
    ).scalar()
    start = after if first is None else first - 1
    return Window(start, max(start, min(head.position, start + width)))


def events_in(
    session: Session, window: Window, *, only: Sequence[ColumnElement[bool]] = (), limit: int
) -> Sequence[Logged]:
    inside = (event_log.c.feed_position > window.after, event_log.c.feed_position <= window.upto)
    statement = select(*_EVENT).where(*inside, *only).order_by(event_log.c.feed_position).limit(limit)
    return [_logged(row) for row in session.execute(statement)]


def worth_reading(reader: Reader, principal: Principal, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions that leave out most of what this reader is not shown; the reader decides about the rest."""
    conditions = [_of_types(patterns) for patterns in (reader.granted, reader.wanted) if EVERYTHING not in patterns]
    if reader.kind == "person":
        own = event_log.c.student_id.in_(visible_students(principal, "journeys", "read", now))
        conditions.append(or_(own, event_log.c.student_id.is_(None)))
    return conditions


def _of_types(patterns: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(event_log.c.type.startswith(fixed_part(pattern), autoescape=True) for pattern in patterns))


def allowed_persons(
    session: Session, resource: str, action: str, student_ids: Collection[UUID], now: datetime
) -> Mapping[UUID, frozenset[UUID]]:
    """By student, everybody who may do this."""
    found: dict[UUID, set[UUID]] = {}
    if student_ids:
        for row in session.execute(persons_allowed(resource, action, student_ids, now)):
            found.setdefault(row.student_id, set()).add(row.person_id)
    return {student_id: frozenset(persons) for student_id, persons in found.items()}


def disclose(session: Session, reader: Reader, student_ids: Collection[UUID], *, at: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {
            "at": at,
            "person_id": reader.person_id,
            "role": reader.role,
            "student_id": student_id,
            "resource": "events",
            "reason": "event feed",
        }
        for student_id in sorted(student_ids)
    ]
    session.execute(insert(disclosure_log), rows)


def _logged(row: FactRow) -> Logged:
    return Logged(
        position=row.feed_position,
        event_id=row.event_id,
        type=row.type,
        source=row.source,
        subject=row.subject,
        subject_version=row.subject_version,
        time=row.time,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        student_id=row.student_id,
        addressee_id=row.addressee_id,
        data=row.event,
    )
