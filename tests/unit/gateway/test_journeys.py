"""Journeys over HTTP: told from logged events, to whom they may be told."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from services.gateway.feed.handlers import give_positions
from services.gateway.journeys import consumers
from services.gateway.journeys.handlers import forget_old_journeys
from services.gateway.journeys.tables import event_log
from services.gateway.settings import GatewaySettings
from services.gateway.worker import GatewayService
from shared.auth.projection import ACCESS_REACTIONS
from shared.database.database import Database
from shared.events import notifications, plans, roster
from shared.events.contract import Event, contracts
from shared.events.envelope import Envelope
from shared.messaging.reactions import Received
from shared.messaging.worker.periodic import Tick
from shared.testing import FakeClock, sqlite_database
from tests.unit.gateway.world import World, asynchronous, gateway, problem

STUDENT, SISTER, MOTHER, FATHER, COUNSELOR, STRANGER = (uuid4() for _ in range(6))
STANDING = plans.Standing(requirement_set="x", on_track=True, credits_planned=22, credits_required=22)


def hear(
    database: Database,
    event: Event,
    *,
    version: int = 1,
    correlation_id: UUID | None = None,
    caused_by: Envelope | None = None,
    times: int = 1,
) -> Envelope:
    """Apply an event as the gateway's worker does."""
    envelope = Envelope(
        id=uuid4(),
        type=event.event_type,
        subject=event.subject_id,
        subject_version=version,
        time=database.clock.now(),
        correlation_id=caused_by.correlation_id if caused_by else correlation_id or uuid4(),
        causation_id=caused_by.id if caused_by else None,
    )
    for _ in range(times):
        with database.transaction() as uow:
            received = Received(event, envelope)
            if type(event) in ACCESS_REACTIONS:
                ACCESS_REACTIONS[type(event)](received, uow=uow)
            consumers.on_any_event(received, uow=uow)
    return envelope


def family(database: Database) -> None:
    """A student with a mother, a barred father and a counselor; the father has another child he may hear of."""
    for student in (STUDENT, SISTER):
        hear(
            database,
            roster.StudentEnrolled(
                student_id=student,
                school_id=uuid4(),
                grade=10,
                graduation_year=2029,
                home_language="en",
                sealed_name="gAAAA-sealed",
            ),
        )
    for guardian, student, barred in ((MOTHER, STUDENT, False), (FATHER, STUDENT, True), (FATHER, SISTER, False)):
        hear(
            database,
            roster.GuardianshipGranted(
                guardianship_id=uuid4(), guardian_id=guardian, student_id=student, relation="guardian", barred=barred
            ),
        )
    hear(
        database,
        roster.CaseloadAssigned(assignment_id=uuid4(), staff_id=COUNSELOR, student_id=STUDENT, relation="counselor"),
    )


def change_that_is_told(database: Database, clock: FakeClock) -> UUID:
    """A revision, a notice to the mother and one to the counselor, and a task; in seconds 0, 0.25, 0.5."""
    revised = hear(
        database,
        plans.PlanRevised(
            plan_id=uuid4(),
            student_id=STUDENT,
            version=2,
            actor_id=STUDENT,
            actor_role="student",
            changes=(plans.CourseChange(kind="added", code="B1", title="Biology", credits=1, grade=10, term="YEAR"),),
            standing=STANDING,
        ),
    )
    clock.advance(milliseconds=250)
    task = hear(
        database,
        notifications.TaskOpened(task_id=uuid4(), student_id=STUDENT, assignee_id=COUNSELOR, kind="review_plan"),
        caused_by=revised,
    )
    clock.advance(milliseconds=250)
    for recipient, cause in ((MOTHER, revised), (COUNSELOR, task)):
        hear(
            database,
            notifications.NoticeDelivered(
                notice_id=uuid4(),
                student_id=STUDENT,
                recipient_id=recipient,
                template="plan_revised",
                channel="email",
            ),
            caused_by=cause,
        )
    return revised.correlation_id


async def journey(world: World, correlation_id: UUID, role: str, person_id: UUID) -> Any:
    response = await world.client.get(f"/v1/journeys/{correlation_id}", headers=world.headers(role, person_id))
    assert response.status == 200, await response.text()
    return await response.json()


def types(document: dict[str, Any]) -> list[str]:
    return [step["type"] for step in document["steps"]]


