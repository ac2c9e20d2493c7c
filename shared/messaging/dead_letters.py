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
    rows = _lock(uow, event_ids)
    _record(uow, rows, actor=actor, action="replay", reason=None)
    uow.session.execute(
        update(inbox)
        .where(inbox.c.event_id.in_(event_ids), inbox.c.state.in_(UNAPPLIED))
        .values(state=PARKED, attempts=0, next_attempt_at=uow.clock.now())
    )
    return len(rows)


def discard(uow: UnitOfWork, event_ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """
    Give up on dead letters for good; the row and the reason stay, the body goes. How many.

    Raises:
        ReasonMissing: There is no reason.
        NotFound: One of them is not parked or dead; nothing is changed then.
    """
    if not reason.strip():
        raise ReasonMissing("Say why the event will never be applied: it is kept in the record.")
    rows = _lock(uow, event_ids)
    _record(uow, rows, actor=actor, action="discard", reason=reason)
    uow.session.execute(
        update(inbox)
        .where(inbox.c.event_id.in_(event_ids), inbox.c.state.in_(UNAPPLIED))
        .values(state=DISCARDED, body=None, next_attempt_at=None)
    )
    return len(rows)


def count_unapplied(database: Database) -> tuple[int, int]:
    """Parked and dead events of one service."""
    statement = select(inbox.c.state, func.count()).where(inbox.c.state.in_(UNAPPLIED)).group_by(inbox.c.state)
    with database.reading() as session:
        counts: dict[str, int] = {state: number for state, number in session.execute(statement)}  # noqa: C416
    return counts.get(PARKED, 0), counts.get(DEAD, 0)


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
