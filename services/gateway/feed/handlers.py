"""Give events their places in the feed, and read it on behalf of one reader or of many at once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from services.gateway.feed import tables
from services.gateway.feed.rules import Head, Insight, Logged, Place, Reader
from shared.auth.access import Principal
from shared.database.database import Database
from shared.messaging.worker.periodic import Tick
from shared.problems import InvalidInput
from shared.web.pagination import cursor_of, position_of

# Events one read looks at, at most, whatever the filter leaves of them: the bound on what a read costs.
WINDOW = 20_000


def give_positions(ticking: Tick, *, portion: int = 1_000) -> int:
    """Give a portion of the events logged since their positions; how many."""
    with ticking.database.reading() as session:  # so that an idle tick takes no write lock on SQLite
        if not tables.has_unplaced(session):
            return 0
    with ticking.database.transaction() as uow:
        return tables.place(uow.session, portion=portion)


@dataclass(frozen=True)
class Shown:
    """An event as one reader may see it."""

    position: int
    document: bytes


@dataclass(frozen=True)
class Slice:
    """What a reader is shown of the positions up to `upto`."""

    events: Sequence[Shown]
    upto: int
    head: Head

    @property
    def has_more(self) -> bool:
        return self.upto < self.head.position


def read_slice(
    database: Database, reader: Reader, principal: Principal, place: Place | None, *, limit: int, zone: ZoneInfo
) -> Slice:
    """
    The next events after a place that this reader may see, authorized now.

    What an integrator is shown is in the disclosure log before this returns.

    Raises:
        CursorExpired: What follows the place is not all there any more.
        DatabaseAway: Nothing was read.
    """
    now = database.clock.now().astimezone(zone)
    with database.reading() as session:
        head = tables.read_head(session)
        window = tables.next_window(session, head, head.start_after(place), width=WINDOW)
        only = tables.worth_reading(reader, principal, now)
        found = tables.events_in(session, window, only=only, limit=limit)
        insight = insight_into(session, found, now) if reader.kind == "person" else Insight()
    shown = [(event, document) for event in found if (document := reader.shown(event, insight)) is not None]
    disclose(database, reader, (event for event, _ in shown), at=now)
    return Slice(
        events=[Shown(event.position, document) for event, document in shown],
        upto=found[-1].position if len(found) == limit else window.upto,
        head=head,
    )


def read_head(database: Database) -> Head:
    """
    Raises:
        DatabaseAway: Nothing was read.
    """
    with database.reading() as session:
        return tables.read_head(session)


def insight_into(session: Session, events: Iterable[Logged], now: datetime) -> Insight:
    """Who may read and who oversees each student these events are about."""
    students = {event.student_id for event in events if event.student_id}
    return Insight(
        readers=tables.allowed_persons(session, "journeys", "read", students, now),
        overseers=tables.allowed_persons(session, "notices", "write", students, now),
    )


def disclose(database: Database, reader: Reader, events: Iterable[Logged], *, at: datetime) -> None:
    """Record whose records an outsider is about to be shown. Committed first: no row, no answer."""
    students: Collection[UUID] = {event.student_id for event in events if event.student_id}
    if reader.is_disclosed_to and students:
        with database.transaction() as uow:
            tables.disclose(uow.session, reader, students, at=at)


def cursor(epoch: str, position: int) -> str:
    """An opaque cursor; every event's `id` in a stream is one."""
    return cursor_of(epoch, position)


def place_of(after: str | None) -> Place | None:
    """
    Raises:
        InvalidInput: It is no cursor of this feed.
    """
    refusal = InvalidInput("`after` must be a `next` or a stream's `id` of this feed, as it was given.")
    if not after:
        return None
    try:
        parts: list[Any] | None = position_of({"cursor": after}, parts=2)
    except (InvalidInput, RecursionError):
        raise refusal from None
    match parts:
        case [str(epoch), int(position)] if not isinstance(position, bool) and 0 <= position < 2**63:
            return Place(epoch, position)
    raise refusal
