"""For every route a request that would do something, about any student of the test district or about nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.roster.guardianships.tables import court_orders
from services.roster.imports.tables import roster_imports
from services.sample.requirements import RULE_SET
from tests.support.access_table import ROUTES, THINGS
from tests.support.district import FINANCE, NOBODY, UNREADABLE, District, partner_id_of
from tests.support.roll import FAMILIES, id_of

_COURSE = {"title": "English 9", "department": "English", "credits": 1, "grades": [9]}
_OUTREACH = {"kind": "call", "outcome": "reached"}
_LETTERS = {"event_ids": [str(UNREADABLE.event_id)], "reason": "test"}
# Without a reason, so that nothing comes of it.
_REPLAY = {"to": "plans", "since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z", "again": True}

BODIES: dict[str, Any] = {
    "PUT /v1/students/{student_id}/contacts": {"email": "new@example.com"},
    "PUT /v1/me/contact": {"email": "new@example.com"},
    "POST /v1/students/{student_id}/guardians/{guardian_id}/restriction": {"document": "Docket 13", "barred": True},
    "POST /v1/restrictions/{order_id}/lift": {"document": "Docket 14"},
    "PUT /v1/courses/{code}": _COURSE,
    "POST /v1/students/{student_id}/plan/changes": {"changes": [{"action": "add", "code": "MAT-101", "grade": 9}]},
    "PUT /v1/students/{student_id}/plan/goal": {"cluster": FINANCE},
    "PUT /v1/students/{student_id}/plan/interests": {"clusters": [FINANCE]},
    "PUT /v1/students/{student_id}/plan/requirement-set": {"key": f"{RULE_SET}/college_prep"},
}
_HOOK = "/v1/webhooks/{endpoint_id}"
BODIES |= {
    "POST /v1/webhooks": {"url": "https://hooks.example.org/", "events": ["plans.plan.*"]},
    f"PATCH {_HOOK}": {"description": "Analytics"},
    f"POST {_HOOK}/approve": {"allowed_events": ["plans.plan.*"]},
    f"POST {_HOOK}/secret/rotate": {"overlap_hours": 1},
    f"POST {_HOOK}/resend": {"since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z"},
}
QUERIES = {"GET /v1/roster/people": "?sourced_id=ana"}


@dataclass(frozen=True)
class Prepared:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


class Requests:
    """Fills in routes."""

    def __init__(self, district: District) -> None:
        self._district = district
        with district.database("roster").reading() as session:
            self._order_id = session.scalars(select(court_orders.c.order_id)).first()
            self._import_id = session.scalars(select(roster_imports.c.import_id)).first()

    def about(self, key: str, student: str | None, *, recipient: UUID | None = None) -> Prepared:
        """
        The request of a route, about a student.

        Args:
            student: None for one who does not exist.
            recipient: Whose notice is meant, where the route is about one and that person got one.
        """
        return self._prepared(key, self._names_about(student, recipient), student)

    def existing(self, key: str, *, student: str | None = "ana") -> Prepared:
        """The request of any route, about something that exists, or with None for a student about nothing that does."""
        match ROUTES[key].about:
            case "webhook":
                return self.about_webhook(key, "vendor" if student else None)
            case about if about in THINGS:
                return self.of_things(key, existing=student is not None)
            case _:
                return self.about(key, student)

    def of_things(self, key: str, *, existing: bool, role: str = "") -> Prepared:
        """The request of a route that is about no student. An administrator says for whom a webhook is."""
        names: Mapping[str, object] = {
            "order_id": self._order_id,
            "import_id": self._import_id,
            "partner_id": partner_id_of("clinic"),
            "code": "ENG-101",
            "rule_set": RULE_SET,
            "track": "standard",
            "key": f"{RULE_SET}%2Fstandard",
            "event_id": UNREADABLE.event_id,
            "replay_id": NOBODY,
        }
        prepared = self._prepared(key, names if existing else dict.fromkeys(names, NOBODY), None)
        if key == "POST /v1/webhooks" and role == "district_admin":
            return replace(prepared, body={**prepared.body, "owner_id": str(id_of("vendor"))})
        return prepared

    def about_webhook(self, key: str, owner: str | None) -> Prepared:
        """The request of a route about an integrator's endpoint; None for one that does not exist."""
        found = self._district.endpoints[owner] if owner else NOBODY
        event_id = self._district.delivered[owner] if owner else NOBODY
        return self._prepared(key, {"endpoint_id": found, "event_id": event_id}, None)

    def _names_about(self, student: str | None, recipient: UUID | None) -> Mapping[str, object]:
        if student is None:
            names = ("student_id", "guardian_id", "match_id", "task_id", "correlation_id", "notice_id")
            return dict.fromkeys((*names, "relationship_file_id"), NOBODY) | {"version": 1}
        things = self._district.things[student]
        anybodys = next(iter(things.notices.values()))
        return {
            "student_id": id_of(student),
            "guardian_id": id_of(FAMILIES[student].guardians[0]),
            "version": 1,
            "match_id": things.match_id,
            "task_id": things.task_id,
            "correlation_id": things.correlation_id,
            "relationship_file_id": things.relationship_file_id,
            "notice_id": things.notices.get(recipient, anybodys) if recipient else anybodys,
        }

    def _prepared(self, key: str, names: Mapping[str, object], student: str | None) -> Prepared:
        method, _, template = key.partition(" ")
        path = template.format_map(names) if "{" in template else template
        return Prepared(method, path + QUERIES.get(key, ""), self._headers(key, student), self._body(key, student))

    def _headers(self, key: str, student: str | None) -> Mapping[str, str]:
        """The version a writer must name; the right one, so that nothing but the permission is missing."""
        if key.startswith("GET "):
            return {}
        if key.startswith("PATCH /v1/webhooks"):
            return {"If-Match": '"1"'}
        if "/plan" in key:
            version = self._district.things[student].plan_version if student else 1
            return {"If-Match": f'"{version}"'}
        return {"If-Match": '"1"'} if "/courses/" in key else {}

    def _body(self, key: str, student: str | None) -> Any:
        if key == "POST /v1/matches/{match_id}/approve":
            return {"partner_id": str(partner_id_of("builders"))}
        if key.endswith("/entries"):
            return {**_OUTREACH, "student_id": str(id_of(student) if student else NOBODY)}
        if "/dead-letters/" in key and key.startswith("POST "):
            return _LETTERS
        if key.endswith("/replays"):
            return _REPLAY
        return BODIES.get(key)
