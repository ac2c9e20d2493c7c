"""The transaction after sending: what became of each delivery, and of the endpoint it went to."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from services.gateway.webhooks import rules
from services.gateway.webhooks.claiming import Claim, ledger_of, write_ledger
from services.gateway.webhooks.tables import attempts, changes, database_time, deliveries, endpoints
from shared.auth.access import Principal, disclose
from shared.database.unit_of_work import UnitOfWork
from shared.telemetry.logs import get_logger
from shared.telemetry.metrics import WEBHOOKS_DISABLED, WEBHOOKS_SENT

SIGNPOST = "signpost"
log = get_logger(__name__)


@dataclass(frozen=True)
class Result:
    """What came of a claim."""

    claim: Claim
    attempt: rules.Attempt
    took_ms: int


def settle(uow: UnitOfWork, results: Sequence[Result], *, randomness: random.Random) -> None:
    """Write what became of these claims; of those that lapsed meanwhile only a success still counts."""
    now = database_time(uow.session, uow.clock)
    # Endpoints first and in order, as everybody locks them who locks deliveries too.
    found = uow.session.execute(
        select(endpoints)
        .where(endpoints.c.endpoint_id.in_({result.claim.endpoint_id for result in results}))
        .order_by(endpoints.c.endpoint_id)
        .with_for_update()
    ).all()
    for endpoint in found:
        own = [result for result in results if result.claim.endpoint_id == endpoint.endpoint_id]
        _settle_endpoint(uow, endpoint, own, now, randomness)


def _settle_endpoint(
    uow: UnitOfWork, endpoint: Row[Any], results: Iterable[Result], now: datetime, randomness: random.Random
) -> None:
    streak, verdict = streak_of(endpoint), None
    for result in results:
        row = uow.session.execute(
            select(deliveries).where(deliveries.c.delivery_id == result.claim.delivery_id).with_for_update()
        ).first()
        if row is None or not _counts(row, result):
            continue
        ledger = rules.after(ledger_of(row), result.attempt, now=now, jitter=randomness.random())
        write_ledger(uow, row.delivery_id, ledger)
        _log_attempt(uow, result, now)
        if result.attempt.may_have_been_read and not row.disclosed:
            _disclose(uow, result.claim, now)
        streak = streak.after(result.attempt, now=now)
        if result.attempt.outcome == rules.GONE:
            verdict = rules.GONE
        elif not result.attempt.delivered and streak.is_hopeless(ledger.attempts, now=now):
            verdict = verdict or "failing"
    if streak.is_worrying(now=now) and verdict is None:
        streak = _warn(uow, endpoint.endpoint_id, streak, now)
    uow.session.execute(
        update(endpoints).where(endpoints.c.endpoint_id == endpoint.endpoint_id).values(**asdict(streak))
    )
    if endpoint.state == "disabled":
        drop_queued(uow, endpoint.endpoint_id, now)
    elif verdict is not None:
        disable(uow, endpoint.endpoint_id, verdict, by_role=SIGNPOST, now=now)


def disable(
    uow: UnitOfWork, endpoint_id: UUID, reason: str, *, by_role: str, now: datetime, by_id: UUID | None = None
) -> None:
    """Send nothing more there until a person says so; the endpoint must be locked. Its owner finds the notice."""
    uow.session.execute(
        update(endpoints)
        .where(endpoints.c.endpoint_id == endpoint_id)
        .values(state="disabled", reason=reason, stopped_by=by_role, version=endpoints.c.version + 1)
    )
    drop_queued(uow, endpoint_id, now)
    note(uow, endpoint_id, "disabled", by_role=by_role, by_id=by_id, reason=reason, now=now)
    WEBHOOKS_DISABLED.labels(reason).inc()
    log.warning("webhook_disabled", endpoint_id=str(endpoint_id), reason=reason)


def drop_queued(uow: UnitOfWork, endpoint_id: UUID, now: datetime) -> None:
    uow.session.execute(
        update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == "queued")
        .values(state="failed", reason="endpoint_disabled", next_attempt_at=None, finished_at=now)
    )


def note(
    uow: UnitOfWork,
    endpoint_id: UUID,
    kind: str,
    *,
    by_role: str,
    now: datetime,
    by_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Write down what happened to an endpoint, for its owner and the administrators."""
    row = {"endpoint_id": endpoint_id, "at": now, "kind": kind, "reason": reason, "by_id": by_id, "by_role": by_role}
    uow.session.execute(changes.insert().values(row))


def streak_of(row: Row[Any]) -> rules.Streak:
    return rules.Streak(**{name: getattr(row, name) for name in rules.Streak.__dataclass_fields__})


def _counts(row: Row[Any], result: Result) -> bool:
    if row.attempt_id != result.claim.attempt_id:
        return False
    return row.state == "sending" or (result.attempt.delivered and row.state != rules.DELIVERED)


def _disclose(uow: UnitOfWork, claim: Claim, now: datetime) -> None:
    """Once per delivery: somebody outside the school and the family was told of a student."""
    if claim.student_id is None:
        return
    owner = Principal(claim.owner_id, "integrator")
    disclose(uow.session, owner, student_id=claim.student_id, resource="events", reason="webhook", now=now)
    uow.session.execute(update(deliveries).where(deliveries.c.delivery_id == claim.delivery_id).values(disclosed=True))


def _warn(uow: UnitOfWork, endpoint_id: UUID, streak: rules.Streak, now: datetime) -> rules.Streak:
    note(uow, endpoint_id, "failing", by_role=SIGNPOST, reason="failing", now=now)
    log.warning("webhook_failing", endpoint_id=str(endpoint_id), since=str(streak.failing_since))
    return replace(streak, warned=True)


def _log_attempt(uow: UnitOfWork, result: Result, now: datetime) -> None:
    claim, attempt = result.claim, result.attempt
    uow.session.execute(
        attempts.insert().values(
            attempt_id=claim.attempt_id,
            endpoint_id=claim.endpoint_id,
            event_id=claim.event_id,
            at=now,
            took_ms=result.took_ms,
            outcome=attempt.outcome,
            status=attempt.status,
            address=attempt.address,
        )
    )
    WEBHOOKS_SENT.labels("delivered" if attempt.delivered else attempt.outcome).inc()
