"""The HTTP API: each sees what they have to do with, and nothing else exists for them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.roster.api import create_app
from services.roster.imports.mirror import person_id_of
from services.roster.worker import RosterService
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.relay import Relay, turn_for
from shared.testing.tokens import bearer
from tests.unit.roster.conftest import Package, Roster

S1, S2, G1, G2, C1, T1 = (person_id_of("sis", key) for key in ("s1", "s2", "g1", "g2", "c1", "t1"))
ANA, BEN = uuid4(), uuid4()

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def loaded(roster: Roster, package: Package) -> Roster:
    """s1 has g1, g2 and counselor c1; s2 has g2 and nobody on staff. t1 is a teacher of nobody."""
    package.person("c1", "counselor").person("t1", "teacher")
    package.files["users"][0]["agentSourcedIds"] = "g1,g2,c1"
    roster.take_in(package.born("s1", "2011-05-01").write())
    hear_oneself(roster)
    return roster


def hear_oneself(roster: Roster) -> None:
    """Apply the roster's own events, which its access projection comes from."""
    broker = EmbeddedBroker()
    consumer = RosterService.consumer(roster.database, roster.settings)
    broker.subscribe("roster", RosterService.reactions(), consumer.apply)
    Relay(roster.database, broker, batch=500, turn=turn_for(roster.database)).drain()


