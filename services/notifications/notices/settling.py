"""The transaction after sending: what became of each message, and what follows from it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update

from services.notifications.delivery.ports import Accepted
from services.notifications.notices.handlers import database_time, message_row
from services.notifications.notices.rules import Ledger, Outcome, SendingPolicy, after, failure_reason, next_channel
from services.notifications.notices.tables import causes, messages, notices
from services.notifications.people.handlers import Audience
from shared.database.schema import insert_new
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.events.notifications import NoticeDelivered, NoticeFailed
from shared.telemetry.metrics import MESSAGES_SENT

_LEDGER_FIELDS = tuple(name for name in Ledger.__dataclass_fields__ if name != "created_at")
_LEDGER_UPDATE = (
    update(messages)
    .where(messages.c.message_id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in _LEDGER_FIELDS} | {"claimed_until": None})
)


_NOTICE_UPDATE = (
    update(notices)
    .where(notices.c.notice_id == bindparam("key"))
    .values(state=bindparam("new_state"), version=bindparam("new_version"))
)


@dataclass(frozen=True)
class Claim:
    """A message this worker may send once, with all it takes to render it. Personal data in it is still sealed."""

    message_id: UUID
    attempt_id: UUID
    channel: str
    ledger: Ledger
    notice_id: UUID
    template: str
    audience: Audience
    student_id: UUID
    recipient_id: UUID
    noticed_at: datetime
    language: str
    sealed_contact: str | None
    sealed_name: str
    event: Event
    envelope: Envelope

    @property
    def is_uncertain(self) -> bool:
        """An earlier attempt ended without anybody knowing how: the provider is asked first."""
        return self.ledger.state == "uncertain"


@dataclass(frozen=True)
class Result:
    """How one claimed message fared, and the trace in which it did."""

    claim: Claim
    outcome: Outcome
    traceparent: str | None = None


def settle(uow: UnitOfWork, results: Sequence[Result], *, policy: SendingPolicy, randomness: random.Random) -> None:
    """
    Write what became of claimed messages and emit what follows.

    A result whose attempt is no longer the one in the ledger is dropped: its lease had run out
    and the message is being dealt with by somebody else.
    """
    now = database_time(uow)
    by_message = {result.claim.message_id: result for result in results}
    held = uow.session.execute(
        select(messages)
        .where(messages.c.message_id.in_(by_message), messages.c.state.in_(("sending", "uncertain")))
        .order_by(messages.c.message_id)
        .with_for_update()
    ).all()
    changed: dict[UUID, Ledger] = {}
    finished: list[tuple[Result, Ledger]] = []
    for row in held:
        result = by_message[row.message_id]
        if row.attempt_id != result.claim.attempt_id:
            continue
        if row.state == "uncertain" and not isinstance(result.outcome, Accepted):
            continue
        before = replace(result.claim.ledger, reported=row.reported, times_uncertain=row.times_uncertain)
        ledger = after(result.outcome, before, policy=policy, now=now, jitter=randomness.random())
        changed[row.message_id] = ledger
        finished.append((result, ledger))
        MESSAGES_SENT.labels(result.claim.channel, _outcome_label(result.outcome)).inc()
    write_ledgers(uow, changed)
    _settle_notices(uow, finished, now)


def record_report(message_id: UUID, reported: str, *, provider_id: str | None, uow: UnitOfWork) -> bool:
    """
    Write what a provider reports later about a message it accepted.

    Returns:
        False if no such message was ever handed over.
    """
    row = uow.session.execute(select(messages).where(messages.c.message_id == message_id).with_for_update()).first()
    if row is None or row.state == "queued" or (row.provider_id and provider_id and row.provider_id != provider_id):
        return False
    now = uow.clock.now()
    uow.session.execute(update(messages).where(messages.c.message_id == message_id).values(reported=reported))
    if row.state != "accepted":  # still in hand: the report overtook the answer, and counts once that is settled
        return True
    failed = reported == "failed"
    uow.session.execute(
        update(messages)
        .where(messages.c.message_id == message_id)
        .values(state=reported, reason="undelivered" if failed else None, finished_at=now)
    )
    if failed:
        notice = uow.session.execute(
            select(notices, causes.c.envelope)
            .join(causes, causes.c.event_id == notices.c.cause_id)
            .where(notices.c.notice_id == row.notice_id)
            .with_for_update(of=notices)
        ).one()
        cause = Cause.of(Envelope.model_validate(notice.envelope))
        _fall_back_or_fail(uow, notice, row.channel, "undelivered", cause, now)
    return True


def ledger_of(row: Row[Any]) -> Ledger:
    return Ledger(**{name: getattr(row, name) for name in Ledger.__dataclass_fields__})


def write_ledgers(uow: UnitOfWork, ledgers: Mapping[UUID, Ledger]) -> None:
    """Replace what the ledger says of messages, and let go of them."""
    if ledgers:
        uow.session.execute(
            _LEDGER_UPDATE,
            [
                {"key": message_id} | {f"new_{name}": getattr(ledger, name) for name in _LEDGER_FIELDS}
                for message_id, ledger in ledgers.items()
            ],
        )


def _settle_notices(uow: UnitOfWork, finished: Sequence[tuple[Result, Ledger]], now: datetime) -> None:
    decided = [(result, ledger) for result, ledger in finished if ledger.accepted_at or ledger.is_finished]
    if not decided:
        return
    rows = uow.session.execute(
        select(notices)
        .where(notices.c.notice_id.in_({result.claim.notice_id for result, _ in decided}))
        .order_by(notices.c.notice_id)
        .with_for_update()
    ).all()
    by_notice = {row.notice_id: row for row in rows}
    for result, ledger in decided:
        notice = by_notice[result.claim.notice_id]
        envelope = result.claim.envelope
        cause = Cause(envelope.correlation_id, envelope.id, result.traceparent or envelope.traceparent)
        if ledger.state in ("failed", "cancelled"):
            _fall_back_or_fail(uow, notice, result.claim.channel, ledger.reason or "", cause, now)
        else:
            _deliver_notice(uow, notice, result.claim.channel, cause)


def _fall_back_or_fail(
    uow: UnitOfWork, notice: Row[Any], channel: str, reason: str, cause: Cause, now: datetime
) -> None:
    following = next_channel(notice.channels, channel)
    if following is None:
        reasons = uow.session.execute(
            select(messages.c.reason).where(messages.c.notice_id == notice.notice_id).order_by(messages.c.created_at)
        ).scalars()
        _fail_notice(uow, notice, channel, failure_reason([each or reason for each in reasons]), cause)
        return
    row = message_row(notice.notice_id, following, urgency=notice.urgency, now=now, due=now)
    insert_new(uow.session, messages, [row])


def _deliver_notice(uow: UnitOfWork, notice: Row[Any], channel: str, cause: Cause) -> None:
    version = _move_notice(uow, notice, "sent")
    uow.cause = cause
    uow.emit(NoticeDelivered.model_validate(_outcome_of(notice, channel)), version=version)


def _fail_notice(
    uow: UnitOfWork, notice: Row[Any], channel: str, reason: str, cause: Cause, *, state: str = "failed"
) -> None:
    version = _move_notice(uow, notice, state)
    uow.cause = cause
    uow.emit(NoticeFailed.model_validate(_outcome_of(notice, channel) | {"reason": reason}), version=version)


def fail_unsent(uow: UnitOfWork, message: Row[Any], reason: str, *, state: str = "failed") -> None:
    """Fail the notice of a message that was not sent in this turn."""
    notice = uow.session.execute(
        select(notices, causes.c.envelope)
        .join(causes, causes.c.event_id == notices.c.cause_id)
        .where(notices.c.notice_id == message.notice_id)
        .with_for_update(of=notices)
    ).one()
    cause = Cause.of(Envelope.model_validate(notice.envelope))
    _fail_notice(uow, notice, message.channel, reason, cause, state=state)


def _move_notice(uow: UnitOfWork, notice: Row[Any], state: str) -> int:
    version: int = notice.version + 1
    uow.session.execute(_NOTICE_UPDATE, {"key": notice.notice_id, "new_state": state, "new_version": version})
    return version


def _outcome_of(notice: Row[Any], channel: str) -> dict[str, Any]:
    return {
        "notice_id": notice.notice_id,
        "student_id": notice.student_id,
        "recipient_id": notice.recipient_id,
        "template": notice.template,
        "channel": channel,
    }


def _outcome_label(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()
