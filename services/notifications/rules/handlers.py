"""Following the rules: what an event leads to is written down in its transaction."""

from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from services.notifications.notices.handlers import Telling, queue_notices, remember_cause
from services.notifications.people.handlers import Audience, addressees, is_known
from services.notifications.rules.rules import NoticeRule, Rulebook, TaskRule, read_rulebook
from services.notifications.tasks.handlers import TaskCause, close_task, open_task
from services.notifications.tasks.rules import Moment
from services.notifications.templates.rendering import MESSAGES
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.messaging.reactions import NotYetKnown

SHIPPED_RULES = Path(__file__).with_name("rulebook.yaml")

_AUDIENCE: dict[str, Audience] = {"guardians": "guardian", "student": "student", "counselor": "counselor"}


@lru_cache(maxsize=1)
def shipped_rulebook() -> Rulebook:
    return read_rulebook(SHIPPED_RULES.read_text(encoding="utf-8"), templates=MESSAGES)


def follow_rules(event: Event, envelope: Envelope, *, rulebook: Rulebook, uow: UnitOfWork) -> None:
    """
    Queue the notices and open or close the tasks that an event leads to.

    Raises:
        NotYetKnown: Roster's word about the student has not arrived.
    """
    rules = rulebook.matching(event)
    if not rules:
        return
    student_id: UUID = getattr(event, event.student_field or "")
    if not is_known(uow.session, student_id):
        raise NotYetKnown("student", student_id)
    remember_cause(event, envelope, uow=uow)
    for rule in rules:
        for told in rule.notices:
            _tell(told, student_id, envelope, uow)
        for task in rule.tasks:
            _settle(task, event, student_id, envelope, uow)


def _tell(told: NoticeRule, student_id: UUID, envelope: Envelope, uow: UnitOfWork) -> None:
    audience = _AUDIENCE[told.to]
    queue_notices(
        Telling(told.template, audience, told.channels, told.urgency),
        addressees(uow.session, student_id, audience, now=uow.clock.now()),
        cause_id=envelope.id,
        student_id=student_id,
        uow=uow,
    )


def _settle(rule: TaskRule, event: Event, student_id: UUID, envelope: Envelope, uow: UnitOfWork) -> None:
    notice: dict[str, Any] | None = rule.notice.model_dump(mode="json") if rule.notice else None
    cause = TaskCause(
        kind=rule.kind,
        student_id=student_id,
        subject_id=rule.subject_of(event),
        event_id=envelope.id,
        facts=event.model_dump(mode="json", exclude={"student_id"}),
        items=rule.items_of(event),
        moment=Moment(envelope.subject_version, envelope.time),
        notice=notice,
    )
    if rule.outcome is None:
        open_task(cause, uow=uow)
    else:
        close_task(cause, outcome=rule.outcome, uow=uow)
