"""
Rebuilds a projection from the events while it keeps serving (docs/decisions/0013).

The events that the group has applied are applied once more, to empty tables in the memory of this process. Then, with
writers and no readers held off, what the group has applied meanwhile is added, and the rows that differ are replaced
in one transaction. Until it commits readers see the old contents, and whatever ends this process leaves them.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import MetaData, Row, create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from shared.clock import Clock
from shared.database.database import Database, DatabaseConflict
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.messaging.consumer import APPLIED
from shared.messaging.operations import history
from shared.messaging.operations.differences import PAGE, Difference, Report, chunks, count_rows, find_difference
from shared.messaging.operations.history import Selection
from shared.messaging.operations.projections import Projection
from shared.messaging.reactions import NotYetKnown
from shared.messaging.relay import as_message
from shared.messaging.tables import inbox

# A transaction that took its positions and has not committed yet is looked for once more this far back.
LONGEST_TRANSACTION = timedelta(minutes=15)
SWAPS = 8
LOCK_TIMEOUT_MS = 2_000
PAUSE_S = 0.5


class CannotRebuild(Exception):
    """The events do not support a whole projection, or did not come to one; nothing was changed."""


@dataclass
class Outcome:
    """
    What a rebuild read and changed.

    `left_out`: events the group has not applied yet, so that they are none of the projection's either.
    """

    read: int = 0
    left_out: int = 0
    held_off_s: float = 0.0
    differences: list[Difference] = field(default_factory=list)


def rebuild(
    projection: Projection,
    *,
    live: Database,
    group: str,
    sources: Mapping[str, Database],
    inbox_days: int,
    dry_run: bool = False,
    report: Report = lambda step, done, total: None,
) -> Outcome:
    """
    Bring a projection's tables to what the events say.

    Args:
        live: The database of the service that keeps the projection.
        sources: By service the databases of those whose events it is made of.
        inbox_days: How long the group remembers what it has applied.
        dry_run: Change nothing, and say what would be changed.
        report: Told the step, how much of it is done, and how much there is.

    Raises:
        CannotRebuild: Events are missing, or one of them cannot be applied.
        DatabaseAway: Nothing was changed.
    """
    _refuse_gaps(projection, sources)
    with _Scratch.opened(projection, live.clock) as scratch:
        reading = _Reading(projection, live, group, sources, inbox_days, scratch)
        reading.read_all(report)
        if dry_run:
            with live.reading() as session:
                reading.catch_up(session)
                return reading.outcome(_compare(session, scratch.session, projection, change=False, report=report))
        for attempt in range(1, SWAPS + 1):
            try:
                return _swap(reading, projection, live, report)
            except DatabaseConflict:
                if attempt == SWAPS:
                    raise
                time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _refuse_gaps(projection: Projection, sources: Mapping[str, Database]) -> None:
    unkept = sorted(kind for kind, reaction in projection.reactions.items() if not reaction.contract.is_kept)
    if unkept:
        raise CannotRebuild(f"{', '.join(unkept)} is not kept beyond retention; its contract must say kept=True.")
    for producer in projection.producers:
        with sources[producer].reading() as session:
            lost = history.lost_to(session)
        if lost is not None:
            raise CannotRebuild(
                f"The first {lost} positions of the outbox of {producer} were removed before events were kept for "
                "rebuilding (before release 0.2), so that what was said in them alone would be missing. Import anew "
                "what they told, then remove the row in outbox_losses of that service."
            )


def _swap(reading: "_Reading", projection: Projection, live: Database, report: Report) -> Outcome:
    begun = 0.0
    with live.transaction() as uow:
        _hold_writers_off(uow.session, projection)
        begun = time.monotonic()
        reading.catch_up(uow.session)
        differences = _compare(uow.session, reading.scratch.session, projection, change=True, report=report)
        if projection.rebuilt is not None and any(each.total for each in differences):
            projection.rebuilt(uow)
    outcome = reading.outcome(differences)
    outcome.held_off_s = time.monotonic() - begun
    return outcome


def _hold_writers_off(session: Session, projection: Projection) -> None:
    """On SQLite the transaction is the only writer already. Readers go on on both."""
    if session.get_bind().dialect.name != "postgresql":
        return
    session.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
    # What reactions touch first comes first here too, so that no two transactions wait for each other.
    names = ", ".join(table.name for table in (*projection.beside, *projection.tables))
    session.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


class _Scratch:
    """The projection's tables, empty at first, in the memory of this process: a kill leaves nothing behind."""

    def __init__(self, session: Session, projection: Projection, clock: Clock) -> None:
        self.session = session
        self._reactions = projection.reactions
        self._uow = UnitOfWork(session, clock=clock, cause=Cause())
        self._uow.defer_upserts()
        self._early: list[Row[Any]] = []

    @classmethod
    @contextmanager
    def opened(cls, projection: Projection, clock: Clock) -> "Iterator[_Scratch]":
        engine = create_engine("sqlite://", poolclass=StaticPool, hide_parameters=True)
        metadata = MetaData()
        for table in (*projection.tables, *projection.beside):
            table.to_metadata(metadata)
        try:
            metadata.create_all(engine)
            with Session(engine) as session:
                yield cls(session, projection, clock)
        finally:
            engine.dispose()

    def apply(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            try:
                self._apply(row)
            except NotYetKnown:
                self._early.append(row)

    def settle(self) -> None:
        """Apply what came before that to which it refers; what refers to nothing at all stays without effect."""
        early, self._early = self._early, []
        self.apply(early)
        self._uow.flush_events()

    def _apply(self, row: Row[Any]) -> None:
        message = as_message(row)
        reaction = self._reactions[row.type]
        try:
            received = message.received(reaction.contract)
            self._uow.cause = Cause.of(received.envelope)
            reaction(received, uow=self._uow)
        except NotYetKnown:
            raise
        except Exception as error:
            why = f"event {row.event_id}, {row.type}: {type(error).__name__}"
            raise CannotRebuild(f"Nothing was changed: an event cannot be applied: {why}.") from error


class _Reading:
    """Which events were taken into the scratch tables already, and which were left out so far."""

    def __init__(
        self,
        projection: Projection,
        live: Database,
        group: str,
        sources: Mapping[str, Database],
        inbox_days: int,
        scratch: _Scratch,
    ) -> None:
        self.scratch = scratch
        self._types = list(projection.reactions)
        self._live = live
        self._group = group
        self._sources = {producer: sources[producer] for producer in projection.producers}
        self._remembered = live.clock.now() - timedelta(days=inbox_days)
        self._count = 0
        self._left_out: dict[str, set[UUID]] = {producer: set() for producer in self._sources}
        self._cuts: dict[str, int] = {}
        self._seen: dict[str, set[int]] = {producer: set() for producer in self._sources}

    def read_all(self, report: Report) -> None:
        """All events there are, each source as of one moment: retention may move events between its tables."""
        for producer, source in self._sources.items():
            with source.reading() as session:
                _as_of_one_moment(session)
                selection = Selection(self._types, only_published=False)
                total, done, position = history.count(session, selection), 0, history.BEGINNING
                begun = source.clock.now()
                self._cuts[producer] = history.published_before(session, begun - LONGEST_TRANSACTION)
                while rows := history.page(session, selection, after=position, limit=PAGE):
                    position = rows[-1].position
                    self._take(producer, rows, self._applied(rows))
                    done += len(rows)
                    report(f"reading {producer}", done, total)
        self.scratch.settle()

    def catch_up(self, session: Session) -> None:
        """
        What was committed, and what the group has applied, since it was read.

        Args:
            session: Of the live database, with writers held off.
        """
        for producer, source in self._sources.items():
            with source.reading() as other:
                beyond = history.positions_after(other, self._cuts[producer], self._types)
                for positions in chunks(sorted(beyond - self._seen[producer])):
                    rows = history.at(other, positions)
                    self._take(producer, rows, self._applied(rows, session))
                for ids in chunks(sorted(self._left_out[producer], key=str)):
                    selection = Selection(self._types, event_ids=ids, only_published=False)
                    rows = history.page(other, selection, after=history.BEGINNING, limit=len(ids))
                    self._take(producer, rows, self._applied(rows, session))
        self.scratch.settle()

    def outcome(self, differences: list[Difference]) -> Outcome:
        return Outcome(self._count, sum(map(len, self._left_out.values())), 0.0, differences)

    def _take(self, producer: str, rows: Sequence[Row[Any]], applied: set[UUID]) -> None:
        taken = [row for row in rows if row.event_id in applied]
        self._left_out[producer] |= {row.event_id for row in rows}
        self._left_out[producer] -= applied
        self._seen[producer] |= {row.position for row in rows if row.position > self._cuts[producer]}
        self.scratch.apply(taken)
        self._count += len(taken)

    def _applied(self, rows: Sequence[Row[Any]], session: Session | None = None) -> set[UUID]:
        """Of these the events that the group has applied; what it no longer remembers it has."""
        if session is None:
            with self._live.reading() as own:
                return self._applied(rows, own)
        states: dict[UUID, str] = {}
        for ids in chunks([row.event_id for row in rows]):
            statement = select(inbox.c.event_id, inbox.c.state).where(
                inbox.c.consumer == self._group, inbox.c.event_id.in_(ids)
            )
            states |= {event_id: state for event_id, state in session.execute(statement)}  # noqa: C416
        return {row.event_id for row in rows if self._is_applied(row, states)}

    def _is_applied(self, row: Row[Any], states: Mapping[UUID, str]) -> bool:
        if row.event_id in states:
            return states[row.event_id] == APPLIED
        published_at: datetime | None = row.published_at
        return published_at is not None and published_at < self._remembered


def _as_of_one_moment(session: Session) -> None:
    """SQLite's transactions see one moment by themselves."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _compare(
    live: Session, scratch: Session, projection: Projection, *, change: bool, report: Report
) -> list[Difference]:
    """Where the live tables are not as the scratch ones; with `change` they are so afterwards."""
    found = []
    for table in projection.tables:
        difference = find_difference(live, scratch, table, report=report, change=change)
        if change:
            report(f"replaced in {table.name}", difference.total, difference.total)
            if count_rows(live, table) != difference.rows:
                raise CannotRebuild(f"Nothing was changed: {table.name} did not come out with {difference.rows} rows.")
        found.append(difference)
    return found
