"""Conflicts at the HTTP edge."""

from typing import Literal

from pydantic import BaseModel, Field

from shared.web.pagination import PageQuery


class ConflictQuery(PageQuery):
    """Which findings are wanted."""

    severity: Literal["conflict", "note"] | None = Field(default=None, description="conflict or note")


class ConflictDocument(BaseModel):
    """Something that is taken in as it stands, although it cannot all be true or cannot be checked."""

    scope: str = Field(description='"courses", or the keys of the requirement sets concerned')
    kind: str = Field(examples=["course_absent"])
    subject: str = Field(description="Course code or id of a requirement", examples=["MA-310"])
    severity: str = Field(description="conflict: students are told something wrong; note: kept, but not checked")
    detail: str
    where: str = Field(description="Where it was read", examples=["catalog.json, courses[3]"])
