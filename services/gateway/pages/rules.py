"""What a page shows of other services' documents. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

_TOKEN = re.compile(r"^[A-Za-z0-9._~=-]{1,1000}$")
_TERM_ORDER = {"S1": 0, "YEAR": 1, "S2": 2}

Refusal = Literal["expired", "unknown", "away"]


@dataclass(frozen=True)
class PlannedCourse:
    title: str
    term: str
    credits: str


@dataclass(frozen=True)
class PlannedGrade:
    """One grade level of the plan, courses in the order of the year."""

    grade: int
    credits: str
    courses: tuple[PlannedCourse, ...]


@dataclass(frozen=True)
class PlacedWrongly:
    """A planned course that cannot be taken as planned; `kind` as in the plan document."""

    kind: str
    course: str


@dataclass(frozen=True)
class ShownPlan:
    """A plan as a page tells it."""

    on_track: bool
    credits_planned: str
    credits_required: str
    open_requirements: tuple[str, ...]
    findings: tuple[PlacedWrongly, ...]
    grades: tuple[PlannedGrade, ...]


def is_token(text: str) -> bool:
    """Whether a path segment can be a link's token at all; only such a one is passed on."""
    return _TOKEN.match(text) is not None


def refusal_of(status: int) -> tuple[Refusal, int]:
    """
    What to tell somebody whose link was refused, and with which status.

    A forged link, one of a barred guardian and one that never was look the same.
    """
    if status == 410:
        return "expired", 410
    if status >= 500 or status == 429:
        return "away", 503
    return "unknown", 404


def shown_plan(document: Mapping[str, Any]) -> ShownPlan:
    """The part of a plan document that a family reads: where it stands, and the courses under their grades."""
    audit = document["audit"]
    by_grade: dict[int, list[Mapping[str, Any]]] = {}
    for course in document["courses"]:
        by_grade.setdefault(int(course["grade"]), []).append(course)
    return ShownPlan(
        on_track=bool(audit["on_track"]),
        credits_planned=plain(audit["credits_planned"]),
        credits_required=plain(audit["credits_required"]),
        open_requirements=tuple(str(line["title"]) for line in audit["requirements"] if not line["met"]),
        findings=tuple(PlacedWrongly(each["kind"], str(each["title"])) for each in audit["findings"]),
        grades=tuple(_grade(grade, by_grade[grade]) for grade in sorted(by_grade)),
    )


def _grade(grade: int, courses: Sequence[Mapping[str, Any]]) -> PlannedGrade:
    ordered = sorted(courses, key=lambda course: (_TERM_ORDER.get(course["term"], 3), str(course["title"])))
    return PlannedGrade(
        grade,
        plain(sum(Decimal(str(course["credits"])) for course in courses)),
        tuple(PlannedCourse(str(each["title"]), str(each["term"]), plain(each["credits"])) for each in ordered),
    )


def plain(amount: Decimal | float) -> str:
    """Credits as people write them: 1, 0.5, never 1.00."""
    return f"{Decimal(str(amount)).normalize():f}"
