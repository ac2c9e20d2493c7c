"""What each role sees first, and where its parts come from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MAX_CHILDREN = 10


@dataclass(frozen=True)
class Source:
    """One read that a part of the screen is made of."""

    part: str
    service: str
    path: str


ME = Source("me", "roster", "/v1/me")
STUDENTS = Source("students", "roster", "/v1/students?limit=50")
NOTICES = Source("notices", "notifications", "/v1/notices?limit=20")
OPEN_TASKS = Source("tasks", "notifications", "/v1/tasks?state=open&limit=50")

_SCREENS: Mapping[str, tuple[Source, ...]] = {
    "student": (ME, NOTICES),
    "guardian": (ME, STUDENTS, NOTICES),
    "counselor": (ME, STUDENTS, OPEN_TASKS),
    "case_manager": (ME, STUDENTS, OPEN_TASKS),
    "teacher": (ME, STUDENTS, OPEN_TASKS),
}
_EVERYBODY = (ME,)


def screen_of(role: str, person_id: UUID) -> tuple[Source, ...]:
    """The reads of a first screen that need nothing known before."""
    sources = _SCREENS.get(role, _EVERYBODY)
    return (*sources, plan_of(person_id)) if role == "student" else sources


def plan_of(student_id: UUID | str) -> Source:
    return Source("plans", "plans", f"/v1/students/{student_id}/plan")


def plans_after(role: str, students: Any) -> tuple[Source, ...]:
    """The plans of a guardian's children, once the children are known; of the first MAX_CHILDREN."""
    if role != "guardian" or not isinstance(students, Mapping):
        return ()
    children = [child.get("student_id") for child in students.get("items", ())]
    return tuple(plan_of(child) for child in children[:MAX_CHILDREN] if child)
