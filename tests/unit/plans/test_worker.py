from decimal import Decimal
from pathlib import Path

from services.plans.plans import handlers
from services.plans.plans.handlers import Request
from services.plans.plans.rules import AddCourse
from services.plans.worker import PlansService
from shared.events.catalog import CourseRetired
from shared.identifiers import stable_id
from shared.testing.embedded import Embedded
from tests.unit.plans.conftest import course_changed, enrolled, requirements_changed
from tests.unit.plans.school import COURSES


class TestPlansService:
    def test_follows_the_catalog_and_audits_again_in_any_order(self, tmp_path: Path) -> None:
        student, speech = stable_id("person", "test", "student"), stable_id("course", "SP1")
        with Embedded(tmp_path, [PlansService]) as signpost:
            database = signpost.databases["plans"]
            with database.transaction() as uow:
                for each in reversed(COURSES):
                    uow.emit(course_changed(each), version=1)
                uow.emit(requirements_changed(), version=1)
                uow.emit(enrolled(student), version=1)
            signpost.drain()
            with database.transaction() as uow:
                request = Request(student, student, 0)
                handlers.change_courses(request, [AddCourse("SP1", 9)], most_credits=Decimal(9), uow=uow)
            with database.transaction() as uow:
                uow.emit(CourseRetired(course_id=speech, code="SP1"), version=2)
            signpost.drain()

            with database.reading() as session:
                assert handlers.read_plan(session, student).version == 2
