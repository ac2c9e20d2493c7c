"""What the acknowledge page reads of the notifications service's link reply."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class LinkedNotice(BaseModel):
    """A notice, as told to the one person its link is for, in their language."""

    student_id: UUID
    recipient_id: UUID
    audience: Literal["guardian", "student", "counselor"]
    language: str
    title: str
    html: str
    acknowledged_at: datetime | None = None
