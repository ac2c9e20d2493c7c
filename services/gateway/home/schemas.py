"""The first screen of a phone at the HTTP edge. Its parts are the services' own documents, handed on unread."""

from typing import Any

from pydantic import BaseModel, Field

Part = dict[str, Any]


class HomeDocument(BaseModel):
    """
    What a person needs to see first. A part is absent if it is not for this person's role, and
    null if there is none or its service is away; in the second case `missing` names it.
    """

    me: Part | None = Field(default=None, description="As GET /v1/me")
    students: Part | None = Field(default=None, description="As GET /v1/students; for guardians and staff")
    plans: list[Part] | None = Field(
        default=None,
        description="As GET /v1/students/{student_id}/plan; the student's own, or those of a guardian's children",
    )
    notices: Part | None = Field(default=None, description="As GET /v1/notices; for students and guardians")
    tasks: Part | None = Field(default=None, description="As GET /v1/tasks with those still open; for staff")
    missing: list[str] = Field(description="Parts that could not be had just now; the rest is complete")
