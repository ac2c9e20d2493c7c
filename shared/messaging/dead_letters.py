"""Events that a consumer group could not apply: listed, shown, replayed, discarded. Every decision is recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, select, update

from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.consumer import DEAD, DISCARDED, PARKED
from shared.messaging.tables import dead_letter_actions, inbox
from shared.problems import NotFound, Problem

UNAPPLIED = (DEAD, PARKED)
PORTION = 500  # of a class of dead letters, decided on in one transaction


class ReasonMissing(Problem):
    """Discarding an event needs a reason."""

    code = "reason-missing"
    status = 422


@dataclass(frozen=True)
class DeadLetter:
    """What may be shown of a dead letter: ids and reasons, never the body."""

    consumer: str
    event_id: UUID
    type: str
    state: str
    attempts: int
    received_at: datetime
    next_attempt_at: datetime | None
    error_class: str | None
    error: str | None
    headers: Mapping[str, Any]


@dataclass(frozen=True)
class LetterClass:
    """Dead letters of one service that failed for the same kind of reason."""

    consumer: str
    error_class: str
    state: str
    count: int
    oldest: datetime
    newest: datetime


def classes_of(database: Database, *, include_parked: bool = False) -> list[LetterClass]:
    """Dead letters of one service by error class, the most frequent first."""
    states = UNAPPLIED if include_parked else (DEAD,)
    number = func.count()
    key = (inbox.c.consumer, inbox.c.error_class, inbox.c.state)
    statement = (
        select(*key, number, func.min(inbox.c.received_at), func.max(inbox.c.received_at))
        .where(inbox.c.state.in_(states))
        .group_by(*key)
        .order_by(number.desc(), *key)
    )
    with database.reading() as session:
        return [
            LetterClass(consumer, error_class or "", state, count, oldest, newest)
            for consumer, error_class, state, count, oldest, newest in session.execute(statement)
        ]


def list_dead_letters(
    database: Database, *, include_parked: bool = False, error_class: str | None = None, limit: int = 100
) -> list[DeadLetter]:
    """Dead letters of one service, oldest first."""
    states = UNAPPLIED if include_parked else (DEAD,)
    statement = select(inbox).where(inbox.c.state.in_(states)).order_by(inbox.c.received_at).limit(limit)
    if error_class:
        statement = statement.where(inbox.c.error_class == error_class)
    with database.reading() as session:
        return [_letter(row) for row in session.execute(statement).mappings()]


def show_dead_letter(database: Database, event_id: UUID) -> list[DeadLetter]:
    """
    The event in each consumer group of this service that could not apply it.

    Raises:
        NotFound: No group has it parked or dead.
    """
    statement = select(inbox).where(inbox.c.event_id == event_id, inbox.c.state.in_(UNAPPLIED))
    with database.reading() as session:
        letters = [_letter(row) for row in session.execute(statement).mappings()]
    if not letters:
        raise NotFound(f"No parked or dead event {event_id} in {database.service}.")
    return letters


def replay(uow: UnitOfWork, event_ids: Sequence[UUID], *, actor: str) -> int:
    """
    Put dead letters back to be tried at once, with all their attempts before them; how many.

    Raises:
        NotFound: One of them is not parked or dead; nothing is changed then.
    """
    return _put_back(uow, _lock(uow, event_ids), actor=actor)


def replay_class(uow: UnitOfWork, error_class: str, *, actor: str, limit: int = PORTION) -> int:
    """Put the oldest dead letters of a class back, at most `limit`; how many. Not those still being tried."""
    return _put_back(uow, _lock_class(uow, error_class, limit), actor=actor)


def discard(uow: UnitOfWork, event_ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """
    Give up on dead letters for good; the row and the reason stay, the body goes. How many.

    Raises:
        ReasonMissing: There is no reason.
        NotFound: One of them is not parked or dead; nothing is changed then.
    """
    _need(reason)
    return _give_up(uow, _lock(uow, event_ids), actor=actor, reason=reason)


def discard_class(uow: UnitOfWork, error_class: str, *, actor: str, reason: str, limit: int = PORTION) -> int:
    """
    Give up on the oldest dead letters of a class, at most `limit`; how many. Those still being tried stay as they are.

    Raises:
        ReasonMissing: There is no reason.
    """
    _need(reason)
    return _give_up(uow, _lock_class(uow, error_class, limit), actor=actor, reason=reason)


def count_unapplied(database: Database) -> tuple[int, int]:
    """Parked and dead events of one service."""
    statement = select(inbox.c.state, func.count()).where(inbox.c.state.in_(UNAPPLIED)).group_by(inbox.c.state)
    with database.reading() as session:
        counts: dict[str, int] = {state: number for state, number in session.execute(statement)}  # noqa: C416
    return counts.get(PARKED, 0), counts.get(DEAD, 0)


def _need(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("Say why the event will never be applied: it is kept in the record.")


def _put_back(uow: UnitOfWork, rows: Sequence[RowMapping], *, actor: str) -> int:
    _record(uow, rows, actor=actor, action="replay", reason=None)
    _change(uow, rows, state=PARKED, attempts=0, next_attempt_at=uow.clock.now())
    return len(rows)


def _give_up(uow: UnitOfWork, rows: Sequence[RowMapping], *, actor: str, reason: str) -> int:
    _record(uow, rows, actor=actor, action="discard", reason=reason)
    _change(uow, rows, state=DISCARDED, body=None, next_attempt_at=None)
    return len(rows)


def _change(uow: UnitOfWork, rows: Sequence[RowMapping], **values: Any) -> None:
    event_ids = {row["event_id"] for row in rows}
    statement = update(inbox).where(inbox.c.event_id.in_(event_ids), inbox.c.state.in_(UNAPPLIED))
    uow.session.execute(statement.values(**values))


def _lock_class(uow: UnitOfWork, error_class: str, limit: int) -> Sequence[RowMapping]:
    """Skips what somebody else is deciding on at this moment."""
    statement = (
        select(inbox)
        .where(inbox.c.state == DEAD, inbox.c.error_class == error_class)
        .order_by(inbox.c.received_at, inbox.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return uow.session.execute(statement).mappings().all()


def _lock(uow: UnitOfWork, event_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    statement = select(inbox).where(inbox.c.event_id.in_(event_ids), inbox.c.state.in_(UNAPPLIED)).with_for_update()
    rows = uow.session.execute(statement).mappings().all()
    unknown = set(event_ids) - {row["event_id"] for row in rows}
    if unknown:
        raise NotFound(f"Not parked or dead here: {', '.join(sorted(map(str, unknown)))}. Nothing was changed.")
    return rows


def _record(uow: UnitOfWork, rows: Sequence[RowMapping], *, actor: str, action: str, reason: str | None) -> None:
    if rows:
        uow.session.execute(
            dead_letter_actions.insert(),
            [
                {
                    "at": uow.clock.now(),
                    "actor": actor,
                    "action": action,
                    "consumer": row["consumer"],
                    "event_id": row["event_id"],
                    "reason": reason,
                }
                for row in rows
            ],
        )


def _letter(row: RowMapping) -> DeadLetter:
    return DeadLetter(
        consumer=row["consumer"],
        event_id=row["event_id"],
        type=row["type"],
        state=row["state"],
        attempts=row["attempts"],
        received_at=row["received_at"],
        next_attempt_at=row["next_attempt_at"],
        error_class=row["error_class"],
        error=row["error"],
        headers=row["headers"] or {},
    )
