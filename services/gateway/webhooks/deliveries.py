"""What is to be sent to whom: a delivery per endpoint and event, made, made again on request, forgotten in time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, delete, or_, select

from services.gateway.journeys.tables import event_log
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import rules
from services.gateway.webhooks.tables import attempts, database_time, deliveries, endpoints, secrets
from shared.database.schema import insert_new, upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import contracts
from shared.events.envelope import Envelope
from shared.messaging.worker.periodic import Tick
from shared.problems import Conflict, NotFound

_SUBSCRIBED = "webhook_endpoints"
_RESENT = (
    "state",
    "reason",
    "attempts",
    "attempt_id",
    "claimed_until",
    "next_attempt_at",
    "created_at",
    "finished_at",
)
RESENT_AT_ONCE = 10_000


def fan_out(envelope: Envelope, *, uow: UnitOfWork) -> None:
    """Queue an event for every endpoint that is sent its type. Paused ones get it once they go on."""
    rows = [
        _row(uow, endpoint.endpoint_id, envelope.id, envelope.type, envelope.traceparent)
        for endpoint in _subscribed(uow)
        if _wants(endpoint, envelope.type)
    ]
    insert_new(uow.session, deliveries, rows)


def queue_test(endpoint_id: UUID, *, uow: UnitOfWork) -> UUID:
    """
    Queue an event that says nothing, to see whether the endpoint takes it; its id.

    Raises:
        Conflict: Nothing is sent to the endpoint at present.
    """
    _require_active(uow, endpoint_id)
    event_id = uuid4()
    uow.session.execute(deliveries.insert().values(_row(uow, endpoint_id, event_id, rules.TEST_TYPE, None)))
    return event_id


def resend(endpoint_id: UUID, event_id: UUID, *, uow: UnitOfWork) -> None:
    """
    Send an event again, with the schedule from its beginning, whatever became of it.

    Raises:
        NotFound: This endpoint was never to be sent that event.
        Conflict: It is being sent right now, or nothing is sent to the endpoint at present.
    """
    endpoint = _require_active(uow, endpoint_id)
    row = uow.session.execute(
        select(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id == event_id)
        .with_for_update()
    ).first()
    # The district may have narrowed what this endpoint is sent since.
    if row is None or (row.event_type != rules.TEST_TYPE and not _wants(endpoint, row.event_type)):
        raise NotFound
    if row.state == "sending":
        raise Conflict("This event is being sent right now; look at its attempts in a moment.")
    again = _row(uow, endpoint_id, event_id, row.event_type, row.traceparent)
    upsert(uow.session, deliveries, again, key=["endpoint_id", "event_id"], only=_RESENT)


def resend_range(
    endpoint_id: UUID, *, since: datetime, until: datetime, only_undelivered: bool, uow: UnitOfWork
) -> int:
    """
    Send the events of a time again, also those that were never queued because the endpoint was new or disabled.

    Returns:
        How many were queued; at most RESENT_AT_ONCE, the oldest.

    Raises:
        Conflict: Nothing is sent to the endpoint at present.
    """
    endpoint = _require_active(uow, endpoint_id)
    wanted = [event_type for event_type in contracts() if _wants(endpoint, event_type)]
    unsent = or_(deliveries.c.state.is_(None), deliveries.c.state == "failed")
    settled = or_(unsent, deliveries.c.state == "delivered")
    rows = uow.session.execute(
        select(event_log.c.event_id, event_log.c.type)
        .outerjoin(
            deliveries,
            (deliveries.c.event_id == event_log.c.event_id) & (deliveries.c.endpoint_id == endpoint_id),
        )
        .where(event_log.c.time >= since, event_log.c.time < until, event_log.c.type.in_(wanted))
        .where(unsent if only_undelivered else settled)
        .order_by(event_log.c.time)
        .limit(RESENT_AT_ONCE)
    ).all()
    queued = [_row(uow, endpoint_id, row.event_id, row.type, None) for row in rows]
    upsert(uow.session, deliveries, queued, key=["endpoint_id", "event_id"], only=_RESENT)
    return len(queued)


def forget_old(tick: Tick, *, portion: int = 1_000) -> int:
    """Remove a portion of what was sent longer ago than the settings say, and secrets that sign no more; how many."""
    days = tick.settings.specialized(GatewaySettings).webhook_log_days
    with tick.database.transaction() as uow:
        now = database_time(uow.session, uow.clock)
        before = now - timedelta(days=days)
        old = select(deliveries.c.delivery_id).where(deliveries.c.created_at < before, deliveries.c.state != "sending")
        chosen = uow.session.scalars(old.order_by(deliveries.c.created_at).limit(portion)).all()
        uow.session.execute(delete(deliveries).where(deliveries.c.delivery_id.in_(chosen)))
        tries = select(attempts.c.attempt_id).where(attempts.c.at < before).order_by(attempts.c.at).limit(portion)
        forgotten = uow.session.scalars(tries).all()
        uow.session.execute(delete(attempts).where(attempts.c.attempt_id.in_(forgotten)))
        uow.session.execute(delete(secrets).where(secrets.c.expires_at < now))
        return len(chosen) + len(forgotten)


def _subscribed(uow: UnitOfWork) -> Sequence[Row[Any]]:
    """Read once per transaction, which may hold hundreds of events."""
    if _SUBSCRIBED not in uow.session.info:
        statement = select(endpoints.c.endpoint_id, endpoints.c.events, endpoints.c.allowed_events)
        found = uow.session.execute(statement.where(endpoints.c.state.in_(("active", "paused")))).all()
        uow.session.info[_SUBSCRIBED] = found
    subscribed: Sequence[Row[Any]] = uow.session.info[_SUBSCRIBED]
    return subscribed


def _require_active(uow: UnitOfWork, endpoint_id: UUID) -> Row[Any]:
    row = uow.session.execute(select(endpoints).where(endpoints.c.endpoint_id == endpoint_id).with_for_update()).one()
    if row.state != "active":
        raise Conflict(f"The endpoint is {row.state}; resume it first.")
    return row


def _wants(endpoint: Row[Any], event_type: str) -> bool:
    return rules.is_sent(event_type, events=endpoint.events, allowed=endpoint.allowed_events)


def _row(
    uow: UnitOfWork, endpoint_id: UUID, event_id: UUID, event_type: str, traceparent: str | None
) -> dict[str, Any]:
    now = database_time(uow.session, uow.clock)
    return {
        "delivery_id": uuid4(),
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "event_type": event_type,
        "state": "queued",
        "reason": None,
        "attempts": 0,
        "attempt_id": None,
        "claimed_until": None,
        "next_attempt_at": now,
        "traceparent": traceparent,
        "disclosed": False,
        "created_at": now,
        "finished_at": None,
    }
