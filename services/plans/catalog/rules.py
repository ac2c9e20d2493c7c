"""The facts about courses and requirement sets that plans are checked against."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Self

from shared.events.catalog import MinimumGrade, Requirement
from shared.events.plans import Term

NEAR_MATCHES = 5


@lru_cache(maxsize=4096)
def plain(credits: Decimal) -> Decimal:
    """The same amount without trailing zeros, as people write it: 1, 0.5, 24."""
    return credits.quantize(Decimal(1)) if credits == credits.to_integral_value() else credits.normalize()


@dataclass(frozen=True, slots=True)
class Course:
    """One course. A retired one stays known: those who took it keep its credits."""

    code: str
    title: str
    department: str
    credits: Decimal
    grades: tuple[int, ...]
    terms: tuple[Term, ...] = ()
    prerequisites: tuple[tuple[str, ...], ...] = ()
    minimum_grades: tuple[MinimumGrade, ...] = ()
    corequisites: tuple[tuple[str, ...], ...] = ()
    repeatable: int = 1
    is_retired: bool = False

    @property
    def usual_term(self) -> Term:
        """Where the course goes when nobody says: its first term, else by its length."""
        if self.terms:
            return self.terms[0]
        return "YEAR" if self.credits >= 1 else "S1"


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """A graduation or eligibility rule set; `total` is the credits it asks for in all, in `unit`."""

    key: str
    title: str
    unit: str
    total: Decimal
    is_default: bool
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True)
class Catalog:
    """All courses by code and all requirement sets by key, as of one revision of the projection."""

    revision: int = 0
    courses: Mapping[str, Course] = field(default_factory=dict)
    requirement_sets: Mapping[str, RequirementSet] = field(default_factory=dict)

    @classmethod
    def of(cls, courses: Iterable[Course], sets: Iterable[RequirementSet] = (), *, revision: int = 0) -> Self:
        return cls(revision, {course.code: course for course in courses}, {each.key: each for each in sets})

    @cached_property
    def default_set(self) -> RequirementSet | None:
        """The set plans are checked against until another is chosen; the first by key if several say so."""
        defaults = sorted(each.key for each in self.requirement_sets.values() if each.is_default)
        return self.requirement_sets[defaults[0]] if defaults else None

    def set_for(self, key: str | None) -> RequirementSet | None:
        """The chosen set, or the default where none is chosen or the chosen one is not known."""
        return self.requirement_sets.get(key or "", self.default_set)

    def title(self, code: str) -> str:
        course = self.courses.get(code)
        return course.title if course else code

    def is_offered(self, code: str) -> bool:
        course = self.courses.get(code)
        return course is not None and not course.is_retired

    def titles(self, codes: Iterable[str]) -> list[str]:
        """Titles to choose from: of the courses on offer, failing that of the known ones, failing that the codes."""
        codes = list(codes)
        known = [code for code in codes if code in self.courses]
        chosen = [code for code in known if self.is_offered(code)] or known or codes
        return [self.title(code) for code in chosen]

    def near(self, wanted: str) -> list[Course]:
        """Courses whose code or title is close to what somebody wrote, closest first."""
        offered = [course for course in self.courses.values() if not course.is_retired]
        by_name: dict[str, Course] = {}
        for course in offered:
            by_name[course.code.casefold()] = course
            by_name[course.title.casefold()] = course
        names = difflib.get_close_matches(wanted.casefold(), by_name, n=2 * NEAR_MATCHES, cutoff=0.6)
        return list(dict.fromkeys(by_name[name] for name in names))[:NEAR_MATCHES]
