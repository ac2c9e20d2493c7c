"""What cannot all be true in a list of courses. Pure; the findings are stored and shown, nothing is refused."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from services.catalog.conflicts.rules import COURSES, Conflict, Severity
from services.catalog.courses.rules import Alternatives, Course

REPORTED_CYCLES = 50

Catalog = Mapping[str, Course]


def contradictions(courses: Sequence[Course], retired: frozenset[str] = frozenset()) -> list[Conflict]:
    """
    Every finding in a catalog.

    Args:
        courses: All courses offered, each code once.
        retired: Codes no longer offered, to say so where a course still names one.
    """
    catalog = {course.code: course for course in courses}
    findings: list[Conflict] = [*_cycles(catalog), *_unreachable(catalog), *_not_checked(courses)]
    for course in courses:
        findings += _absent(course, catalog, retired)
        findings += _one_course(course, catalog)
    return findings


def _finding(course: Course, kind: str, severity: Severity, detail: str) -> Conflict:
    return Conflict(COURSES, kind, course.code, severity, detail, where=course.origin)


def named(course: Course) -> str:
    return f"{course.code} {course.title}"


def _absent(course: Course, catalog: Catalog, retired: frozenset[str]) -> Iterator[Conflict]:
    asked: tuple[tuple[str, Alternatives], ...] = (
        ("prerequisite", course.prerequisites),
        ("corequisite", course.corequisites),
        ("minimum grade", tuple(each.codes for each in course.minimum_grades)),
    )
    for role, groups in asked:
        for group in groups:
            gone = [code for code in group if code not in catalog]
            left = [code for code in group if code in catalog]
            for code in gone:
                why = "is no longer offered" if code in retired else "is not in the catalog"
                rest = f"still met by {', '.join(left)}" if left else "nothing else meets it, so it cannot be taken"
                detail = f"{named(course)} names {code} as {role}, which {why}; {rest}"
                yield _finding(course, "course_absent", "conflict", detail)


def _one_course(course: Course, catalog: Catalog) -> Iterator[Conflict]:
    if course.credits == 0:
        yield _finding(course, "no_credit", "note", f"{named(course)} is worth 0 credits: it adds to no requirement")
    for group in course.prerequisites:
        yield from _mixed(course, [catalog[code] for code in group if code in catalog])
        if group in course.corequisites:
            detail = (
                f"{named(course)} asks for {' or '.join(group)} both beforehand and beforehand or together; "
                "the stricter is checked: beforehand"
            )
            yield _finding(course, "before_or_together", "conflict", detail)
    asked = {code for group in course.prerequisites for code in group}
    for minimum in course.minimum_grades:
        if not asked & set(minimum.codes):
            detail = (
                f"{named(course)} asks for at least {minimum.grade} in {' or '.join(minimum.codes)}, "
                "which is not among its prerequisites"
            )
            yield _finding(course, "grade_in_other_course", "conflict", detail)


def _mixed(course: Course, group: Sequence[Course]) -> Iterator[Conflict]:
    departments = sorted({each.department for each in group})
    if len(departments) > 1:
        detail = (
            f"{named(course)} takes any one of {', '.join(named(each) for each in group)}: they are of "
            f"{' and '.join(departments)}, so one of each was probably meant"
        )
        yield _finding(course, "mixed_alternatives", "conflict", detail)
    if len({each.grades for each in group}) > 1:
        offers = ", ".join(f"{named(each)} in {_grades(each.grades)}" for each in group)
        yield _finding(course, "alternatives_in_other_grades", "note", f"{named(course)} takes any one of {offers}")


def _grades(grades: Sequence[int]) -> str:
    return ("grade " if len(grades) == 1 else "grades ") + ", ".join(str(grade) for grade in grades)


def _cycles(catalog: Catalog) -> Iterator[Conflict]:
    """Each circle of prerequisites once. One link is cut after each, to find the next."""
    waits_for = {
        code: {needed for group in course.prerequisites for needed in group if needed in catalog}
        for code, course in sorted(catalog.items())
    }
    for _ in range(REPORTED_CYCLES):
        try:
            TopologicalSorter({code: sorted(needed) for code, needed in waits_for.items()}).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]  # each is a prerequisite of the next, first and last are the same
            waits_for[circle[1]].discard(circle[0])
            start = circle.index(min(circle))
            turned = [*circle[start:-1], *circle[:start], min(circle)]
            detail = f"each of these comes before the next, and the last before the first: {' -> '.join(turned)}"
            yield _finding(catalog[min(circle)], "prerequisite_cycle", "conflict", detail)
        else:
            return


def earliest_grades(catalog: Catalog) -> dict[str, int]:
    """
    The first grade each course can be taken in, its prerequisites taken in the same grade or before.

    Courses that can never be reached are missing. Alternatives that are not in the catalog do
    not hold a course back: they may be taken elsewhere.
    """
    waiting_for: dict[str, list[str]] = {}
    for code, course in catalog.items():
        for needed in {needed for group in course.prerequisites for needed in group}:
            waiting_for.setdefault(needed, []).append(code)
    earliest: dict[str, int] = {}
    to_look_at = deque(catalog)
    while to_look_at:
        code = to_look_at.popleft()
        start = _start(catalog[code], earliest, catalog)
        fits = [grade for grade in catalog[code].grades if start is not None and grade >= start]
        if fits and earliest.get(code) != fits[0]:  # grades only ever get lower, so this ends
            earliest[code] = fits[0]
            to_look_at += waiting_for.get(code, [])
    return earliest


def _start(course: Course, earliest: Mapping[str, int], catalog: Catalog) -> int | None:
    """The first grade in which every prerequisite can be behind a student; None if one never is."""
    starts = [course.grades[0]]
    for group in course.prerequisites:
        if any(code not in catalog for code in group):
            continue
        reached = [earliest[code] for code in group if code in earliest]
        if not reached:
            return None
        starts.append(min(reached))
    return max(starts)


def _unreachable(catalog: Catalog) -> Iterator[Conflict]:
    earliest = earliest_grades(catalog)
    for code, course in catalog.items():
        if code not in earliest:
            detail = (
                f"{named(course)} is offered in {_grades(course.grades)}, but its prerequisites cannot be behind a "
                "student by then"
            )
            yield _finding(course, "out_of_reach", "conflict", detail)
        elif earliest[code] > course.grades[0]:
            detail = (
                f"{named(course)} is offered from grade {course.grades[0]}, but its prerequisites allow it "
                f"from grade {earliest[code]} only"
            )
            yield _finding(course, "later_than_offered", "note", detail)


def _not_checked(courses: Sequence[Course]) -> Iterator[Conflict]:
    """Facts of the source no plan is checked against, one finding per kind of fact."""
    codes: dict[str, list[str]] = {}
    for course in courses:
        for remark in course.remarks:
            codes.setdefault(remark, []).append(course.code)
    for remark, where in sorted(codes.items()):
        detail = f"{json.dumps(remark)} is kept and shown, but plans are not checked against it: {', '.join(where)}"
        yield Conflict(COURSES, "not_checked", remark, "note", detail)