@pytest.fixture
def ask(loaded: Roster) -> Ask:
    """`ask(method, path, role, person_id, body)` answers status and parsed body."""

    async def send(
        method: str, path: str, role: str, person: UUID, body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        async with TestClient(TestServer(create_app(loaded.settings))) as client:
            signed = {**bearer(loaded.settings, role, person), **headers}
            response = await client.request(method, path, headers=signed, json=body)
            content = await response.read()
            return response.status, json.loads(content) if content else None

    def ask(
        method: str, path: str, role: str, person: UUID, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        answer = asyncio.run(send(method, path, role, person, body, headers or {}))
        hear_oneself(loaded)
        return answer

    return ask


class TestStudents:
    def test_are_listed_for_those_who_have_to_do_with_them(self, ask: Ask) -> None:
        def listed(role: str, person: UUID) -> set[str]:
            return {item["student_id"] for item in ask("GET", "/v1/students", role, person)[1]["items"]}

        assert listed("guardian", G1) == {str(S1)}
        assert listed("guardian", G2) == {str(S1), str(S2)}
        assert listed("counselor", C1) == {str(S1)}
        assert listed("student", S2) == {str(S2)}
        assert listed("teacher", T1) == listed("district_admin", ANA) == set()

    def test_are_listed_in_pages(self, ask: Ask) -> None:
        _, first = ask("GET", "/v1/students?limit=1", "guardian", G2)
        _, second = ask("GET", f"/v1/students?limit=1&cursor={first['next']}", "guardian", G2)

        assert {item["student_id"] for page in (first, second) for item in page["items"]} == {str(S1), str(S2)}
        assert second["next"] is None

    @pytest.mark.parametrize("query", ["cursor=nonsense", "limit=0", "limit=x", "grade=ninth", "cursor=WyJ4Il0"])
    def test_refuse_a_malformed_query(self, ask: Ask, query: str) -> None:
        assert ask("GET", f"/v1/students?{query}", "guardian", G2)[0] == 422

    def test_are_read_by_name(self, ask: Ask) -> None:
        status, student = ask("GET", f"/v1/students/{S1}", "guardian", G1)

        assert status == 200
        assert (student["given_name"], student["grade"], student["school"]["name"]) == (
            "Given-s1",
            9,
            "Example High School",
        )

    def test_do_not_exist_for_anybody_else(self, ask: Ask) -> None:
        answers = [
            ask("GET", f"/v1/students/{student}", role, person)
            for student, role, person in (
                (S2, "guardian", G1),
                (S2, "counselor", C1),
                (S1, "student", S2),
                (S1, "teacher", T1),
                (S1, "district_admin", ANA),
                (S1, "integrator", ANA),
                (uuid4(), "guardian", G1),
                ("no-id", "guardian", G1),
            )
        ]

        assert {status for status, _ in answers} == {404}
        assert len({json.dumps(body) for _, body in answers}) == 1

    def test_are_read_by_the_district_with_a_reason(self, ask: Ask) -> None:
        assert ask("GET", f"/v1/students/{S1}", "district_admin", ANA, None, {"Access-Reason": "appeal"})[0] == 200


class TestMe:
    def test_says_who_one_is_and_how_related(self, ask: Ask) -> None:
        status, me = ask("GET", "/v1/me", "guardian", G1)

        assert status == 200
        assert (me["given_name"], me["role"]) == ("Given-g1", "guardian")
        assert [(each["student"]["student_id"], each["relations"]) for each in me["students"]] == [
            (str(S1), ["guardian_of"])
        ]

    def test_knows_no_name_of_somebody_who_is_not_on_the_roster(self, ask: Ask) -> None:
        status, me = ask("GET", "/v1/me", "district_admin", ANA)

        assert (status, me["given_name"], me["students"]) == (200, None, [])


class TestContacts:
    def test_of_a_family_are_read_by_the_counselor(self, ask: Ask) -> None:
        status, contacts = ask("GET", f"/v1/students/{S1}/contacts", "counselor", C1)

        assert status == 200
        assert {contact["person_id"] for contact in contacts["items"]} == {str(S1), str(G1), str(G2)}

    def test_of_a_barred_guardian_are_not_passed_on(self, ask: Ask) -> None:
        ask("POST", f"/v1/students/{S1}/guardians/{G1}/restriction", "district_admin", ANA, FILING)

        _, contacts = ask("GET", f"/v1/students/{S1}/contacts", "counselor", C1)

        assert str(G1) not in {contact["person_id"] for contact in contacts["items"]}

    @pytest.mark.parametrize(
        ("role", "person"), [("guardian", G1), ("student", S2), ("teacher", T1), ("counselor", T1)]
    )
    def test_do_not_exist_for_anybody_else(self, ask: Ask, role: str, person: UUID) -> None:
        assert ask("GET", f"/v1/students/{S1}/contacts", role, person)[0] == 404

    def test_are_a_guardian_s_own_to_change(self, ask: Ask) -> None:
        status, before = ask("GET", "/v1/me/contact", "guardian", G1)
        change = {"email": "me@example.org", "language": "es"}

        changed = ask("PUT", "/v1/me/contact", "guardian", G1, change, {"If-Match": f'"{before["version"]}"'})
        stale = ask("PUT", "/v1/me/contact", "guardian", G1, change, {"If-Match": f'"{before["version"]}"'})

        assert (status, changed[0], changed[1]["email"], changed[1]["phone"]) == (200, 200, "me@example.org", None)
        assert (stale[0], stale[1]["code"]) == (412, "precondition-failed")

    def test_are_refused_precisely(self, ask: Ask) -> None:
        status, problem = ask("PUT", "/v1/me/contact", "guardian", G1, {"phone": "12"})

        assert (status, problem["code"], problem["pointer"]) == (422, "contact-malformed", "/phone")

    def test_are_not_a_minor_s_to_read_or_change(self, ask: Ask) -> None:
        assert ask("GET", "/v1/me/contact", "student", S1)[0] == 404
        assert ask("GET", f"/v1/students/{S1}/contacts", "student", S1)[0] == 404
        assert ask("PUT", f"/v1/students/{S1}/contacts", "student", S1, {"email": "a@b.org"})[0] == 404
        assert ask("PUT", "/v1/me/contact", "student", S1, {"email": "a@b.org"})[0] == 404

    def test_are_a_grown_student_s_own(self, ask: Ask, loaded: Roster, package: Package) -> None:
        package.files["demographics"][0]["birthDate"] = "2000-01-01"
        loaded.take_in(package.write())
        hear_oneself(loaded)

        assert ask("PUT", f"/v1/students/{S1}/contacts", "student", S1, {"email": "a@b.org"})[0] == 200
        own = ask("GET", f"/v1/students/{S1}/contacts", "student", S1)[1]["items"]
        assert [(contact["person_id"], contact["email"]) for contact in own] == [(str(S1), "a@b.org")]

    def test_of_staff_are_theirs_to_read_alone(self, ask: Ask) -> None:
        assert ask("GET", "/v1/me/contact", "counselor", C1)[0] == 200
        assert ask("PUT", "/v1/me/contact", "counselor", C1, {"email": "a@b.org"})[0] == 404


FILING = {"document": "Docket 12", "barred": True}


class TestGuardians:
    def test_are_listed_for_staff_and_district(self, ask: Ask) -> None:
        for role, person in (("counselor", C1), ("district_admin", ANA)):
            reason = {"Access-Reason": "court order to be filed"}
            status, guardians = ask("GET", f"/v1/students/{S1}/guardians", role, person, headers=reason)

            assert status == 200
            assert {item["guardian_id"] for item in guardians["items"]} == {str(G1), str(G2)}
            assert {item["relation"] for item in guardians["items"]} == {"parent"}

    @pytest.mark.parametrize(("role", "person"), [("guardian", G1), ("student", S1), ("teacher", T1)])
    def test_do_not_exist_for_anybody_else(self, ask: Ask, role: str, person: UUID) -> None:
        assert ask("GET", f"/v1/students/{S1}/guardians", role, person)[0] == 404

    def test_see_nothing_from_the_filing_of_an_order_on(self, ask: Ask) -> None:
        assert ask("GET", f"/v1/students/{S1}", "guardian", G1)[0] == 200

        status, order = ask("POST", f"/v1/students/{S1}/guardians/{G1}/restriction", "district_admin", ANA, FILING)

        assert (status, order["state"], order["withholds_today"]) == (201, "filed", True)
        assert ask("GET", f"/v1/students/{S1}", "guardian", G1)[0] == 404
        assert ask("GET", f"/v1/students/{S1}", "guardian", G2)[0] == 200

    def test_get_back_what_two_administrators_give(self, ask: Ask) -> None:
        path = f"/v1/students/{S1}/guardians/{G1}/restriction"
        order_id = ask("POST", path, "district_admin", ANA, FILING)[1]["order_id"]
        order = f"/v1/restrictions/{order_id}"

        assert ask("POST", f"{order}/confirm", "district_admin", ANA)[1]["code"] == "second-person-needed"
        assert ask("POST", f"{order}/confirm", "district_admin", BEN)[1]["state"] == "confirmed"
        assert ask("POST", f"{order}/lift", "district_admin", BEN, {"document": "Docket 13"})[1]["state"] == "lifting"
        assert ask("GET", f"/v1/students/{S1}", "guardian", G1)[0] == 404
        assert len(ask("GET", "/v1/restrictions?open=true", "district_admin", ANA)[1]["items"]) == 1
        assert ask("POST", f"{order}/confirm", "district_admin", ANA)[1]["state"] == "lifted"
        assert ask("GET", f"/v1/students/{S1}", "guardian", G1)[0] == 200
        assert ask("GET", order, "district_admin", BEN)[1]["lifted_by"] == str(ANA)
        assert ask("GET", "/v1/restrictions?open=true", "district_admin", ANA)[1]["items"] == []

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"document": "D", "barred": True, "rights": ["plan.read"]}, "court-order-meaningless"),
            ({"document": "", "barred": True}, "invalid-input"),
            ({"barred": True}, "invalid-input"),
            ({"document": "D", "barred": False, "rights": ["everything"]}, "invalid-input"),
        ],
    )
    def test_lose_nothing_by_a_malformed_order(self, ask: Ask, body: dict[str, Any], code: str) -> None:
        status, problem = ask("POST", f"/v1/students/{S1}/guardians/{G1}/restriction", "district_admin", ANA, body)

        assert (status, problem["code"]) == (422, code)
        assert ask("GET", f"/v1/students/{S1}", "guardian", G1)[0] == 200


