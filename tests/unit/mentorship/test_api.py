"""The HTTP API: who sees what, and precise refusals."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.mentorship.api import create_app
from services.mentorship.matches.repository import Match
from services.mentorship.relationship_files.rules import file_id_of
from services.mentorship.settings import MentorshipSettings
from shared.events.roster import GuardianshipGranted
from shared.testing.tokens import bearer
from tests.unit.mentorship.conftest import Mentorship, partner

CLINIC = partner().partner_id
FILE = file_id_of(CLINIC)

Proposed = Callable[[], tuple[UUID, Match]]
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(mentorship: Mentorship) -> Ask:
    """`ask(method, path, role, person_id, body)` answers status and parsed body."""
    settings = MentorshipSettings(home=mentorship.settings.home, database_url=None)

    async def send(method: str, path: str, role: str, person_id: UUID, body: Any) -> tuple[int, Any]:
        async with TestClient(TestServer(create_app(settings))) as client:
            response = await client.request(method, path, headers=bearer(settings, role, person_id), json=body)
            return response.status, json.loads(await response.read())

    def ask(
        method: str, path: str, role: str = "district_admin", person_id: UUID | None = None, body: Any = None
    ) -> tuple[int, Any]:
        return asyncio.run(send(method, path, role, person_id or uuid4(), body))

    return ask


def guardian_of(mentorship: Mentorship, student_id: UUID, *, barred: bool = False) -> UUID:
    guardian_id = uuid4()
    mentorship.hear(
        GuardianshipGranted(
            guardianship_id=uuid4(), guardian_id=guardian_id, student_id=student_id, relation="mother", barred=barred
        )
    )
    return guardian_id


class TestPartners:
    def test_lists_pages_without_contacts(self, mentorship: Mentorship, ask: Ask) -> None:
        mentorship.list_partners(partner("a"), partner("b"), partner("c"))

        status, first = ask("GET", "/v1/partners?limit=2", "counselor")
        _, second = ask("GET", f"/v1/partners?limit=2&cursor={first['next']}", "counselor")

        assert status == 200
        assert [each["organization"][0] for each in first["items"] + second["items"]] == ["A", "B", "C"]
        assert second["next"] is None
        assert "example.org" not in json.dumps(first)

    def test_tells_staff_whom_to_reach(self, mentorship: Mentorship, ask: Ask) -> None:
        mentorship.list_partners(partner())

        status, found = ask("GET", f"/v1/partners/{CLINIC}", "counselor")

        assert (status, found["contact"]["email"], found["places_left"]) == (200, "clinic@example.org", 2)

    @pytest.mark.parametrize("role", ["student", "guardian", "teacher", "partner", "integrator", "ops"])
    def test_is_not_there_for_others(self, mentorship: Mentorship, ask: Ask, role: str) -> None:
        mentorship.list_partners(partner())

        assert [ask("GET", path, role)[0] for path in ("/v1/partners", f"/v1/partners/{CLINIC}")] == [404, 404]

    def test_knows_no_other(self, ask: Ask) -> None:
        assert ask("GET", f"/v1/partners/{uuid4()}")[0] == 404
        assert ask("GET", "/v1/partners/clinic")[0] == 404

    def test_refuses_a_strange_cursor(self, ask: Ask) -> None:
        assert ask("GET", "/v1/partners?cursor=zzz")[0] == 422


class TestMatches:
    def test_the_family_and_the_counselor_read(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        people = {
            "student": student_id,
            "guardian": guardian_of(mentorship, student_id),
            "counselor": mentorship.counselor_of(student_id),
        }

        for role, person_id in people.items():
            status, found = ask("GET", f"/v1/students/{student_id}/matches", role, person_id)
            assert (status, [each["match_id"] for each in found["items"]]) == (200, [str(match.match_id)])
            assert found["items"][0]["candidates"][0]["places_left"] == 2

    def test_shows_that_nobody_fits(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        student_id, _ = proposed()
        counselor = mentorship.counselor_of(student_id)

        _, found = ask("GET", f"/v1/students/{student_id}/matches", "counselor", counselor)

        assert [each["status"] for each in found["items"]] == ["no_fit"]

    def test_is_not_there_for_others(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        barred = guardian_of(mentorship, student_id, barred=True)
        others = [("guardian", barred), ("counselor", uuid4()), ("student", uuid4()), ("district_admin", uuid4())]

        for role, person_id in others:
            assert ask("GET", f"/v1/students/{student_id}/matches", role, person_id)[0] == 404
            body = {"partner_id": str(CLINIC)}
            assert ask("POST", f"/v1/matches/{match.match_id}/approve", role, person_id, body)[0] == 404
            assert ask("POST", f"/v1/matches/{match.match_id}/decline", role, person_id)[0] == 404

        assert mentorship.emitted() == ["proposed"]

    def test_the_family_decides_nothing(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        for role, person_id in (("student", student_id), ("guardian", guardian_of(mentorship, student_id))):
            body = {"partner_id": str(CLINIC)}
            assert ask("POST", f"/v1/matches/{match.match_id}/approve", role, person_id, body)[0] == 404

    def test_the_counselor_approves_once(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        counselor = mentorship.counselor_of(student_id)
        path, body = f"/v1/matches/{match.match_id}/approve", {"partner_id": str(CLINIC)}

        status, accepted = ask("POST", path, "counselor", counselor, body)
        again_status, again = ask("POST", path, "counselor", counselor, body)

        assert (status, accepted["status"], accepted["relationship_file_id"]) == (200, "accepted", str(FILE))
        assert accepted["candidates"][0]["places_left"] == 1
        assert (again_status, again["code"], again["decided_by"]) == (409, "match-already-decided", str(counselor))

    def test_the_counselor_declines(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        counselor = mentorship.counselor_of(student_id)

        status, declined = ask("POST", f"/v1/matches/{match.match_id}/decline", "counselor", counselor)

        assert (status, declined["status"]) == (200, "declined")

    def test_refuses_a_body_that_names_no_partner(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()
        counselor = mentorship.counselor_of(student_id)
        path = f"/v1/matches/{match.match_id}/approve"

        assert ask("POST", path, "counselor", counselor, {"partner_id": "clinic"})[0] == 422
        assert ask("POST", path, "counselor", counselor, {"partner_id": str(CLINIC), "note": "x"})[0] == 422
        assert mentorship.emitted() == ["proposed"]


class TestRelationshipFiles:
    @pytest.fixture
    def accepted(self, mentorship: Mentorship, ask: Ask, proposed: Proposed) -> tuple[UUID, UUID]:
        """A student and the counselor who approved the student's match with the clinic."""
        mentorship.list_partners(partner())
        student_id, match = proposed()
        counselor = mentorship.counselor_of(student_id)
        body = {"partner_id": str(CLINIC)}
        assert ask("POST", f"/v1/matches/{match.match_id}/approve", "counselor", counselor, body)[0] == 200
        return student_id, counselor

    def test_the_counselor_reads_all_of_the_own_students(
        self, mentorship: Mentorship, ask: Ask, accepted: tuple[UUID, UUID], proposed: Proposed
    ) -> None:
        proposed()  # somebody else's student

        status, file = ask("GET", f"/v1/relationship-files/{FILE}", "counselor", accepted[1])

        assert status == 200
        assert [entry["kind"] for entry in file["entries"]] == ["match_accepted", "proposed", "file_opened"]
        assert file["contact"]["phone"] == "+16055550123"

    def test_a_student_reads_what_concerns_the_own_match(
        self, mentorship: Mentorship, ask: Ask, accepted: tuple[UUID, UUID]
    ) -> None:
        outreach = {"kind": "call", "outcome": "reached"}
        ask("POST", f"/v1/relationship-files/{FILE}/entries", "counselor", accepted[1], outreach)

        status, file = ask("GET", f"/v1/relationship-files/{FILE}", "student", accepted[0])

        assert (status, file["contact"]) == (200, None)
        assert [entry["kind"] for entry in file["entries"]] == ["match_accepted", "proposed"]
        assert "example.org" not in json.dumps(file)

    def test_is_not_there_for_others(self, mentorship: Mentorship, ask: Ask, accepted: tuple[UUID, UUID]) -> None:
        stranger = mentorship.enrol()
        guardian = guardian_of(mentorship, accepted[0])
        for role, person_id in (("student", stranger), ("guardian", guardian), ("partner", uuid4()), ("ops", uuid4())):
            assert ask("GET", f"/v1/relationship-files/{FILE}", role, person_id)[0] == 404

    def test_a_teacher_reads_no_contact_and_no_strangers(self, ask: Ask, accepted: tuple[UUID, UUID]) -> None:
        status, file = ask("GET", f"/v1/relationship-files/{FILE}", "teacher")

        assert (status, file["contact"]) == (200, None)
        assert [entry["kind"] for entry in file["entries"]] == ["file_opened"]

    def test_the_administrator_reads_all_page_by_page(self, ask: Ask, accepted: tuple[UUID, UUID]) -> None:
        _, first = ask("GET", f"/v1/relationship-files/{FILE}?limit=2")
        _, second = ask("GET", f"/v1/relationship-files/{FILE}?limit=2&cursor={first['next']}")

        assert [entry["kind"] for entry in first["entries"] + second["entries"]] == [
            "match_accepted",
            "proposed",
            "file_opened",
        ]
        assert second["next"] is None

    def test_staff_note_an_outreach(self, ask: Ask, accepted: tuple[UUID, UUID]) -> None:
        student_id, counselor = accepted
        body = {"kind": "visit", "outcome": "agreed", "student_id": str(student_id), "follow_up_on": "2027-01-12"}

        status, entry = ask("POST", f"/v1/relationship-files/{FILE}/entries", "counselor", counselor, body)

        assert (status, entry["kind"], entry["by"]) == (201, "outreach_logged", str(counselor))
        assert entry["facts"] == {"outreach": "visit", "outcome": "agreed", "follow_up_on": "2027-01-12"}

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"kind": "letter", "outcome": "reached"}, 422),
            ({"kind": "call", "outcome": "reached", "note": "a chat about the child"}, 422),
            ({"kind": "call", "outcome": "reached", "at": "2999-01-01T00:00:00Z"}, 422),
            ({"kind": "call", "outcome": "reached", "student_id": str(uuid4())}, 404),
            ({}, 422),
        ],
    )
    def test_refuses_an_outreach(
        self, ask: Ask, accepted: tuple[UUID, UUID], body: dict[str, str], status: int
    ) -> None:
        path = f"/v1/relationship-files/{FILE}/entries"

        assert ask("POST", path, "counselor", accepted[1], body)[0] == status
        assert len(ask("GET", f"/v1/relationship-files/{FILE}")[1]["entries"]) == 3

    def test_knows_no_other_file(self, ask: Ask) -> None:
        body = {"kind": "call", "outcome": "reached"}
        assert ask("POST", f"/v1/relationship-files/{uuid4()}/entries", "counselor", uuid4(), body)[0] == 404
        assert ask("GET", f"/v1/relationship-files/{uuid4()}", "counselor", uuid4())[0] == 404
