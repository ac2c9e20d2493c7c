"""The transaction before sending: claiming what is due, and deciding again who may be written to."""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, and_, bindparam, func, select, update
from sqlalchemy.orm import Session

from services.notifications.notices.handlers import database_time, event_of
from services.notifications.notices.rules import Ledger, SendingPolicy, is_expired, uncertain
from services.notifications.notices.settling import Claim, fail_unsent, ledger_of, write_ledgers
from services.notifications.notices.tables import causes, messages, notices
from services.notifications.people.handlers import may_hear_of
from services.notifications.people.tables import recipients, students
from shared.clock import Clock
from shared.database.unit_of_work import UnitOfWork
from shared.telemetry.metrics import MESSAGES_SENT


def has_due(session: Session, clock: Clock, channels: Collection[str]) -> bool:
    """A cheap look, so that an idle tick takes no write lock on SQLite."""
    # The same clock as `database_time`: a worker behind the database's would otherwise find everything late.
    now = func.now() if session.get_bind().dialect.name == "postgresql" else clock.now()
    lapsed = and_(messages.c.state == "sending", messages.c.claimed_until < now)
    due = and_(
        messages.c.state.in_(("queued", "uncertain")),
        messages.c.next_attempt_at <= now,
        messages.c.channel.in_(channels),
    )
    return any(session.execute(select(messages.c.message_id).where(each).limit(1)).first() for each in (due, lapsed))


def claim_due(
    uow: UnitOfWork,
    *,
    limit: int,
    lease_s: float,
    channels: Collection[str],
    policy: SendingPolicy,
    today: datetime,
    randomness: random.Random,
) -> tuple[list[Claim], int]:
    """
    Claim messages to send; whoever may not be written to any more is passed over here, in the same transaction.

    Args:
        channels: Those whose provider can be reached.
        today: The present instant in the district's time zone.

    Returns:
        The claims, and how many rows were looked at.
    """
    now = database_time(uow)
    lapsed = _mark_lapsed(uow, limit=limit, policy=policy, now=now, randomness=randomness)
    rows = uow.session.execute(
        _due(now, channels, today).limit(limit).with_for_update(of=messages, skip_locked=True)
    ).all()
    claims: list[Claim] = []
    for row in rows:
        refusal = _refusal(row, policy=policy, now=now)
        if refusal is None:
            claims.append(_claim(row))
        else:
            _refuse(uow, row, refusal, now)
    if claims:
        _write_claims(uow, claims, until=now + timedelta(seconds=lease_s))
    return claims, len(rows) + lapsed


def _due(now: datetime, channels: Collection[str], today: datetime) -> Select[Any]:
    return (
        select(
            messages,
            notices.c.template,
            notices.c.audience,
            notices.c.student_id,
            notices.c.recipient_id,
            notices.c.channels,
            notices.c.created_at.label("noticed_at"),
            causes.c.payload,
            causes.c.envelope,
            recipients.c.language,
            recipients.c.sealed_contact,
            recipients.c.removed,
            students.c.sealed_name,
            may_hear_of(notices, now=today).label("may_hear"),
        )
        .join(notices, notices.c.notice_id == messages.c.notice_id)
        .join(causes, causes.c.event_id == notices.c.cause_id)
        .join(students, students.c.student_id == notices.c.student_id)
        .outerjoin(recipients, recipients.c.person_id == notices.c.recipient_id)
        .where(
            messages.c.state.in_(("queued", "uncertain")),
            messages.c.next_attempt_at <= now,
            messages.c.channel.in_(channels),
        )
        .order_by(messages.c.urgency, messages.c.next_attempt_at)
    )


def _mark_lapsed(
    uow: UnitOfWork, *, limit: int, policy: SendingPolicy, now: datetime, randomness: random.Random
) -> int:
    """Messages whose worker died holding them: handed over or not, nobody knows."""
    rows = uow.session.execute(
        select(messages)
        .where(messages.c.state == "sending", messages.c.claimed_until < now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    changed: dict[UUID, Ledger] = {}
    for row in rows:
        ledger = uncertain(ledger_of(row), policy=policy, now=now, jitter=randomness.random())
        # The wait for the lease was long enough; what remains is to ask, or to try again.
        changed[row.message_id] = replace(ledger, next_attempt_at=now) if ledger.state == "uncertain" else ledger
        MESSAGES_SENT.labels(row.channel, "uncertain").inc()
        if ledger.state == "failed":
            fail_unsent(uow, row, "uncertain")
    write_ledgers(uow, changed)
    return len(changed)


def _refusal(row: Row[Any], *, policy: SendingPolicy, now: datetime) -> str | None:
    """Why this message must not go out, decided at the last moment; None if it may."""
    if row.removed:
        return "recipient_removed"
    if not row.may_hear:
        return "not_allowed"
    return "expired" if is_expired(row.created_at, policy, now) else None


def _refuse(uow: UnitOfWork, row: Row[Any], reason: str, now: datetime) -> None:
    state = "failed" if reason == "expired" else "suppressed"
    uow.session.execute(
        update(messages)
        .where(messages.c.message_id == row.message_id)
        .values(state=state, reason=reason, next_attempt_at=None, finished_at=now)
    )
    MESSAGES_SENT.labels(row.channel, state).inc()
    fail_unsent(uow, row, reason, state=state)


def _claim(row: Row[Any]) -> Claim:
    event, envelope = event_of(row.envelope, row.payload)
    return Claim(
        message_id=row.message_id,
        attempt_id=uuid4(),
        channel=row.channel,
        ledger=ledger_of(row),
        notice_id=row.notice_id,
        template=row.template,
        audience=row.audience,
        student_id=row.student_id,
        recipient_id=row.recipient_id,
        noticed_at=row.noticed_at,
        language=row.language or "en",
        sealed_contact=row.sealed_contact,
        sealed_name=row.sealed_name,
        event=event,
        envelope=envelope,
    )


def _write_claims(uow: UnitOfWork, claims: Sequence[Claim], *, until: datetime) -> None:
    statement = (
        update(messages)
        .where(messages.c.message_id == bindparam("key"))
        .values(state="sending", attempt_id=bindparam("attempt"), claimed_until=until)
    )
    uow.session.execute(statement, [{"key": claim.message_id, "attempt": claim.attempt_id} for claim in claims])
