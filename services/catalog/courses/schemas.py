"""Courses at the HTTP edge."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from services.catalog.courses.rules import HIGHEST_GRADE, LOWEST_GRADE, Course
from services.catalog.courses.tables import course_of
from services.catalog.courses.values import CODE, MOST_CREDITS
from shared.events.catalog import MinimumGrade
from shared.web.fields import FiniteJson
from shared.web.pagination import PageQuery

Code = Annotated[str, StringConstraints(pattern=rf"^{CODE.pattern}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Alternatives = Annotated[list[Annotated[list[Code], Field(min_length=1, max_length=50)]], Field(max_length=20)]
Grade = Annotated[int, Field(ge=LOWEST_GRADE, le=HIGHEST_GRADE)]


class CourseQuery(PageQuery):
    """Which courses are wanted."""

    department: str | None = Field(default=None, description="Courses of this department, whatever its case")
    grade: Grade | None = Field(default=None, description="Courses open to this grade level")
    q: str | None = Field(default=None, description="Part of the code or title")
    retired: bool = Field(default=False, description="True lists the retired courses instead of the offered ones")


class CourseBody(BaseModel):
    """All facts of a course; what is left out becomes empty."""

    model_config = ConfigDict(extra="forbid")

    title: Words
    department: Label
    credits: Annotated[Decimal, Field(ge=0, le=MOST_CREDITS, decimal_places=2)]
    grades: Annotated[list[Grade], Field(min_length=1, max_length=17)]
    terms: list[Literal["S1", "S2", "YEAR"]] = Field(default=[], max_length=3, description="Empty means any")
    prerequisites: Alternatives = Field(default=[], description="One course of each inner list must come first")
    minimum_grades: Annotated[list[MinimumGrade], Field(max_length=20)] = []
    corequisites: Alternatives = Field(default=[], description="One of each inner list before or together")
    tags: Annotated[list[Label], Field(max_length=20)] = []
    repeatable: int = Field(default=1, ge=1, le=20, description="How often it may count")
    remarks: dict[Label, FiniteJson] = Field(
        default={}, max_length=30, description="Facts that plans are not checked against"
    )

    def course(self, code: str) -> Course:
        return Course(
            code=code,
            title=" ".join(self.title.split()),
            department=" ".join(self.department.split()),
            credits=self.credits.quantize(Decimal("0.01")),
            grades=tuple(sorted(set(self.grades))),
            terms=tuple(dict.fromkeys(self.terms)),
            prerequisites=tuple(tuple(dict.fromkeys(group)) for group in self.prerequisites),
            minimum_grades=tuple(self.minimum_grades),
            corequisites=tuple(tuple(dict.fromkeys(group)) for group in self.corequisites),
            tags=tuple(dict.fromkeys(self.tags)),
            repeatable=self.repeatable,
            remarks=self.remarks,
            origin="changed by hand",
        )


class CourseDocument(BaseModel):
    """A course as the catalog has it."""

    code: str
    version: int = Field(description="Counts the course's changes; its ETag")
    title: str
    department: str
    credits: float
    grades: list[int]
    terms: list[str]
    prerequisites: list[list[str]]
    minimum_grades: list[MinimumGrade]
    corequisites: list[list[str]]
    tags: list[str]
    repeatable: int
    remarks: dict[str, Any]
    changed_at: datetime
    retired_at: datetime | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> "CourseDocument":
        course = course_of(row)
        return cls(
            code=course.code,
            version=row.version,
            title=course.title,
            department=course.department,
            credits=float(course.credits),
            grades=list(course.grades),
            terms=list(course.terms),
            prerequisites=[list(group) for group in course.prerequisites],
            minimum_grades=list(course.minimum_grades),
            corequisites=[list(group) for group in course.corequisites],
            tags=list(course.tags),
            repeatable=course.repeatable,
            remarks=dict(course.remarks),
            changed_at=row.changed_at,
            retired_at=row.retired_at,
        )
