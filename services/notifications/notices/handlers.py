"""Writing notices down, reading them, acknowledging them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services.notifications.notices.rules import URGENCIES
from services.notifications.notices.tables import causes, messages, notices
from services.notifications.people.handlers import Audience
from shared.database.deferred import standing
from shared.database.schema import insert_new
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.contract import Event, contracts
from shared.events.envelope import Envelope
from shared.events.notifications import NoticeAcknowledged
from shared.identifiers import stable_id

_NOW = standing(select(func.now()))


@dataclass(frozen=True)
class Telling:
    """What is to be told to whom: the part of a rule that a notice keeps."""

    template: str
    audience: Audience
    channels: tuple[str, ...]
    urgency: str


def remember_cause(event: Event, envelope: Envelope, *, uow: UnitOfWork) -> None:
    """Keep an event for rendering and chaining; seeing it again changes nothing."""
    row = {
        "event_id": envelope.id,
        "envelope": envelope.model_dump(mode="json"),
        "payload": event.model_dump(mode="json"),
        "recorded_at": uow.clock.now(),
    }
    insert_new(uow.session, causes, [row])


def event_of(envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> tuple[Event, Envelope]:
    """The event a cause's row was made from."""
    read = Envelope.model_validate(envelope)
    return contracts()[read.type].model_validate(payload), read


def load_cause(session: Session, cause_id: UUID) -> tuple[Event, Envelope]:
    row = session.execute(select(causes).where(causes.c.event_id == cause_id)).one()
    return event_of(row.envelope, row.payload)


def queue_notices(
    telling: Telling, recipients: Iterable[UUID], *, cause_id: UUID, student_id: UUID, uow: UnitOfWork
) -> None:
    """One notice per recipient, each with a message on its first channel. Told twice, it stays one."""
    now, due = uow.clock.now(), database_time(uow)
    urgency = URGENCIES[telling.urgency]
    notice_rows, message_rows = [], []
    for recipient_id in recipients:
        notice_id = stable_id("notice", str(cause_id), str(recipient_id), telling.template)
        notice_rows.append(
            {
                "notice_id": notice_id,
                "cause_id": cause_id,
                "student_id": student_id,
                "recipient_id": recipient_id,
                "audience": telling.audience,
                "template": telling.template,
                "channels": list(telling.channels),
                "urgency": urgency,
                "state": "pending",
                "created_at": now,
                "version": 0,
            }
        )
        message_rows.append(message_row(notice_id, telling.channels[0], urgency=urgency, now=now, due=due))
    insert_new(uow.session, notices, notice_rows)
    insert_new(uow.session, messages, message_rows)


def message_row(notice_id: UUID, channel: str, *, urgency: int, now: datetime, due: datetime) -> dict[str, Any]:
    return {
        "message_id": stable_id("message", str(notice_id), channel),
        "notice_id": notice_id,
        "channel": channel,
        "urgency": urgency,
        "state": "queued",
        "attempts": 0,
        "times_uncertain": 0,
        "next_attempt_at": due,
        "created_at": now,
    }


def database_time(uow: UnitOfWork) -> datetime:
    """
    The instant by which leases and schedules run: the database's own clock where it has one.

    Several machines' clocks differ; SQLite is used by one machine alone.
    """
    if uow.session.get_bind().dialect.name != "postgresql":
        return uow.clock.now()
    if "database_time" not in uow.session.info:  # now() stands still within a transaction
        uow.session.info["database_time"] = uow.session.execute(_NOW).scalar_one()
    now: datetime = uow.session.info["database_time"]
    return now


def acknowledge_notice(notice_id: UUID, *, uow: UnitOfWork) -> datetime:
    """
    Record that the recipient read a notice; only the first time counts.

    Returns:
        When it was acknowledged first.
    """
    row = uow.session.execute(select(notices).where(notices.c.notice_id == notice_id).with_for_update()).one()
    if row.acknowledged_at is not None:
        earlier: datetime = row.acknowledged_at
        return earlier
    now = uow.clock.now()
    uow.session.execute(
        update(notices).where(notices.c.notice_id == notice_id).values(acknowledged_at=now, version=row.version + 1)
    )
    _, envelope = load_cause(uow.session, row.cause_id)
    uow.cause = Cause.of(envelope)
    uow.emit(
        NoticeAcknowledged(notice_id=notice_id, student_id=row.student_id, recipient_id=row.recipient_id),
        version=row.version + 1,
    )
    return now