class TestReadJourney:
    @asynchronous
    async def test_tells_the_counselor_the_whole_chain(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            correlation_id = change_that_is_told(world.database, world.clock)

            document = await journey(world, correlation_id, "counselor", COUNSELOR)

            assert types(document) == [
                "plans.plan.revised.v1",
                "notifications.task.opened.v1",
                "notifications.notice.delivered.v1",
                "notifications.notice.delivered.v1",
            ]
            revision, task, to_counselor, to_mother = document["steps"]
            assert document["correlation_id"] == str(correlation_id)
            assert document["student_id"] == str(STUDENT)
            assert document["complete"] is True
            assert document["started_at"] == revision["at"]
            assert (revision["caused_by"], revision["elapsed_ms"], revision["service"]) == (None, 0, "plans")
            assert revision["summary"].startswith("The plan was changed by the student: Biology added in grade 10")
            assert (task["caused_by"], task["elapsed_ms"]) == (revision["event_id"], 250)
            assert to_counselor["caused_by"] == task["event_id"]
            assert (to_mother["caused_by"], to_mother["elapsed_ms"]) == (revision["event_id"], 500)

    @asynchronous
    async def test_tells_families_their_own_part(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            correlation_id = change_that_is_told(world.database, world.clock)

            mother = await journey(world, correlation_id, "guardian", MOTHER)
            student = await journey(world, correlation_id, "student", STUDENT)

            assert types(mother) == ["plans.plan.revised.v1", "notifications.notice.delivered.v1"]
            assert types(student) == ["plans.plan.revised.v1"]
            assert mother["complete"] is True

    @asynchronous
    async def test_does_not_exist_for_anybody_else(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            correlation_id = change_that_is_told(world.database, world.clock)
            refusals = [
                (correlation_id, "guardian", FATHER),
                (correlation_id, "guardian", STRANGER),
                (correlation_id, "counselor", STRANGER),
                (correlation_id, "student", SISTER),
                (correlation_id, "district_admin", STRANGER),
                (correlation_id, "ops", STRANGER),
                (uuid4(), "counselor", COUNSELOR),
            ]

            bodies = []
            for correlation, role, person in refusals:
                response = await world.client.get(f"/v1/journeys/{correlation}", headers=world.headers(role, person))
                assert (await problem(response))["status"] == 404
                bodies.append(await response.read())
            malformed = await world.client.get("/v1/journeys/x", headers=world.headers("counselor", COUNSELOR))

            assert len({*bodies, await malformed.read()}) == 1

    @asynchronous
    async def test_ends_for_a_guardian_barred_in_mid_session(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            correlation_id = change_that_is_told(world.database, world.clock)
            await journey(world, correlation_id, "guardian", MOTHER)
            with world.database.reading() as session:
                link = next(
                    row for row in session.execute(select(event_log)) if row.event.get("guardian_id") == str(MOTHER)
                )

            hear(
                world.database,
                roster.GuardianshipRestricted(
                    guardianship_id=UUID(link.subject), guardian_id=MOTHER, student_id=STUDENT, barred=True, rights=()
                ),
                version=2,
            )

            response = await world.client.get(
                f"/v1/journeys/{correlation_id}", headers=world.headers("guardian", MOTHER)
            )
            assert response.status == 404

    @asynchronous
    async def test_is_incomplete_until_every_guardian_has_an_outcome(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            revised = hear(
                world.database,
                plans.PlanRevised(
                    plan_id=uuid4(),
                    student_id=STUDENT,
                    version=2,
                    actor_id=STUDENT,
                    actor_role="student",
                    changes=(plans.CourseChange(kind="added", code="B", title="B", credits=1, grade=10, term="S1"),),
                    standing=STANDING,
                ),
            )

            before = await journey(world, revised.correlation_id, "counselor", COUNSELOR)
            world.clock.advance(days=1)
            much_later = await journey(world, revised.correlation_id, "counselor", COUNSELOR)

            assert not before["complete"]
            assert not much_later["complete"]

    @asynchronous
    async def test_shows_of_a_change_to_many_only_the_own_students(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            family(world.database)
            correlation_id = uuid4()
            for student in (STUDENT, SISTER):
                hear(
                    world.database,
                    plans.AuditFlipped(
                        plan_id=uuid4(), student_id=student, version=1, cause="catalog", standing=STANDING
                    ),
                    correlation_id=correlation_id,
                )

            document = await journey(world, correlation_id, "guardian", FATHER)

            assert len(document["steps"]) == 1
            assert document["student_id"] == str(SISTER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = sqlite_database("gateway", tmp_path, clock=FakeClock())
    yield database
    database.dispose()


class TestEventLog:
    def test_hears_of_every_contract(self) -> None:
        reactions = GatewayService.reactions()

        assert set(reactions) == set(contracts())
        assert all(consumers.on_any_event in reaction.apply for reaction in reactions.values())

    def test_writes_an_event_down_once(self, database: Database) -> None:
        family(database)
        event = notifications.NoticeAcknowledged(notice_id=uuid4(), student_id=STUDENT, recipient_id=MOTHER)

        envelope = hear(database, event, times=2)

        with database.reading() as session:
            (row,) = session.execute(select(event_log).where(event_log.c.event_id == envelope.id)).all()
        assert (row.type, row.source) == ("notifications.notice.acknowledged.v1", "/signpost/notifications")
        assert (row.student_id, row.addressee_id) == (STUDENT, MOTHER)
        assert row.time - database.clock.now() == timedelta(0)

    def test_keeps_no_sealed_data(self, database: Database) -> None:
        family(database)
        hear(
            database,
            roster.ContactChanged(
                person_id=MOTHER, kind="guardian", language="es", time_zone="America/Chicago", sealed_contact="gAAAA-x"
            ),
        )

        with database.reading() as session:
            logged = [row.event for row in session.execute(select(event_log))]
            count = session.scalar(select(func.count()).select_from(event_log))
        assert count == 7
        assert "gAAAA" not in str(logged)
        assert {event["sealed_contact"] for event in logged if "sealed_contact" in event} == {""}

    def test_forgets_old_journeys_but_not_who_belongs_to_whom(self, database: Database, tmp_path: Path) -> None:
        family(database)
        change_that_is_told(database, database.clock)  # type: ignore[arg-type]
        ticking = Tick(database, GatewaySettings(home=tmp_path, journey_days=30))
        assert forget_old_journeys(ticking) == 0

        database.clock.advance(days=31)  # type: ignore[attr-defined]
        young = change_that_is_told(database, database.clock)  # type: ignore[arg-type]
        give_positions(ticking)

        assert [forget_old_journeys(ticking, portion=3) for _ in range(3)] == [3, 1, 0]
        with database.reading() as session:
            left = session.execute(select(event_log.c.type, event_log.c.correlation_id)).all()
        assert {row.correlation_id for row in left if not row.type.startswith("roster.")} == {young}
        assert sum(row.type.startswith("roster.") for row in left) == 6
