"""Use cases of endpoints: register, approve, change, stop and start, rotate the secret, remove."""

import secrets as randomness
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import rules, schemas
from services.gateway.webhooks.claiming import live_secrets
from services.gateway.webhooks.reading import find_endpoint
from services.gateway.webhooks.settling import disable, note
from services.gateway.webhooks.signing import SECRET_BYTES, Vault, secret_of
from services.gateway.webhooks.tables import attempts, database_time, deliveries, endpoints, secrets
from shared.auth.access import Principal
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import contracts
from shared.problems import Conflict, InvalidInput, PreconditionFailed

MOST_PER_OWNER = 20
_ADMIN = "district_admin"


class TooManyEndpoints(Conflict):
    """You have as many endpoints as one integrator may have."""

    code = "webhook-endpoints-exhausted"


def register(
    draft: schemas.EndpointDraft, *, principal: Principal, settings: GatewaySettings, uow: UnitOfWork
) -> Row[Any]:
    """
    Add an endpoint with a fresh secret: active if an administrator adds it, else waiting for one's approval.

    Raises:
        UrlRefused: Nothing can be sent to that address.
        PatternUnknown: A pattern fits no event.
        TooManyEndpoints: The owner has enough of them.
        InvalidInput: The owner is missing, or somebody else than an administrator names one.
    """
    is_admin = principal.role == _ADMIN
    if is_admin and draft.owner_id is None:
        raise InvalidInput("`owner_id` must be the Signpost id of the integrator that receives the events.")
    if not is_admin and (draft.owner_id not in (None, principal.person_id) or draft.allowed_events is not None):
        raise InvalidInput("`owner_id` and `allowed_events` are given by an administrator, with the approval.")
    owner_id = draft.owner_id or principal.person_id
    _check_url(draft.url, settings)
    events = _patterns(draft.events)
    allowed = (_patterns(draft.allowed_events) if draft.allowed_events else events) if is_admin else []
    owned = uow.session.scalars(select(endpoints.c.endpoint_id).where(endpoints.c.owner_id == owner_id)).all()
    if len(owned) >= MOST_PER_OWNER:
        raise TooManyEndpoints(f"Remove one of the {MOST_PER_OWNER} first.")
    now = database_time(uow.session, uow.clock)
    row = {
        "endpoint_id": uuid4(),
        "owner_id": owner_id,
        "url": draft.url,
        "description": draft.description,
        "events": events,
        "allowed_events": allowed,
        "state": "active" if is_admin else "pending",
        "version": 1,
        "created_at": now,
        **asdict(rules.Streak()),
    }
    uow.session.execute(endpoints.insert().values(row))
    _add_secret(uow, row["endpoint_id"], settings)
    _note(uow, row["endpoint_id"], "created", principal)
    return find_endpoint(uow.session, principal, row["endpoint_id"])


def approve(endpoint_id: UUID, allowed_events: Sequence[str], *, principal: Principal, uow: UnitOfWork) -> Row[Any]:
    """
    Let a waiting endpoint be sent these event types, of which its owner chooses.

    Raises:
        Conflict: It has been approved; change `allowed_events` instead.
    """
    row = find_endpoint(uow.session, principal, endpoint_id, lock=True)
    if row.state != "pending":
        raise Conflict("It is approved already; change `allowed_events` with PATCH.")
    _write(uow, row, allowed_events=_patterns(allowed_events), state="active")
    _note(uow, endpoint_id, "approved", principal)
    return find_endpoint(uow.session, principal, endpoint_id)


def change(
    endpoint_id: UUID,
    wanted: schemas.EndpointChange,
    *,
    version: int,
    principal: Principal,
    settings: GatewaySettings,
    uow: UnitOfWork,
) -> Row[Any]:
    """
    Change what a person may change; what is queued is sent to the new address.

    Raises:
        PreconditionFailed: Somebody changed it since `version`.
        UrlRefused: Nothing can be sent to that address.
        PatternUnknown: A pattern fits no event.
        InvalidInput: Somebody else than an administrator changes what is permitted.
    """
    row = find_endpoint(uow.session, principal, endpoint_id, lock=True)
    if row.version != version:
        raise PreconditionFailed(f"It is at version {row.version}; read it again.")
    values = wanted.model_dump(exclude_none=True)
    if "allowed_events" in values and principal.role != _ADMIN:
        raise InvalidInput("`allowed_events` is changed by an administrator.")
    if wanted.url is not None:
        _check_url(wanted.url, settings)
        values |= asdict(rules.Streak(last_success_at=row.last_success_at, last_failure_at=row.last_failure_at))
    for patterns in values.keys() & {"events", "allowed_events"}:
        values[patterns] = _patterns(values[patterns])
    _write(uow, row, **values)
    _note(uow, endpoint_id, "changed", principal)
    return find_endpoint(uow.session, principal, endpoint_id)


