"""A plans database with the made-up school in it, and people around one student."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from services.plans.catalog import consumers as catalog_consumers
from services.plans.students import consumers as student_consumers
from shared.auth.projection import ACCESS_REACTIONS
from shared.database.database import Database
from shared.database.unit_of_work import Cause
from shared.events import catalog as catalog_events
from shared.events import roster
from shared.events.contract import Event, contracts
from shared.events.envelope import Envelope
from shared.identifiers import stable_id
from shared.messaging.reactions import Received
from shared.messaging.tables import outbox
from shared.testing.clock import FakeClock
from shared.testing.databases import sqlite_database
from tests.unit.plans import school

APPLY: dict[type[Event], Callable[..., None]] = {
    roster.StudentEnrolled: student_consumers.on_student_stated,
    roster.StudentChanged: student_consumers.on_student_stated,
    roster.StudentWithdrawn: student_consumers.on_student_withdrawn,
    catalog_events.CourseChanged: catalog_consumers.on_course_changed,
    catalog_events.CourseRetired: catalog_consumers.on_course_retired,
    catalog_events.RequirementsChanged: catalog_consumers.on_requirements_changed,
}


@dataclass
class World:
    """The service's database, and how events reach it."""

    database: Database
    clock: FakeClock
    student: UUID
    counselor: UUID
    guardian: UUID

    @property
    def guardianship(self) -> UUID:
        return stable_id("guardianship", str(self.guardian), str(self.student))

    def hears(self, event: Event, *, version: int = 1) -> Envelope:
        """Apply an event as the worker would: access first, then the service's own reaction."""
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=version,
            time=self.clock.now(),
            correlation_id=uuid4(),
        )
        received = Received(event, envelope)
        with self.database.transaction(Cause.of(envelope)) as uow:
            for apply in (ACCESS_REACTIONS.get(type(event)), APPLY.get(type(event))):
                if apply is not None:
                    apply(received, uow=uow)
        return envelope

    def events(self) -> list[Event]:
        """What was emitted so far, in order."""
        known = contracts()
        with self.database.reading() as session:
            rows = session.execute(select(outbox.c.type, outbox.c.body).order_by(outbox.c.position)).all()
        return [known[row.type].model_validate_json(row.body) for row in rows]

    def causes(self) -> list[Any]:
        with self.database.reading() as session:
            return list(session.execute(select(outbox).order_by(outbox.c.position)).all())


def enrolled(student_id: UUID, *, grade: int = 9) -> roster.StudentEnrolled:
    return roster.StudentEnrolled(
        student_id=student_id,
        school_id=stable_id("school", "test", "1"),
        grade=grade,
        graduation_year=2030,
        home_language="en",
        sealed_name="sealed",
    )


def course_changed(course: school.Course, **changes: Any) -> catalog_events.CourseChanged:
    facts = {
        "course_id": stable_id("course", course.code),
        "code": course.code,
        "title": course.title,
        "department": course.department,
        "credits": course.credits,
        "grades": course.grades,
        "terms": course.terms,
        "prerequisites": course.prerequisites,
        "minimum_grades": course.minimum_grades,
        "corequisites": course.corequisites,
        "repeatable": course.repeatable,
    }
    return catalog_events.CourseChanged.model_validate({**facts, **changes})


def requirements_changed(*lines: school.Line, **facts: Any) -> catalog_events.RequirementsChanged:
    rules = school.rules(*lines, **facts)
    return catalog_events.RequirementsChanged(
        requirement_set_id=stable_id("requirements", rules.key),
        key=rules.key,
        title=rules.title,
        unit=rules.unit,
        total=rules.total,
        is_default=rules.is_default,
        requirements=rules.requirements,
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = FakeClock()
    database = sqlite_database("plans", tmp_path, clock=clock)
    ids = {name: stable_id("person", "test", name) for name in ("student", "counselor", "guardian")}
    world = World(database, clock, **ids)
    populate(world)
    yield world
    database.dispose()


def populate(world: World) -> None:
    for course in school.COURSES:
        world.hears(course_changed(course))
        if course.is_retired:
            retired = catalog_events.CourseRetired(course_id=stable_id("course", course.code), code=course.code)
            world.hears(retired, version=2)
    world.hears(requirements_changed())
    world.hears(enrolled(world.student))
    world.hears(
        roster.CaseloadAssigned(
            assignment_id=uuid4(), staff_id=world.counselor, student_id=world.student, relation="counselor"
        )
    )
    world.hears(
        roster.GuardianshipGranted(
            guardianship_id=world.guardianship,
            guardian_id=world.guardian,
            student_id=world.student,
            relation="mother",
        )
    )
