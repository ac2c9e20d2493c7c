"""Students and schools as the API shows them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class SchoolDocument(BaseModel):
    school_id: UUID
    name: str


class StudentDocument(BaseModel):
    """A student, as those who may read the record see it."""

    student_id: UUID
    given_name: str
    family_name: str
    school: SchoolDocument
    grade: int = Field(description="Kindergarten is 0")
    graduation_year: int
    home_language: str = Field(description="BCP 47 tag")
    rights_transfer_at: datetime | None = Field(default=None, description="When the guardians' rights pass over")
    is_enrolled: bool
    version: int


class StudentPage(BaseModel):
    items: list[StudentDocument]
    next: str | None = Field(default=None, description="Cursor of the next page; absent on the last")


class RelatedStudent(BaseModel):
    """A student the caller has to do with, and how."""

    student: StudentDocument
    relations: list[str] = Field(examples=[["guardian_of"]])


class Me(BaseModel):
    """The caller, and the students the caller may see."""

    person_id: UUID
    role: str
    given_name: str | None = None
    family_name: str | None = None
    students: list[RelatedStudent]
