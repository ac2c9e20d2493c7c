"""Reads of endpoints and of what they were sent."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, false, func, literal, select, tuple_
from sqlalchemy.orm import Session

from services.gateway.webhooks import rules, schemas
from services.gateway.webhooks.tables import attempts, changes, deliveries, endpoints
from shared.auth.access import Principal
from shared.events.contract import contracts
from shared.problems import NotFound

_HEALTH_WINDOW = timedelta(hours=24)
_CHANGES_SHOWN = 200


def visible_endpoints(principal: Principal) -> Select[Any]:
    """Endpoints a person may know of: an integrator their own, administrators and operations all."""
    statement = select(endpoints)
    if principal.role == "integrator":
        return statement.where(endpoints.c.owner_id == principal.person_id)
    if principal.role not in ("district_admin", "ops"):
        return statement.where(false())
    return statement


def find_endpoint(session: Session, principal: Principal, endpoint_id: UUID, *, lock: bool = False) -> Row[Any]:
    """
    Raises:
        NotFound: There is none, or it is not this person's.
    """
    statement = visible_endpoints(principal).where(endpoints.c.endpoint_id == endpoint_id)
    row = session.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound
    return row


def list_endpoints(
    session: Session, principal: Principal, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    position = tuple_(endpoints.c.created_at, endpoints.c.endpoint_id)
    statement = visible_endpoints(principal).order_by(endpoints.c.created_at, endpoints.c.endpoint_id).limit(limit)
    if after is not None:
        statement = statement.where(position > _bound(endpoints, after))
    return session.execute(statement).all()


def endpoint_document(row: Row[Any], role: str) -> schemas.Endpoint:
    shown = row._mapping
    hidden = dict.fromkeys(("url", "description", "events", "allowed_events")) if role == "ops" else {}
    sent = None if hidden else sent_events(row.events, row.allowed_events)
    return schemas.Endpoint.model_validate({**shown, **hidden, "sent_events": sent})


def sent_events(events: Sequence[str], allowed: Sequence[str]) -> list[str]:
    return [each for each in contracts() if rules.is_sent(each, events=events, allowed=allowed)]


def list_deliveries(
    session: Session, endpoint_id: UUID, *, state: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    statement = select(deliveries).where(deliveries.c.endpoint_id == endpoint_id)
    if state is not None:
        statement = statement.where(deliveries.c.state == state)
    if before is not None:
        position = tuple_(deliveries.c.created_at, deliveries.c.delivery_id)
        statement = statement.where(position < _bound(deliveries, before))
    ordered = statement.order_by(deliveries.c.created_at.desc(), deliveries.c.delivery_id.desc())
    return session.execute(ordered.limit(limit)).all()


def read_delivery(session: Session, endpoint_id: UUID, event_id: UUID) -> schemas.DeliveryDetail:
    """
    Raises:
        NotFound: This endpoint was never to be sent that event, or it is forgotten.
    """
    own = (deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id == event_id)
    row = session.execute(select(deliveries).where(*own)).first()
    if row is None:
        raise NotFound
    tried = session.execute(
        select(attempts)
        .where(attempts.c.endpoint_id == endpoint_id, attempts.c.event_id == event_id)
        .order_by(attempts.c.at)
    )
    log = [schemas.Attempt.model_validate(each, from_attributes=True) for each in tried]
    return schemas.DeliveryDetail.model_validate({**row._mapping, "log": log})


def read_health(session: Session, endpoint: Row[Any], *, now: datetime) -> schemas.Health:
    recent = (attempts.c.endpoint_id == endpoint.endpoint_id, attempts.c.at > now - _HEALTH_WINDOW)
    tries, average_ms, slowest_ms = session.execute(
        select(func.count(), func.avg(attempts.c.took_ms), func.max(attempts.c.took_ms)).where(*recent)
    ).one()
    failures = session.scalar(select(func.count()).where(*recent, attempts.c.outcome != rules.DELIVERED)) or 0
    queued, oldest = session.execute(
        select(func.count(), func.min(deliveries.c.created_at)).where(
            deliveries.c.endpoint_id == endpoint.endpoint_id, deliveries.c.state.in_(("queued", "sending"))
        )
    ).one()
    since = endpoint.failing_since
    stopped = endpoint.state != "active"
    return schemas.Health(
        state=endpoint.state,
        verdict="stopped" if stopped else "failing" if since else "healthy" if tries else "idle",
        failing_since=since,
        failures_in_row=endpoint.failures_in_row,
        disabled_if_failing_until=None if stopped or since is None else since + rules.DISABLED_AFTER,
        last_success_at=endpoint.last_success_at,
        last_failure_at=endpoint.last_failure_at,
        tries=tries,
        failures=failures,
        average_ms=None if average_ms is None else round(average_ms),
        slowest_ms=slowest_ms,
        queued=queued,
        oldest_queued_at=oldest,
        rest_until=endpoint.rest_until if endpoint.rest_until and endpoint.rest_until > now else None,
    )


def list_changes(session: Session, endpoint_id: UUID) -> schemas.ChangeList:
    statement = select(changes).where(changes.c.endpoint_id == endpoint_id).order_by(changes.c.position.desc())
    rows = session.execute(statement.limit(_CHANGES_SHOWN))
    return schemas.ChangeList(items=[schemas.Change.model_validate(row, from_attributes=True) for row in rows])


def _bound(table: Any, position: tuple[datetime, UUID]) -> Any:
    """The position as values of the table's own column types, which SQLite stores as text."""
    at, last_id = position
    identity = table.c.endpoint_id if table is endpoints else table.c.delivery_id
    return tuple_(literal(at, table.c.created_at.type), literal(last_id, identity.type))
