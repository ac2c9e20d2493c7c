"""What SQLite cannot show: real locks, several writers at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from services.plans.plans import handlers
from services.plans.plans.handlers import Request
from services.plans.plans.reaudit import reaudit_plans
from services.plans.plans.rules import AddCourse, StalePlan
from services.plans.plans.tables import plan_revisions, plans
from services.plans.settings import PlansSettings
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.events.catalog import CourseRetired
from shared.identifiers import stable_id
from shared.messaging.tables import outbox
from shared.testing.clock import FakeClock
from shared.testing.databases import embedded_settings, postgres_urls
from tests.unit.plans.conftest import World, populate
from tests.unit.plans.test_handlers import Ticking, change, document

pytestmark = pytest.mark.postgres
CODES = ["EN9", "MA1", "SC1", "SO1", "SP01", "FR01"]


@pytest.fixture
def world(postgres_server: str, tmp_path: Path) -> Iterator[World]:
    with postgres_urls(postgres_server, ["plans"]) as url:
        settings = embedded_settings(tmp_path, database_url=url)
        migrate(settings, "plans")
        clock = FakeClock()
        database = Database.open(settings, "plans", clock=clock)
        ids = {name: stable_id("person", "test", name) for name in ("student", "counselor", "guardian")}
        world = World(database, clock, **ids)
        populate(world)
        yield world
        database.dispose()


class TestSeveralWriters:
    @pytest.mark.parametrize("earlier", [0, 1], ids=["first change of all", "later change"])
    def test_of_those_who_read_the_same_version_one_wins(self, world: World, earlier: int) -> None:
        if earlier:
            change(world, 0, AddCourse("AR1", 9))
        start = Barrier(len(CODES))

        def write(code: str) -> bool:
            start.wait()
            try:
                change(world, earlier, AddCourse(code, 9))
            except StalePlan:
                return False
            return True

        with ThreadPoolExecutor(len(CODES)) as pool:
            won = list(pool.map(write, CODES))

        assert won.count(True) == 1
        assert document(world)["version"] == earlier + 1

    def test_versions_and_events_come_in_one_order(self, world: World) -> None:
        def write(code: str) -> None:
            while True:
                try:
                    change(world, document(world)["version"], AddCourse(code, 9))
                    return
                except StalePlan:
                    continue

        with ThreadPoolExecutor(len(CODES)) as pool:
            list(pool.map(write, CODES))

        with world.database.reading() as session:
            rows = session.execute(select(outbox.c.type, outbox.c.subject_version).order_by(outbox.c.position)).all()
            saved = session.execute(select(plan_revisions.c.version).order_by(plan_revisions.c.version)).scalars().all()
        revised = [row.subject_version for row in rows if row.type == "plans.plan.revised.v1"]
        assert revised == saved == list(range(1, len(CODES) + 1))


class TestReaudit:
    def test_leaves_a_plan_that_is_being_changed_for_later(self, world: World) -> None:
        change(world, 0, AddCourse("SP1", 9))
        world.hears(CourseRetired(course_id=stable_id("course", "SP1"), code="SP1"), version=2)
        ticking = Ticking(world.database, PlansSettings())

        with world.database.transaction() as uow:
            uow.session.execute(select(plans).with_for_update())
            assert reaudit_plans(ticking) == 0  # type: ignore[arg-type]

        assert reaudit_plans(ticking) == 1  # type: ignore[arg-type]
        assert document(world)["version"] == 2

    def test_a_goal_and_its_reading_work_here_too(self, world: World) -> None:
        with world.database.transaction() as uow:
            request = Request(world.student, world.student, 0)
            handlers.set_goal(request, handlers.Goal("Finance", "13-2011.00"), uow=uow)
        change(world, 1, AddCourse("SP1", 9))

        assert document(world)["goal"] == {"cluster": "Finance", "occupation_code": "13-2011.00"}
        with world.database.transaction() as uow:
            handlers.change_courses(
                Request(world.student, world.counselor, 2), [AddCourse("MA1", 9)], most_credits=Decimal(9), uow=uow
            )
