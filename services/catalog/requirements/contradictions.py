"""Where a requirement set and the catalog contradict each other. Pure; nothing is refused."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from services.catalog.conflicts.rules import Conflict, Severity
from services.catalog.courses.contradictions import named
from services.catalog.courses.rules import Course, plain
from services.catalog.requirements.rules import RequirementSet
from shared.events.catalog import Requirement

Catalog = Mapping[str, Course]


def contradictions(rules: RequirementSet, catalog: Catalog, retired: frozenset[str] = frozenset()) -> list[Conflict]:
    """
    Every finding in one requirement set.

    Args:
        catalog: The courses offered, by code.
        retired: Codes no longer offered.
    """
    found = [
        Conflict(rules.key, each.kind, each.subject, each.severity, each.detail, each.where) for each in rules.remarks
    ]
    found += _sizes(rules, catalog)
    asked = sum((line.credits for line in rules.requirements), Decimal(0))
    if asked > rules.total:
        detail = f"the lines ask for {plain(asked)} {rules.unit}s together, but the total is {plain(rules.total)}"
        found.append(Conflict(rules.key, "lines_exceed_total", "total", "conflict", detail))
    for line in rules.requirements:
        found += _line(rules, line, catalog, retired)
    return found


def _line(rules: RequirementSet, line: Requirement, catalog: Catalog, retired: frozenset[str]) -> Iterator[Conflict]:
    def finding(kind: str, severity: Severity, detail: str) -> Conflict:
        return Conflict(rules.key, kind, line.id, severity, detail, rules.places.get(line.id, ""))

    for code in _codes_of(line):
        if code not in catalog:
            why = "is no longer offered" if code in retired else "is not in the catalog"
            yield finding("course_absent", "conflict", f"{line.id} names course {code}, which {why}")
    departments = {course.department for course in catalog.values()}
    for department in line.departments:
        if department not in departments:
            detail = f"{line.id} counts courses of {department}, a department the catalog does not have"
            yield finding("department_absent", "conflict", detail)
    yield from _worth(rules, line, catalog)
    for group in line.one_from_each:
        offered = [catalog[code] for code in group if code in catalog]
        if len({course.credits for course in offered}) > 1:
            worth = ", ".join(f"{named(course)} {plain(course.credits)}" for course in offered)
            yield finding("alternatives_worth_differently", "note", f"{line.id}: of these any one will do: {worth}")
    for alternative in line.alternatives:
        yield from _line(rules, alternative, catalog, retired)


def _worth(rules: RequirementSet, line: Requirement, catalog: Catalog) -> Iterator[Conflict]:
    fitting = [course for course in catalog.values() if _fits(line, course)]
    worth = sum((course.credits * course.repeatable for course in fitting), Decimal(0))
    if line.credits > worth:
        courses = ", ".join(named(course) for course in fitting) or "no course"
        detail = f"{line.id} asks for {plain(line.credits)}, but what fits ({courses}) is worth {plain(worth)} in all"
        yield Conflict(rules.key, "out_of_reach", line.id, "conflict", detail, rules.places.get(line.id, ""))


def _fits(line: Requirement, course: Course) -> bool:
    if course.code in line.exclude:
        return False
    named_in = {*line.any_of, *line.all_of, *(code for group in line.one_from_each for code in group)}
    return course.code in named_in or course.department in line.departments


def _codes_of(line: Requirement) -> list[str]:
    groups = (*line.one_from_each, *line.clusters.values(), line.any_of, line.exclude, line.all_of)
    return list(dict.fromkeys(code for group in groups for code in group))


def _sizes(rules: RequirementSet, catalog: Catalog) -> Iterator[Conflict]:
    """Courses of a worth the rule set does not know; none at all is reported by the catalog itself."""
    sizes = rules.course_sizes
    for course in catalog.values():
        # Where only the year-long course has a stated worth, shorter courses may be worth anything less.
        is_unknown = len(sizes) > 1 and course.credits not in sizes
        if sizes and course.credits and (is_unknown or course.credits > max(sizes)):
            stated = " or ".join(plain(size) for size in sizes)
            detail = f"{named(course)} is worth {plain(course.credits)}; in this rule set a course is worth {stated}"
            yield Conflict(rules.key, "unusual_credits", course.code, "note", detail, course.origin)
