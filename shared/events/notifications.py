"""Contracts of the notifications service: what was sent and what people were asked to do."""

from typing import Annotated, Literal

from pydantic import Field

from shared.events.contract import Event
from shared.events.personal import RECORD, PersonalId, Slug

Channel = Literal["email", "sms"]


class _NoticeOutcome(Event):
    notice_id: PersonalId
    student_id: PersonalId
    recipient_id: PersonalId
    template: Slug = Field(examples=["plan_revised"])
    channel: Channel


class NoticeDelivered(
    _NoticeOutcome, type="notifications.notice.delivered.v1", subject="notice_id", about="student_id"
):
    """The provider accepted the message for the recipient."""


class NoticeFailed(_NoticeOutcome, type="notifications.notice.failed.v1", subject="notice_id", about="student_id"):
    """Every attempt to hand the message to a provider failed, or it must not be sent."""

    reason: Slug = Field(description="Stable slug, never provider text", examples=["rejected", "attempts_exhausted"])


class NoticeAcknowledged(Event, type="notifications.notice.acknowledged.v1", subject="notice_id", about="student_id"):
    """The recipient confirmed having read the notice."""

    notice_id: PersonalId
    student_id: PersonalId
    recipient_id: PersonalId


class _TaskState(Event):
    task_id: PersonalId
    student_id: PersonalId
    assignee_id: PersonalId
    kind: Annotated[Literal["plan_off_track", "approve_match", "review_plan"], RECORD]


class TaskOpened(_TaskState, type="notifications.task.opened.v1", subject="task_id", about="student_id"):
    """A counselor has something to do. Further causes merge into the open task."""


class TaskDone(_TaskState, type="notifications.task.done.v1", subject="task_id", about="student_id"):
    """A task was finished by a person, or closed because its cause was repaired."""

    outcome: Annotated[Literal["done", "repaired", "superseded"], RECORD]
