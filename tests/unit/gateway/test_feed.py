"""`GET /v1/events`: order, cursors, and who is shown what."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from services.gateway.feed import handlers
from services.gateway.journeys.handlers import forget_old_journeys
from services.gateway.journeys.tables import event_log
from shared.auth.tables import disclosure_log
from shared.events import roster
from shared.events.patterns import is_pattern, matches, patterns_in
from shared.messaging.worker.periodic import Tick
from shared.testing import FakeClock, sqlite_database
from shared.testing.databases import embedded_settings
from tests.unit.gateway.feeding import (
    COUNSELOR,
    FATHER,
    MOTHER,
    SISTER,
    STRANGER,
    STUDENT,
    approved,
    enrolled,
    everything,
    everything_about_the_student,
    family,
    guardian,
    hear,
    page,
    place,
    signed,
    tell,
    types,
)
from tests.unit.gateway.world import World, asynchronous, gateway, problem

CONTENT = [
    "plans.plan.approved",
    "notifications.task.opened",
    "mentorship.match.proposed",
    "notifications.notice.delivered",
    "notifications.notice.delivered",
    "catalog.course.retired",
    "roster.contact.removed",
    "plans.plan.approved",
]


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "fits", "does_not"),
        [
            ("plans.plan.*", "plans.plan.revised.v1", "plans.audit.flipped.v1"),
            ("plans.*", "plans.audit.flipped.v1", "roster.student.changed.v1"),
            ("plans.*.revised.v1", "plans.plan.revised.v1", "plans.plan.approved.v1"),
            ("plans.plan.revised.v1", "plans.plan.revised.v1", "plans.plan.revised.v10"),
            ("*", "plans.plan.revised.v1", ""),
        ],
    )
    def test_fit(self, pattern: str, fits: str, does_not: str) -> None:
        assert matches(fits, [pattern])
        assert not matches(does_not, [pattern])

    @pytest.mark.parametrize("text", ["", "plans.", ".plan", "plans..x", "pl*", "plans.plan.#", "x" * 121, "Plans.*"])
    def test_are_told_from_other_text(self, text: str) -> None:
        assert not is_pattern(text)

    def test_of_scopes_are_those_of_events(self) -> None:
        assert patterns_in({"events:plans.plan.*", "openid", "events:", "events:(.*)"}) == ("plans.plan.*",)


class TestWhoIsShownWhat:
    @asynchronous
    async def test_the_counselor_sees_the_caseload_and_the_catalog(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            heard = tell(world, *everything_about_the_student())

            found = await everything(world, signed(world, "counselor", COUNSELOR))

        assert types(found)[-6:] == CONTENT[:6]
        assert found[-5]["causationid"] == str(heard[0].id)
        assert all(event.get("data", {}).get("student_id", str(STUDENT)) == str(STUDENT) for event in found)

    @asynchronous
    async def test_families_see_what_journeys_tell_them(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            tell(world, *everything_about_the_student())

            mother = await everything(world, signed(world, "guardian", MOTHER))
            student = await everything(world, signed(world, "student", STUDENT))

        roster_part = ["roster.student.enrolled", "roster.caseload.assigned"]
        assert types(mother) == [*roster_part, "plans.plan.approved", CONTENT[3], "catalog.course.retired"]
        assert types(student) == [*roster_part, "plans.plan.approved", "catalog.course.retired"]
        assert all("causationid" not in event for event in mother + student)

    @asynchronous
    async def test_a_barred_guardian_sees_the_other_child_alone(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            tell(world, *everything_about_the_student())

            found = await everything(world, signed(world, "guardian", FATHER), types="plans.*,roster.*")

        assert types(found) == ["roster.student.enrolled", "plans.plan.approved"]
        assert {event["data"]["student_id"] for event in found} == {str(SISTER)}

    @asynchronous
    async def test_a_court_order_is_heeded_with_the_next_page(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            link = guardian(MOTHER, STUDENT)
            tell(world, link, approved(), approved())
            headers = signed(world, "guardian", MOTHER)
            before = await page(world, headers, limit=1, types="plans.*")
            order = roster.GuardianshipRestricted(
                guardianship_id=link.guardianship_id, guardian_id=MOTHER, student_id=STUDENT, barred=True, rights=()
            )
            tell(world, order, version=2)

            after = await everything(world, headers, after=before["next"], types="plans.*")

        assert types(before["items"]) == ["plans.plan.approved"]
        assert after == []

    @asynchronous
    async def test_strangers_see_the_catalog(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            tell(world, *everything_about_the_student())

            for role in ("counselor", "teacher", "partner", "student", "guardian"):
                assert types(await everything(world, signed(world, role, STRANGER))) == ["catalog.course.retired"]

    @asynchronous
    async def test_operations_see_that_something_happened_and_not_what(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            tell(world, *everything_about_the_student())

            for role in ("ops", "district_admin"):
                found = await everything(world, signed(world, role, STRANGER))
                assert types(found)[-8:] == CONTENT
                assert not any({"data", "causationid", "dataschema"} & event.keys() for event in found)

    @asynchronous
    async def test_integrators_see_the_types_their_scopes_name_and_each_student_is_disclosed(
        self, tmp_path: Path
    ) -> None:
        integrator = uuid4()
        async with gateway(tmp_path) as world:
            family(world)
            tell(world, *everything_about_the_student())
            headers = signed(world, "integrator", integrator, scope="openid events:plans.plan.* events:catalog.*")

            found = await everything(world, headers)
            narrowed = await everything(world, headers, types="plans.*,roster.*")

            with world.database.reading() as session:
                disclosed = session.execute(select(disclosure_log)).all()
        assert types(found) == ["plans.plan.approved", "catalog.course.retired", "plans.plan.approved"]
        assert types(narrowed) == ["plans.plan.approved", "plans.plan.approved"]
        assert sorted((row.student_id, row.person_id, row.role, row.resource) for row in disclosed) == sorted(
            (student, integrator, "integrator", "events") for student in (STUDENT, SISTER, STUDENT, SISTER)
        )

    @asynchronous
    async def test_integrators_see_guardians_links_and_court_orders_only_where_a_scope_names_them(
        self, tmp_path: Path
    ) -> None:
        async with gateway(tmp_path) as world:
            tell(world, enrolled(STUDENT), guardian(MOTHER, STUDENT))

            for scope, seen in (
                ("events:*", ["roster.student.enrolled"]),
                ("events:roster.*", ["roster.student.enrolled"]),
                ("events:roster.guardianship.*", ["roster.guardianship.granted"]),
            ):
                found = await everything(world, signed(world, "integrator", STRANGER, scope=scope))
                assert types(found) == seen

    @asynchronous
    async def test_the_feed_does_not_exist_for_an_integrator_without_scopes(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            tell(world, approved())

            for path in ("/v1/events", "/v1/events/stream"):
                response = await world.client.get(path, headers=signed(world, "integrator", uuid4(), scope="openid"))
                assert (await problem(response))["status"] == 404

    @asynchronous
    async def test_nobody_reads_without_a_token(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            for path in ("/v1/events", "/v1/events/stream"):
                assert (await world.client.get(path)).status == 401


class TestDocument:
    @asynchronous
    async def test_is_a_cloudevent_without_what_is_sealed(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world)
            heard = tell(world, approved())

            student, *_, plan = await everything(world, signed(world, "counselor", COUNSELOR))

        assert plan == {
            "specversion": "1.0",
            "id": str(heard[0].id),
            "source": "/signpost/plans",
            "type": "plans.plan.approved.v1",
            "subject": heard[0].subject,
            "time": heard[0].time.isoformat().replace("+00:00", "Z"),
            "subjectversion": 1,
            "correlationid": str(heard[0].correlation_id),
            "dataschema": "/schemas/plans.plan.approved.v1.json",
            "datacontenttype": "application/json",
            "data": {
                "plan_id": heard[0].subject,
                "student_id": str(STUDENT),
                "version": 3,
                "actor_id": str(COUNSELOR),
            },
        }
        assert student["type"] == "roster.student.enrolled.v1"
        assert "sealed_name" not in student["data"]
        assert "dataschema" not in student


class TestCursor:
    @asynchronous
    async def test_goes_on_where_the_page_before_ended(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            heard = tell(world, *(approved(version=number) for number in range(25)))
            headers, found, after = signed(world, "ops", STRANGER), [], {}

            while True:
                read = await page(world, headers, limit=7, **after)
                found += read["items"]
                after = {"after": read["next"]}
                if not read["more"]:
                    break
            later = await page(world, headers, **after)
            tell(world, approved())
            latest = await page(world, headers, **after)

        assert [event["id"] for event in found] == [str(envelope.id) for envelope in heard]
        assert (later["items"], later["more"]) == ([], False)
        assert len(latest["items"]) == 1

    @asynchronous
    async def test_gets_past_a_stretch_that_is_not_for_the_reader(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handlers, "WINDOW", 10)
        async with gateway(tmp_path) as world:
            tell(world, *(approved(SISTER) for _ in range(35)))
            tell(world, guardian(MOTHER, STUDENT), approved())
            headers = signed(world, "guardian", MOTHER)

            first = await page(world, headers)
            found = await everything(world, headers)

        assert (first["items"], first["more"]) == ([], True)
        assert types(found) == ["plans.plan.approved"]

    @asynchronous
    async def test_says_so_when_what_follows_it_is_no_longer_kept(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            headers = signed(world, "ops", STRANGER)
            start = (await page(world, headers))["next"]
            tell(world, approved(), approved())
            behind = (await page(world, headers))["next"]
            world.clock.advance(days=401)
            forget_old_journeys(Tick(world.database, world.settings))
            tell(world, approved())

            expired = await world.client.get("/v1/events", headers=headers, params={"after": start})
            kept = await page(world, headers, after=behind)
            anew = await page(world, headers)

            assert (await problem(expired))["code"] == "cursor-expired"
        assert expired.status == 410
        assert len(kept["items"]) == len(anew["items"]) == 1

    @asynchronous
    async def test_of_another_log_is_refused(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            headers = signed(world, "ops", STRANGER)
            for strange in (handlers.cursor("ffffffff", 0), handlers.cursor(_epoch(world), 99)):
                response = await world.client.get("/v1/events", headers=headers, params={"after": strange})
                assert (await problem(response))["code"] == "cursor-expired"

    @pytest.mark.parametrize("after", ["x", "W10", "WyJhIiwgInUiXQ", "WyJhIiwgdHJ1ZV0", "WyJhIiwgLTFd", "%00", "ü"])
    @asynchronous
    async def test_that_is_none_is_refused(self, tmp_path: Path, after: str) -> None:
        async with gateway(tmp_path) as world:
            for path in ("/v1/events", "/v1/events/stream"):
                response = await world.client.get(path, headers=signed(world, "ops", STRANGER), params={"after": after})
                assert (await problem(response))["code"] == "invalid-input"

    @asynchronous
    async def test_goes_with_a_filter_and_a_limit_that_make_sense(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            headers = signed(world, "ops", STRANGER)
            for query in (
                {"types": "pl*"},
                {"types": ""},
                {"limit": "0"},
                {"limit": "201"},
                {"types": "a," * 51 + "a"},
            ):
                response = await world.client.get("/v1/events", headers=headers, params=query)
                assert (await problem(response))["code"] == "invalid-input"


class TestGivePositions:
    def test_numbers_each_event_once_in_the_order_heard(self, tmp_path: Path) -> None:
        database, settings = sqlite_database("gateway", tmp_path), embedded_settings(tmp_path)
        hear(database, *(approved() for _ in range(2_500)))

        placed = place(database, settings), place(database, settings)
        hear(database, approved())
        placed += (place(database, settings),)

        with database.reading() as session:
            rows = session.execute(select(event_log.c.position, event_log.c.feed_position)).all()
        assert placed == (2_500, 0, 1)
        assert [row.feed_position for row in sorted(rows)] == list(range(1, 2_502))

    def test_is_done_for_what_was_logged_before_there_was_a_feed(self, tmp_path: Path) -> None:
        clock = FakeClock()
        database, settings = sqlite_database("gateway", tmp_path, clock=clock), embedded_settings(tmp_path)
        hear(database, approved())
        clock.advance(days=500)

        kept = forget_old_journeys(Tick(database, settings))

        assert (kept, place(database, settings)) == (0, 1)


def _epoch(world: World) -> str:
    return handlers.read_head(world.database).epoch
