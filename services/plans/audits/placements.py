"""Where a course stands in a plan, and what must stand before or beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.plans.catalog.rules import Course
from shared.events.plans import Term

State = Literal["planned", "taken"]

# First and last semester of each term, counted within one grade level.
SEMESTERS: Mapping[Term, tuple[int, int]] = {"S1": (1, 1), "S2": (2, 2), "YEAR": (1, 2)}
TERM_ORDER: Mapping[Term, int] = {"YEAR": 0, "S1": 1, "S2": 2}


@dataclass(frozen=True, slots=True)
class Placement:
    """One course in one grade level and term of a plan."""

    code: str
    grade: int
    term: Term
    state: State = "planned"

    @property
    def begins(self) -> tuple[int, int]:
        return self.grade, SEMESTERS[self.term][0]

    @property
    def ends(self) -> tuple[int, int]:
        return self.grade, SEMESTERS[self.term][1]

    @property
    def order(self) -> tuple[int, int, str]:
        return self.grade, TERM_ORDER[self.term], self.code


def in_order(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    return tuple(sorted(placements, key=lambda placement: placement.order))


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each course of a plan first begins and first ends, as (grade level, semester)."""

    first_begin: Mapping[str, tuple[int, int]]
    first_end: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, placements: Iterable[Placement]) -> "Timeline":
        begins: dict[str, tuple[int, int]] = {}
        ends: dict[str, tuple[int, int]] = {}
        for placement in placements:
            code = placement.code
            if code not in begins or placement.begins < begins[code]:
                begins[code] = placement.begins
            if code not in ends or placement.ends < ends[code]:
                ends[code] = placement.ends
        return cls(begins, ends)

    def missing_before(self, placement: Placement, course: Course) -> list[tuple[str, ...]]:
        """Prerequisite groups of which no course ends before this one begins."""
        begins = placement.begins
        return [
            group
            for group in course.prerequisites
            # Catalogs list what may come before or together under both headings.
            if not _any_before(group, self.first_end, begins) and group not in course.corequisites
        ]

    def missing_beside(self, placement: Placement, course: Course) -> list[tuple[str, ...]]:
        """Corequisite groups of which no course begins before this one ends."""
        grade, semester = placement.ends
        return [
            group for group in course.corequisites if not _any_before(group, self.first_begin, (grade, semester + 1))
        ]


def _any_before(group: Sequence[str], instants: Mapping[str, tuple[int, int]], limit: tuple[int, int]) -> bool:
    return any(code in instants and instants[code] < limit for code in group)
