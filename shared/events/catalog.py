"""Contracts of the catalog: the courses a school offers and the rules a plan is checked against."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.contract import Event
from shared.events.personal import ClusterName, CourseCode, NotPersonal, PublishedText, RuleName, Slug


class MinimumGrade(BaseModel):
    """A prerequisite met only with at least this letter grade in one of the courses."""

    model_config = ConfigDict(frozen=True)

    codes: tuple[CourseCode, ...]
    grade: Annotated[str, NotPersonal("a rule's threshold, not somebody's mark")] = Field(
        description="Lowest letter that counts", examples=["C"]
    )


class CourseChanged(Event, type="catalog.course.changed.v1", subject="course_id", kept=True):
    """A course is new or its facts changed; carries the whole new state. Ordered by the course's version."""

    course_id: UUID
    code: CourseCode
    title: PublishedText
    department: PublishedText
    credits: Decimal = Field(description="In the district's unit; a year-long course is usually 1", ge=0)
    grades: tuple[int, ...] = Field(description="Grade levels that may take it, ascending")
    terms: tuple[Slug, ...] = Field(
        default=(), description="Terms it is offered in: S1, S2 or YEAR; empty means any", examples=[["S1", "S2"]]
    )
    prerequisites: tuple[tuple[CourseCode, ...], ...] = Field(
        default=(), description="Conjunctive normal form: one course of each inner list must come first"
    )
    minimum_grades: tuple[MinimumGrade, ...] = ()
    corequisites: tuple[tuple[CourseCode, ...], ...] = Field(
        default=(), description="One course of each inner list must come before or together"
    )
    tags: tuple[PublishedText, ...] = ()
    repeatable: int = Field(default=1, ge=1, description="How often it may count")


class CourseRetired(Event, type="catalog.course.retired.v1", subject="course_id", kept=True):
    """A course is no longer offered."""

    course_id: UUID
    code: CourseCode


class CatalogPublished(Event, type="catalog.catalog.published.v1", subject="catalog_id"):
    """A whole catalog was published: its course events came before this one."""

    catalog_id: UUID
    school_year: PublishedText = Field(examples=["2026-27"])
    course_count: int
    changed_codes: tuple[CourseCode, ...]
    retired_codes: tuple[CourseCode, ...] = ()


class Requirement(BaseModel):
    """
    One line of a requirement set. Exactly the filled fields apply, all of them together.

    A course fits if its code is in `any_of`, or its department in `departments`; codes in
    `exclude` never fit. `credits` of fitting courses are needed. `one_from_each` asks for
    one course of every inner list, `all_of` for every named course. `clusters` is met by all
    listed courses of one cluster, or by `cluster_credits` credits in it.
    """

    model_config = ConfigDict(frozen=True)

    id: RuleName
    title: PublishedText
    credits: Decimal = Decimal(0)
    any_of: tuple[CourseCode, ...] = ()
    departments: tuple[PublishedText, ...] = ()
    exclude: tuple[CourseCode, ...] = ()
    one_from_each: tuple[tuple[CourseCode, ...], ...] = ()
    all_of: tuple[CourseCode, ...] = ()
    same_language: bool = False
    clusters: dict[ClusterName, tuple[CourseCode, ...]] = Field(default_factory=dict)
    cluster_credits: Decimal | None = None
    alternatives: tuple["Requirement", ...] = Field(default=(), description="Any one of these meets the line")
    disjoint_from: tuple[RuleName, ...] = Field(default=(), description="Lines whose courses may not count here again")
    note: PublishedText | None = None


class RequirementsChanged(Event, type="catalog.requirements.changed.v1", subject="requirement_set_id", kept=True):
    """A graduation or eligibility rule set was published; carries the whole set. Ordered by the set's version."""

    requirement_set_id: UUID
    key: RuleName = Field(description="Stable name: rule set and track", examples=["us-sd-watertown-hs/university"])
    title: PublishedText
    unit: PublishedText = Field(examples=["credit"])
    total: Decimal
    is_default: bool = Field(description="The set a plan is checked against until another is chosen")
    requirements: tuple[Requirement, ...]
