"""The transaction before sending: taking a fair share of what is due, with all it takes to send it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session

from services.gateway.journeys.tables import event_log
from services.gateway.webhooks import rules
from services.gateway.webhooks.tables import attempts, database_time, deliveries, endpoints, secrets
from shared.clock import Clock
from shared.database.unit_of_work import UnitOfWork

_CLAIM = (
    update(deliveries)
    .where(deliveries.c.delivery_id == bindparam("key"))
    .values(state="sending", attempt_id=bindparam("attempt"), claimed_until=bindparam("until"))
)

_LOGGED = (
    event_log.c.time,
    event_log.c.source,
    event_log.c.subject,
    event_log.c.subject_version,
    event_log.c.correlation_id,
    event_log.c.causation_id,
    event_log.c.event,
    event_log.c.student_id,
)


@dataclass(frozen=True)
class Claim:
    """A delivery this worker may try once."""

    delivery_id: UUID
    attempt_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    student_id: UUID | None
    owner_id: UUID
    url: str
    traceparent: str | None
    body: bytes | None = field(repr=False)  # None where the event log no longer has it
    locked_secrets: tuple[str, ...] = field(repr=False)


def has_due(session: Session, clock: Clock) -> bool:
    """A cheap look, so that an idle tick takes no write lock on SQLite."""
    now = database_time(session, clock)
    due = select(endpoints.c.endpoint_id).where(_may_be_sent_to(now), exists().where(_due(now)))
    return any(session.execute(each.limit(1)).first() for each in (due, select(deliveries).where(_lapsed(now))))


def claim_due(uow: UnitOfWork, *, capacity: int, per_endpoint: int, lease_s: float) -> list[Claim]:
    """
    Claim deliveries to send, from every endpoint with something due alike.

    Args:
        capacity: How many this worker can send at once more than it does.
        per_endpoint: How many one endpoint may be sent at once, by all workers together.
    """
    now = database_time(uow.session, uow.clock)
    _give_up_lapsed(uow, now)
    found = uow.session.execute(
        select(endpoints)
        .where(_may_be_sent_to(now), exists().where(_due(now)))
        .order_by(endpoints.c.endpoint_id)
        .with_for_update(skip_locked=True)  # another worker is taking from the others
    ).all()
    in_flight = _in_flight(uow.session)
    claims: list[Claim] = []
    for number, endpoint in enumerate(found):
        limit = rules.in_flight_limit(endpoint.failures_in_row, per_endpoint) - in_flight.get(endpoint.endpoint_id, 0)
        # The share grows as endpoints before it leave theirs; each gets one at least.
        share = max(1, (capacity - len(claims)) // (len(found) - number))
        wanted = min(limit, share, capacity - len(claims))
        if wanted > 0:
            claims += _claim(uow, endpoint, wanted, now)
    if claims:
        until = now + timedelta(seconds=lease_s)
        values = [{"key": each.delivery_id, "attempt": each.attempt_id, "until": until} for each in claims]
        uow.session.execute(_CLAIM, values)
    return claims


def _claim(uow: UnitOfWork, endpoint: Row[Any], wanted: int, now: datetime) -> list[Claim]:
    rows = uow.session.execute(
        select(deliveries, *_LOGGED)
        .outerjoin(event_log, event_log.c.event_id == deliveries.c.event_id)
        .where(deliveries.c.endpoint_id == endpoint.endpoint_id, deliveries.c.state == "queued")
        .where(deliveries.c.next_attempt_at <= now)
        .order_by(deliveries.c.next_attempt_at)
        .limit(wanted)
        .with_for_update(of=deliveries, skip_locked=True)
    ).all()
    locked = tuple(row.locked for row in live_secrets(uow.session, endpoint.endpoint_id, now))
    return [
        Claim(
            delivery_id=row.delivery_id,
            attempt_id=uuid4(),
            endpoint_id=endpoint.endpoint_id,
            event_id=row.event_id,
            event_type=row.event_type,
            student_id=row.student_id,
            owner_id=endpoint.owner_id,
            url=endpoint.url,
            traceparent=row.traceparent,
            body=_body(row),
            locked_secrets=locked,
        )
        for row in rows
    ]


def live_secrets(session: Session, endpoint_id: UUID, now: datetime) -> Sequence[Row[Any]]:
    """Those that sign now, encrypted, the newest first: the one that does not expire."""
    alive = or_(secrets.c.expires_at.is_(None), secrets.c.expires_at > now)
    statement = select(secrets).where(secrets.c.endpoint_id == endpoint_id, alive)
    return session.execute(statement.order_by(secrets.c.expires_at.is_not(None), secrets.c.created_at.desc())).all()


def _body(row: Row[Any]) -> bytes | None:
    if row.event_type == rules.TEST_TYPE:
        return rules.message_body(
            event_id=row.event_id,
            event_type=rules.TEST_TYPE,
            at=row.created_at,
            source="/signpost/gateway",
            subject=str(row.endpoint_id),
            subject_version=1,
            correlation_id=None,
            causation_id=None,
            event={"endpoint_id": str(row.endpoint_id)},
        )
    if row.event is None:
        return None
    return rules.message_body(
        event_id=row.event_id,
        event_type=row.event_type,
        at=row.time,
        source=row.source,
        subject=row.subject,
        subject_version=row.subject_version,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        event=row.event,
    )


def _give_up_lapsed(uow: UnitOfWork, now: datetime) -> None:
    """Deliveries whose worker died holding them: sent or not, nobody knows, so they are sent again on schedule."""
    rows = uow.session.execute(select(deliveries).where(_lapsed(now)).limit(200).with_for_update(skip_locked=True))
    for row in rows.all():
        lost = rules.Attempt(rules.LOST, is_ours=True)
        ledger = rules.after(ledger_of(row), lost, now=now, jitter=0.0)
        # The attempt stays written there: should its worker live, and say "delivered" after all, it is believed.
        write_ledger(uow, row.delivery_id, ledger)
        uow.session.execute(
            attempts.insert().values(
                attempt_id=uuid4(),
                endpoint_id=row.endpoint_id,
                event_id=row.event_id,
                at=now,
                took_ms=0,
                outcome=rules.LOST,
            )
        )


def ledger_of(row: Row[Any]) -> rules.Ledger:
    return rules.Ledger(row.state, row.attempts, row.next_attempt_at, row.finished_at, row.reason)


def write_ledger(uow: UnitOfWork, delivery_id: UUID, ledger: rules.Ledger) -> None:
    uow.session.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id)
        .values(
            state=ledger.state,
            attempts=ledger.attempts,
            next_attempt_at=ledger.next_attempt_at,
            finished_at=ledger.finished_at,
            reason=ledger.reason,
            claimed_until=None,
        )
    )


def _in_flight(session: Session) -> dict[UUID, int]:
    statement = select(deliveries.c.endpoint_id, func.count()).where(deliveries.c.state == "sending")
    return {row[0]: row[1] for row in session.execute(statement.group_by(deliveries.c.endpoint_id))}


def _may_be_sent_to(now: datetime) -> ColumnElement[bool]:
    return and_(endpoints.c.state == "active", or_(endpoints.c.rest_until.is_(None), endpoints.c.rest_until <= now))


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(
        deliveries.c.endpoint_id == endpoints.c.endpoint_id,
        deliveries.c.state == "queued",
        deliveries.c.next_attempt_at <= now,
    )


def _lapsed(now: datetime) -> ColumnElement[bool]:
    return and_(deliveries.c.state == "sending", deliveries.c.claimed_until < now)
