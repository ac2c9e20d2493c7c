"""Notices as the API shows them: ids, states and times, never an address or a text."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.events.notifications import Channel
from shared.web.pagination import Page, PageQuery


class NoticeQuery(PageQuery):
    """Whose notices."""

    student_id: UUID | None = Field(default=None, description="For staff: all notices about this student")


class MessageItem(BaseModel):
    """One try on one channel."""

    message_id: UUID
    channel: Channel
    state: Literal["queued", "sending", "accepted", "delivered", "failed", "uncertain", "cancelled", "suppressed"]
    reason: str | None = None
    attempts: int
    times_uncertain: int = Field(description="How often nobody could tell whether it was taken")
    accepted_at: datetime | None = None
    finished_at: datetime | None = None


class NoticeItem(BaseModel):
    """One notice to one person about one student."""

    notice_id: UUID
    student_id: UUID
    recipient_id: UUID
    audience: Literal["guardian", "student", "counselor"]
    template: str
    state: Literal["pending", "sent", "failed", "suppressed"]
    created_at: datetime
    acknowledged_at: datetime | None = None
    correlation_id: UUID = Field(description="Journey that led to it")
    messages: list[MessageItem]


class NoticeDocument(NoticeItem):
    """One notice with the event it tells of."""

    cause_type: str
    cause: dict[str, Any]


NoticePage = Page[NoticeItem]