class TestStaff:
    def test_of_a_student_are_named(self, ask: Ask) -> None:
        status, staff = ask("GET", f"/v1/students/{S1}/staff", "guardian", G1)

        assert status == 200
        assert [(item["staff_id"], item["relation"]) for item in staff["items"]] == [(str(C1), "counselor")]

    def test_do_not_exist_for_anybody_else(self, ask: Ask) -> None:
        assert ask("GET", f"/v1/students/{S2}/staff", "guardian", G1)[0] == 404


class TestImports:
    @pytest.fixture
    def parked(self, loaded: Roster, package: Package) -> UUID:
        report = loaded.take_in(package.without("users", sourcedId="s2").without("roles", userSourcedId="s2").write())
        assert report.state == "parked"
        assert report.import_id is not None
        return report.import_id

    def test_are_decided_by_the_district(self, ask: Ask, parked: UUID) -> None:
        _, page = ask("GET", "/v1/roster/imports", "district_admin", ANA)
        assert [item["state"] for item in page["items"]] in (["parked", "applied"], ["applied", "parked"])

        status, decided = ask("POST", f"/v1/roster/imports/{parked}/confirm", "district_admin", ANA)

        assert (status, decided["state"], decided["decided_by"]) == (200, "confirmed", str(ANA))
        assert ask("GET", f"/v1/students/{S2}", "guardian", G2)[1]["is_enrolled"] is False
        again = ask("POST", f"/v1/roster/imports/{parked}/confirm", "district_admin", ANA)
        assert (again[0], again[1]["code"]) == (409, "import-not-parked")

    def test_are_rejected_without_effect(self, ask: Ask, parked: UUID) -> None:
        assert ask("POST", f"/v1/roster/imports/{parked}/reject", "district_admin", ANA)[1]["state"] == "rejected"
        assert ask("GET", f"/v1/students/{S2}", "guardian", G2)[1]["is_enrolled"] is True

    def test_are_listed_in_pages(self, ask: Ask, parked: UUID) -> None:
        _, first = ask("GET", "/v1/roster/imports?limit=1", "district_admin", ANA)
        _, second = ask("GET", f"/v1/roster/imports?limit=1&cursor={first['next']}", "district_admin", ANA)

        assert {item["state"] for page in (first, second) for item in page["items"]} == {"parked", "applied"}
        assert second["next"] is None

    def test_do_not_exist_if_unknown(self, ask: Ask) -> None:
        assert ask("POST", f"/v1/roster/imports/{uuid4()}/reject", "district_admin", ANA)[0] == 404