def pause(endpoint_id: UUID, *, principal: Principal, uow: UnitOfWork) -> Row[Any]:
    """
    Send nothing for a while; what happens meanwhile is queued.

    Raises:
        Conflict: Nothing is sent to it as it is.
    """
    row = find_endpoint(uow.session, principal, endpoint_id, lock=True)
    overrides = row.state == "paused" and principal.role in (_ADMIN, "ops") and row.stopped_by == "integrator"
    if row.state != "active" and not overrides:
        raise Conflict(f"The endpoint is {row.state} already.")
    _write(uow, row, state="paused", stopped_by=principal.role, reason=None)
    _note(uow, endpoint_id, "paused", principal)
    return find_endpoint(uow.session, principal, endpoint_id)


def stop(endpoint_id: UUID, *, principal: Principal, uow: UnitOfWork) -> Row[Any]:
    """Disable an endpoint for good or until an administrator thinks better of it; what is queued is dropped."""
    row = find_endpoint(uow.session, principal, endpoint_id, lock=True)
    now = database_time(uow.session, uow.clock)
    disable(uow, row.endpoint_id, "by_person", by_role=principal.role, by_id=principal.person_id, now=now)
    return find_endpoint(uow.session, principal, endpoint_id)


def resume(endpoint_id: UUID, *, principal: Principal, uow: UnitOfWork) -> Row[Any]:
    """
    Send again, with a clean record. What a disabled endpoint missed is sent on request alone.

    Raises:
        Conflict: It is sent to already.
        NotYours: Somebody stopped it whom this person cannot overrule, or nobody approved it yet.
    """
    row = find_endpoint(uow.session, principal, endpoint_id, lock=True)
    if row.state == "active":
        raise Conflict("The endpoint is active already.")
    if row.state == "pending" or not rules.may_resume(principal.role, row.stopped_by):
        raise rules.NotYours(f"The endpoint is {row.state}; ask the district's administrator.")
    clean = rules.Streak(last_success_at=row.last_success_at, last_failure_at=row.last_failure_at)
    _write(uow, row, state="active", stopped_by=None, reason=None, **asdict(clean))
    _note(uow, endpoint_id, "resumed", principal)
    return find_endpoint(uow.session, principal, endpoint_id)


def remove(endpoint_id: UUID, *, principal: Principal, uow: UnitOfWork) -> None:
    """Remove an endpoint, its secrets and its log; what happened to it stays on record."""
    find_endpoint(uow.session, principal, endpoint_id, lock=True)
    for table in (deliveries, attempts, secrets, endpoints):
        uow.session.execute(delete(table).where(table.c.endpoint_id == endpoint_id))
    _note(uow, endpoint_id, "removed", principal)


def rotate_secret(
    endpoint_id: UUID, *, overlap: timedelta, principal: Principal, settings: GatewaySettings, uow: UnitOfWork
) -> None:
    """
    Sign with a new secret, and until the overlap ends with the one before as well.

    An overlap still running ends no later than it would have; of very many secrets the oldest stop signing.
    """
    find_endpoint(uow.session, principal, endpoint_id, lock=True)
    now = database_time(uow.session, uow.clock)
    own = secrets.c.endpoint_id == endpoint_id
    uow.session.execute(update(secrets).where(own, secrets.c.expires_at.is_(None)).values(expires_at=now + overlap))
    alive = select(secrets.c.secret_id).where(own, secrets.c.expires_at > now).order_by(secrets.c.created_at.desc())
    kept = uow.session.scalars(alive.limit(rules.MAX_SECRETS - 1)).all()
    uow.session.execute(delete(secrets).where(own, secrets.c.secret_id.not_in(kept)))
    _add_secret(uow, endpoint_id, settings)
    _note(uow, endpoint_id, "secret_rotated", principal)


def read_secret(session: Session, endpoint: Row[Any], *, settings: GatewaySettings, now: datetime) -> schemas.Secret:
    """The newest secret of an endpoint, in clear, for its owner or an administrator."""
    [newest, *earlier] = live_secrets(session, endpoint.endpoint_id, now)
    return schemas.Secret(
        secret=Vault.from_settings(settings).unlock(newest.locked),
        created_at=newest.created_at,
        replaces_until=max((each.expires_at for each in earlier), default=None),
    )


def _check_url(url: str, settings: GatewaySettings) -> None:
    rules.checked_url(url, allow_local=settings.webhook_allow_local, ports=settings.webhook_ports)


def _patterns(patterns: Sequence[str]) -> list[str]:
    return rules.checked_patterns(patterns, known=contracts().keys())


def _add_secret(uow: UnitOfWork, endpoint_id: UUID, settings: GatewaySettings) -> None:
    uow.session.execute(
        secrets.insert().values(
            secret_id=uuid4(),
            endpoint_id=endpoint_id,
            locked=Vault.from_settings(settings).lock(secret_of(randomness.token_bytes(SECRET_BYTES))),
            created_at=database_time(uow.session, uow.clock),
            expires_at=None,
        )
    )


def _write(uow: UnitOfWork, row: Row[Any], **values: Any) -> None:
    uow.session.execute(
        update(endpoints).where(endpoints.c.endpoint_id == row.endpoint_id).values(version=row.version + 1, **values)
    )


def _note(uow: UnitOfWork, endpoint_id: UUID, kind: str, principal: Principal) -> None:
    now = database_time(uow.session, uow.clock)
    note(uow, endpoint_id, kind, by_role=principal.role, by_id=principal.person_id, now=now)
