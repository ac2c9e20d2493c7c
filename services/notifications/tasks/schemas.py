"""Tasks as the API shows them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.web.pagination import Page, PageQuery


class TaskQuery(PageQuery):
    """Which tasks."""

    state: Literal["open", "done"] | None = None
    student_id: UUID | None = Field(default=None, description="Only those about this student")


class TaskDocument(BaseModel):
    """Something a counselor is asked to do."""

    task_id: UUID
    kind: Literal["plan_off_track", "approve_match", "review_plan"]
    student_id: UUID
    assignee_id: UUID | None
    state: Literal["open", "done"]
    outcome: Literal["done", "repaired", "superseded"] | None = None
    facts: dict[str, Any] = Field(description="The newest event behind it")
    cause_count: int = Field(description="Events merged into it")
    opened_at: datetime
    updated_at: datetime
    done_at: datetime | None = None
    done_by: UUID | None = None
    version: int


TaskPage = Page[TaskDocument]
