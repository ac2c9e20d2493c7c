"""Complete four-year plans that meet the sample district's requirements, each a little different."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from services.sample.catalog import BY_CODE, COURSES, ENGLISH, FITNESS, LANGUAGES, PATHWAYS, Course

GRADES = (9, 10, 11, 12)
YEAR_CREDITS = (Decimal(6), Decimal("6.5"), Decimal(7))
CLUSTERS = tuple(PATHWAYS)

_ART_COURSES = ("ART-101", "MUS-101", "MUS-110")
_SPORTS = tuple(course.code for course in COURSES if course.department == FITNESS and 10 in course.grades)
# Mathematics by grade level, from the slowest pace to the fastest.
_MATH_PACES = (
    {9: ("MAT-101",), 10: ("MAT-201",), 11: ("MAT-320",)},
    {9: ("MAT-101",), 10: ("MAT-201",), 11: ("MAT-310",), 12: ("MAT-320",)},
    {9: ("MAT-101",), 10: ("MAT-201",), 11: ("MAT-301",)},
    {9: ("MAT-101",), 10: ("MAT-201",), 11: ("MAT-301",), 12: ("MAT-401",)},
    {9: ("MAT-101",), 10: ("MAT-201", "MAT-301"), 11: ("MAT-401",), 12: ("MAT-402",)},
)
_LANGUAGE_COURSES = (("SPA-101", "SPA-201", "SPA-301"), ("SPA-101", "SPA-201"), ("FRE-101", "FRE-201"))
_HERITAGE_COURSES = ("SPH-101", "SPH-201")


@dataclass(frozen=True)
class PlannedCourse:
    code: str
    grade: int
    term: str


@dataclass(frozen=True)
class Plan:
    """A student's goal and courses of all four years, in the order in which they are taken."""

    cluster: str
    courses: tuple[PlannedCourse, ...]

    def english_in(self, grade: int) -> str:
        """The English course of a grade level; there is one in each."""
        return next(each.code for each in self.courses if each.code.startswith(f"ENG-{grade - 8}0"))


@dataclass
class _Draft:
    """A plan being made: remembers what is in it, when, and how full each year is."""

    rng: Random
    courses: list[PlannedCourse] = field(default_factory=list)
    first_taken: dict[str, int] = field(default_factory=dict)
    _credits: dict[tuple[int, str], Decimal] = field(default_factory=dict)

    def credits_in(self, grade: int) -> Decimal:
        return sum((amount for (year, _), amount in self._credits.items() if year == grade), Decimal(0))

    def add(self, code: str, grade: int) -> None:
        """Add a course, a semester course in the emptier half of the year."""
        course = BY_CODE[code]
        term = min(course.terms, key=lambda each: self._credits.get((grade, each), Decimal(0)))
        self.courses.append(PlannedCourse(code, grade, term))
        self.first_taken.setdefault(code, grade)
        self._credits[grade, term] = self._credits.get((grade, term), Decimal(0)) + course.credits

    def may_take(self, course: Course, grade: int) -> bool:
        """True if the course is new, open to the grade level, and what it needs was taken in an earlier year."""
        return (
            course.code not in self.first_taken
            and grade in course.grades
            and all(any(self.first_taken.get(code, 99) < grade for code in group) for group in course.needs)
        )

    def add_sequence(self, codes: Iterable[str], *, start: int) -> None:
        """Add courses that build on each other, one a year, leaving out those in the plan already."""
        grade = start
        for code in codes:
            if code in self.first_taken:
                grade = max(grade, self.first_taken[code] + 1)
            elif grade in GRADES and self.may_take(BY_CODE[code], grade):
                self.add(code, grade)
                grade += 1


def make_plan(rng: Random, *, home_language: str) -> Plan:
    """A complete plan toward a career cluster chosen by chance; meets the default track's requirements."""
    cluster = rng.choice(CLUSTERS)
    draft = _Draft(rng)
    _add_core(draft)
    draft.add_sequence(PATHWAYS[cluster], start=rng.choice((9, 10)))
    if rng.random() < 0.6:
        is_heritage = home_language == "es" and rng.random() < 0.7
        draft.add_sequence(
            _HERITAGE_COURSES if is_heritage else rng.choice(_LANGUAGE_COURSES), start=rng.choice((9, 10))
        )
    draft.add(rng.choice(_ART_COURSES), rng.choice([grade for grade in GRADES if draft.credits_in(grade) <= 6]))
    for grade in GRADES:
        _fill_year(draft, grade, rng.choice(YEAR_CREDITS))
    return Plan(cluster, tuple(sorted(draft.courses, key=lambda each: (each.grade, each.code))))


def _add_core(draft: _Draft) -> None:
    """What every student takes, at the pace of this one."""
    rng = draft.rng
    is_ambitious = rng.random() < 0.3
    for grade in GRADES:
        draft.add(f"ENG-{grade - 8}0{2 if is_ambitious and rng.random() < 0.8 else 1}", grade)
    for grade, codes in rng.choice(_MATH_PACES[2:] if is_ambitious else _MATH_PACES[:4]).items():
        for code in codes:
            draft.add(code, grade)
    draft.add("SCI-101", 9)
    draft.add("SCI-201" if is_ambitious else rng.choice(("SCI-201", "SCI-210")), 10)
    draft.add(rng.choice(("SCI-301", "SCI-310", "SCI-320")), 11)
    for code, grade in (("SOC-101", 9), ("SOC-110", 9), ("SOC-201", 10), ("SOC-401", 12)):
        draft.add(code, grade)
    draft.add("SOC-302" if is_ambitious else "SOC-301", 11)
    draft.add("PED-101", 9)
    draft.add("HEA-101", 9)
    draft.add(rng.choice(_SPORTS), 10)
    draft.add("BUS-210", 10)


def _fill_year(draft: _Draft, grade: int, wanted: Decimal) -> None:
    """Add electives until the year has the credits wanted."""
    open_courses = [course for course in COURSES if draft.may_take(course, grade) and not _is_core(course)]
    draft.rng.shuffle(open_courses)
    for course in open_courses:
        missing = wanted - draft.credits_in(grade)
        if missing <= 0:
            return
        if course.credits <= missing:
            draft.add(course.code, grade)
    if draft.credits_in(grade) < YEAR_CREDITS[0]:  # half a credit short, and no semester course is left: take a whole
        draft.add(next(course.code for course in open_courses if draft.may_take(course, grade)), grade)


def _is_core(course: Course) -> bool:
    """True for courses that are no electives: a student takes one of several, or a whole sequence of them."""
    is_english = course.department == ENGLISH and course.credits == 1
    return is_english or course.department == LANGUAGES or course.code in ("SOC-301", "SOC-302")


def plan_record(student_id: str, plan: Plan, *, grade: int) -> Mapping[str, Any]:
    """
    One student's plan as written to plans.json.

    Args:
        student_id: The student's sourcedId in the roster package.
        grade: The present grade level; courses of earlier ones were taken.
    """
    return {
        "student_sourced_id": student_id,
        "grade": grade,
        "goal_cluster": plan.cluster,
        "changes": [
            {
                "action": "add",
                "code": each.code,
                "grade": each.grade,
                "term": each.term,
                "state": "taken" if each.grade < grade else "planned",
            }
            for each in plan.courses
        ],
    }