class TestPeople:
    def test_are_found_by_the_source_s_id_without_names(self, ask: Ask) -> None:
        status, found = ask("GET", "/v1/roster/people?sourced_id=g1", "district_admin", ANA)

        assert status == 200
        assert [(item["person_id"], item["kind"]) for item in found["items"]] == [(str(G1), "guardian")]
        assert "Given" not in json.dumps(found)

    def test_need_an_id_to_be_found_by(self, ask: Ask) -> None:
        assert ask("GET", "/v1/roster/people", "district_admin", ANA)[0] == 422


DISTRICT_ROUTES = [
    ("POST", f"/v1/students/{S1}/guardians/{G1}/restriction"),
    ("GET", "/v1/restrictions"),
    ("GET", f"/v1/restrictions/{S1}"),
    ("POST", f"/v1/restrictions/{S1}/confirm"),
    ("POST", f"/v1/restrictions/{S1}/lift"),
    ("GET", "/v1/roster/imports"),
    ("POST", f"/v1/roster/imports/{S1}/confirm"),
    ("POST", f"/v1/roster/imports/{S1}/reject"),
    ("GET", "/v1/roster/people?sourced_id=s1"),
]


class TestDistrictRoutes:
    @pytest.mark.parametrize(("method", "path"), DISTRICT_ROUTES)
    def test_do_not_exist_for_other_roles(self, ask: Ask, method: str, path: str) -> None:
        people = {"guardian": G1, "student": S1, "counselor": C1, "teacher": T1, "case_manager": C1, "integrator": ANA}

        assert {role: ask(method, path, role, person, FILING)[0] for role, person in people.items()} == dict.fromkeys(
            people, 404
        )
