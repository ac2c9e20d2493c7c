"""Everybody who may knock: each role in each state that matters, and what they are to the students they know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.access_table import READS, STRANGER, TOLD
from tests.support.district import MIDNIGHT, NOON
from tests.support.roll import ADULT, BIRTHDAY, id_of

# They have no relation to any student; what they may, they may of every one.
AT_LARGE = frozenset({"partner", "integrator", "district admin", "ops"})


@dataclass(frozen=True)
class Caller:
    """
    Somebody asking, with a token in a role.

    `column` is what they are where no student is concerned; `students` what they are to each they know.
    """

    role: str
    person: str
    column: str
    students: Mapping[str, str] = field(default_factory=dict)
    own: str = "ana"
    at: datetime = NOON
    reason: str | None = None
    scope: str = ""

    def column_for(self, student: str | None) -> str:
        if student is None or self.column in AT_LARGE:
            return self.column
        return self.students.get(student, STRANGER)

    @property
    def targets(self) -> list[str]:
        """Own, others one knows, another student of the school, and one of another school."""
        return list(dict.fromkeys([self.own, *self.students, "cal", "dan"]))

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.reason is None else {"Access-Reason": self.reason}

    def is_self(self, student: str | None) -> bool:
        return student is not None and id_of(self.person) == id_of(student)


def _family(role: str, person: str, column: str, student: str, at: datetime = NOON) -> Caller:
    own_column = "guardian" if role == "guardian" and column in (STRANGER, READS, TOLD) else column
    return Caller(role, person, own_column, {student: column}, own=student, at=at)


def _staff(role: str, person: str, students: Mapping[str, str], own: str = "ana") -> Caller:
    return Caller(role, person, role.replace("_", " "), students, own=own)


CALLERS: Mapping[str, Caller] = {
    "student": _family("student", "ana", "student", "ana"),
    "student of 18": _family("student", ADULT, "student 18+", ADULT),
    "student a second before 18": _family("student", BIRTHDAY, "student", BIRTHDAY, at=MIDNIGHT - timedelta(seconds=1)),
    "student at midnight of the birthday": _family("student", BIRTHDAY, "student 18+", BIRTHDAY, at=MIDNIGHT),
    "guardian": _family("guardian", "gus", "guardian", "ana"),
    "guardian who may only read": _family("guardian", "reader", READS, "ana"),
    "guardian who is only told": _family("guardian", "hearer", TOLD, "ana"),
    "barred guardian": _family("guardian", "bob", "barred guardian", "ana"),
    "guardian of two barred for one": Caller(
        "guardian", "gil", "guardian", {"ana": "guardian", "bea": "barred guardian"}
    ),
    "guardian whose link was revoked": Caller("guardian", "zed", "barred guardian", {"ana": STRANGER}),
    "guardian whose link ended yesterday": _family("guardian", "zip", STRANGER, "ana"),
    "guardian from tomorrow on": _family("guardian", "zoe", STRANGER, "ana"),
    "guardian of a student of 18": _family("guardian", "gev", STRANGER, ADULT),
    "guardian a second before 18": _family("guardian", "gdo", "guardian", BIRTHDAY, at=MIDNIGHT - timedelta(seconds=1)),
    "guardian at midnight of the birthday": _family("guardian", "gdo", STRANGER, BIRTHDAY, at=MIDNIGHT),
    "counselor": _staff("counselor", "kim", {"ana": "counselor", ADULT: "counselor", BIRTHDAY: "counselor"}),
    "counselor whose caseload ended": _staff("counselor", "kex", {"ana": STRANGER}),
    "counselor until yesterday": _staff("counselor", "kol", {"ana": STRANGER}),
    "counselor who is a parent of another": _staff("counselor", "kap", {"ana": "counselor", "pat": "guardian"}),
    "counselor barred as a parent": _staff("counselor", "kab", {"cal": "barred guardian"}, own="cal"),
    "counselor of another school": _staff("counselor", "kit", {"dan": "counselor", "pat": "counselor"}),
    "teacher": _staff("teacher", "tea", {"ana": "teacher"}),
    "case manager": _staff("case_manager", "cam", {"ana": "case manager"}),
    "partner": Caller("partner", "mentor", "partner"),
    "integrator": Caller("integrator", "vendor", "integrator"),
    "integrator with a scope": Caller("integrator", "vendor", "integrator", scope="events:plans.plan.*"),
    "district admin": Caller("district_admin", "director", "district admin"),
    "district admin with a reason": Caller("district_admin", "director", "district admin", reason="complaint 7"),
    "ops": Caller("ops", "operator", "ops"),
}
