"""Facts about courses, and what changes between one catalog and the next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.events.catalog import CourseChanged, MinimumGrade
from shared.identifiers import stable_id

LOWEST_GRADE, HIGHEST_GRADE = -3, 13
SCHOOL_YEAR_STARTS_IN = 7  # July, when American districts open the books of a school year

Alternatives = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Course:
    """
    What the district says about one course.

    `prerequisites` and `corequisites` are conjunctive: one course of each inner list.
    `remarks` are facts of the source that plans are not checked against; they are kept and shown.
    `origin` says where it was read ("catalog.json, courses[3]") and is no part of the facts.
    """

    code: str
    title: str
    department: str
    credits: Decimal
    grades: tuple[int, ...]
    terms: tuple[str, ...] = ()
    prerequisites: Alternatives = ()
    minimum_grades: tuple[MinimumGrade, ...] = ()
    corequisites: Alternatives = ()
    tags: tuple[str, ...] = ()
    repeatable: int = 1
    remarks: Mapping[str, Any] = field(default_factory=dict)
    origin: str = field(default="", compare=False)

    @property
    def course_id(self) -> UUID:
        return stable_id("course", self.code)

    def changed(self) -> CourseChanged:
        """The event that carries these facts."""
        return CourseChanged(
            course_id=self.course_id,
            code=self.code,
            title=self.title,
            department=self.department,
            credits=self.credits,
            grades=self.grades,
            terms=self.terms,
            prerequisites=self.prerequisites,
            minimum_grades=self.minimum_grades,
            corequisites=self.corequisites,
            tags=self.tags,
            repeatable=self.repeatable,
        )


@dataclass(frozen=True)
class CatalogDifference:
    """Courses to write and codes to retire, in the order of the new catalog."""

    changed: tuple[Course, ...]
    retired: tuple[str, ...]


def difference(offered: Mapping[str, Course], listed: Sequence[Course]) -> CatalogDifference:
    """
    What a new catalog changes.

    Args:
        offered: Courses offered now, by code; retired ones are not among them.
        listed: The whole new catalog, each code once.
    """
    codes = {course.code for course in listed}
    return CatalogDifference(
        changed=tuple(course for course in listed if offered.get(course.code) != course),
        retired=tuple(sorted(code for code in offered if code not in codes)),
    )


def grade_bits(grades: Sequence[int]) -> int:
    """Grade levels as a set of bits, so that either database can filter by one of them."""
    bits = 0
    for grade in grades:
        bits |= 1 << (grade - LOWEST_GRADE)
    return bits


def plain(credits: Decimal) -> str:
    """Credits as people write them: 0.5, 1, 24."""
    return f"{credits.normalize():f}"


def searchable(code: str, title: str) -> str:
    """What a search looks into: SQLite folds the case of ASCII letters only, so it is folded here."""
    return f"{code} {title}".casefold()


def school_year_of(day: date) -> str:
    """The school year a day belongs to, such as 2026-27."""
    start = day.year if day.month >= SCHOOL_YEAR_STARTS_IN else day.year - 1
    return f"{start}-{(start + 1) % 100:02d}"


def is_school_year(text: str) -> bool:
    """True for two years that follow one another, such as 2026-27."""
    return bool(re.fullmatch(r"\d{4}-\d{2}", text)) and (int(text[:4]) + 1) % 100 == int(text[5:])
