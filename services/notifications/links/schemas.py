"""What the holder of an acknowledge link sees."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class LinkDocument(BaseModel):
    """One notice, in the words and the language of the message that brought the link. Never a contact."""

    notice_id: UUID
    student_id: UUID
    recipient_id: UUID
    audience: Literal["guardian", "student", "counselor"]
    template: str
    language: str = Field(description="Language of the texts", examples=["en", "es"])
    title: str
    html: str = Field(description="The content as safe HTML: h2, p and ul alone, p with class alert or good")
    text: str
    sent_at: datetime
    expires_at: datetime
    acknowledged_at: datetime | None = None
    correlation_id: UUID = Field(description="Journey that led to it")


class Acknowledgement(BaseModel):
    """That the notice was read."""

    notice_id: UUID
    acknowledged_at: datetime = Field(description="When it was acknowledged first")
