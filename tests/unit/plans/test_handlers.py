import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from services.plans.plans import handlers
from services.plans.plans.handlers import Request, Served
from services.plans.plans.reaudit import reaudit_plans
from services.plans.plans.rules import (
    AddCourse,
    Change,
    CourseUnknown,
    DropCourse,
    Goal,
    RequirementSetUnknown,
    StalePlan,
    StudentNotEnrolled,
    TakenCourseFixed,
    WrongStatus,
)
from services.plans.plans.schemas import PlanDocument
from services.plans.plans.tables import plan_revisions, plans
from services.plans.settings import PlansSettings
from shared.database.database import Database
from shared.events.catalog import CourseRetired
from shared.events.plans import (
    AuditFlipped,
    GoalSet,
    InterestsChanged,
    PlanApproved,
    PlanRevised,
    PlanSubmitted,
)
from shared.events.roster import StudentChanged, StudentWithdrawn
from shared.identifiers import stable_id
from shared.messaging.reactions import NotYetKnown
from shared.problems import NotFound, Problem
from tests.unit.plans.conftest import World, course_changed, enrolled, requirements_changed
from tests.unit.plans.school import COURSES, LINES, additions

WHOLE = "EN9 9, MA1 9, SC1 9, SP1 9 S1, EN10 10, MA2 10, SO1 10, EN11 11, SO2 11 S1, BU1 11 S2"


def change(world: World, version: int, *changes: Change, by: UUID | None = None) -> Served:
    request = Request(world.student, by or world.student, version)
    with world.database.transaction() as uow:
        return handlers.change_courses(request, changes, most_credits=Decimal(9), uow=uow)


def document(world: World) -> dict[str, Any]:
    with world.database.reading() as session:
        served = handlers.read_plan(session, world.student)
    assert served.document is not None
    PlanDocument.model_validate_json(served.document)
    found: dict[str, Any] = json.loads(served.document)
    return found


def revision_count(world: World) -> int:
    with world.database.reading() as session:
        return session.execute(select(func.count()).select_from(plan_revisions)).scalar_one()


class TestReadPlan:
    def test_an_untouched_plan_is_empty_at_version_0(self, world: World) -> None:
        found = document(world)

        assert (found["version"], found["courses"], found["status"]) == (0, [], "draft")
        assert found["audit"]["requirement_set"] == "made-up/basic"
        assert world.events() == []

    def test_a_reader_who_has_it_is_not_sent_it_again(self, world: World) -> None:
        change(world, 0, AddCourse("MA1", 9))

        with world.database.reading() as session:
            assert handlers.read_plan(session, world.student, known_version=1) == Served(1, None)
            assert handlers.read_plan(session, world.student, known_version=7).document is not None

    def test_an_unknown_student_has_none(self, world: World) -> None:
        with world.database.reading() as session, pytest.raises(NotFound):
            handlers.read_plan(session, uuid4())


class TestChangeCourses:
    def test_makes_a_version_with_one_audit_and_tells(self, world: World) -> None:
        served = change(world, 0, *additions("EN9 9, MA1 9"))

        assert served.version == 1
        assert document(world)["audit"]["credits_planned"] == 2
        assert revision_count(world) == 1
        [revised] = world.events()
        assert isinstance(revised, PlanRevised)
        assert [each.code for each in revised.changes] == ["EN9", "MA1"]
        assert (revised.actor_role, revised.version, revised.standing.on_track) == ("student", 1, False)
        assert revised.standing.became_unmet == ()

    def test_tells_when_a_requirement_flips_and_flips_back(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        change(world, 1, DropCourse("SP1"))
        change(world, 2, AddCourse("DE1", 9))

        flips = [event for event in world.events() if isinstance(event, AuditFlipped)]
        assert [[each.id for each in flip.standing.became_unmet] for flip in flips] == [[], ["speech"], []]
        assert flips[2].standing.became_met == ("Speech",)
        assert {flip.cause for flip in flips} == {"plan"}

    def test_a_flip_is_caused_by_the_revision(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))

        revised, flipped = world.causes()
        assert flipped.causation_id == revised.event_id
        assert flipped.correlation_id == revised.correlation_id

    def test_a_dropped_prerequisite_flips_and_its_return_repairs(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        change(world, 1, DropCourse("EN10"))
        change(world, 2, AddCourse("EN10", 10))

        flips = [event for event in world.events() if isinstance(event, AuditFlipped)]
        assert "prerequisite:EN11" in {each.id for each in flips[1].standing.became_unmet}
        assert "English 11" in flips[2].standing.became_met
        assert flips[2].standing.on_track

    @pytest.mark.parametrize(
        ("version", "changes", "problem"),
        [
            (1, [AddCourse("NONE", 9)], CourseUnknown),
            (0, [DropCourse("SP1")], StalePlan),
            (7, [DropCourse("SP1")], StalePlan),
            (1, [AddCourse("AR1", 9), AddCourse("NONE", 9)], CourseUnknown),
        ],
    )
    def test_a_refusal_changes_nothing_and_tells_nothing(
        self, world: World, version: int, changes: list[Change], problem: type[Problem]
    ) -> None:
        change(world, 0, AddCourse("SP1", 9))
        before, told = document(world), len(world.events())

        with pytest.raises(problem):
            change(world, version, *changes)

        assert document(world) == before
        assert (revision_count(world), len(world.events())) == (1, told)

    def test_a_stale_version_is_refused_with_the_present_one(self, world: World) -> None:
        change(world, 0, AddCourse("SP1", 9))

        with pytest.raises(StalePlan) as refused:
            change(world, 0, DropCourse("SP1"))

        assert (refused.value.status, refused.value.members["current_version"]) == (412, 1)

    def test_a_first_change_refused_leaves_no_plan_behind(self, world: World) -> None:
        with pytest.raises(CourseUnknown):
            change(world, 0, AddCourse("NONE", 9))

        with world.database.reading() as session:
            assert session.execute(select(plans)).all() == []

    def test_counselors_record_taken_courses_and_students_cannot(self, world: World) -> None:
        change(world, 0, AddCourse("MA1", 8, "YEAR", "taken"), by=world.counselor)

        with pytest.raises(TakenCourseFixed):
            change(world, 1, DropCourse("MA1"))
        [revised] = [event for event in world.events() if isinstance(event, PlanRevised)]
        assert revised.actor_role == "counselor"

    def test_the_plan_of_a_withdrawn_student_stays_as_it_is(self, world: World) -> None:
        world.hears(StudentWithdrawn(student_id=world.student, withdrawn_on="2026-09-01"), version=2)

        with pytest.raises(StudentNotEnrolled):
            change(world, 0, AddCourse("SP1", 9))


class TestGoalAndInterests:
    def test_a_goal_is_told_with_the_one_before(self, world: World) -> None:
        for version, cluster in enumerate(["Health Science", "Finance", "Finance"]):
            with world.database.transaction() as uow:
                request = Request(world.student, world.student, min(version, 2))
                served = handlers.set_goal(request, Goal(cluster), uow=uow)

        assert served.version == 2
        goals = [event for event in world.events() if isinstance(event, GoalSet)]
        assert [(goal.cluster, goal.previous_cluster) for goal in goals] == [
            ("Health Science", None),
            ("Finance", "Health Science"),
        ]
        assert document(world)["goal"] == {"cluster": "Finance", "occupation_code": None}

    def test_interests_keep_their_order_and_lose_their_doubles(self, world: World) -> None:
        with world.database.transaction() as uow:
            request = Request(world.student, world.student, 0)
            handlers.set_interests(request, ["Marketing", "Finance", "Marketing"], uow=uow)

        [event] = world.events()
        assert isinstance(event, InterestsChanged)
        assert event.clusters == ("Marketing", "Finance")

    def test_no_interests_on_an_untouched_plan_are_no_change(self, world: World) -> None:
        with world.database.transaction() as uow:
            served = handlers.set_interests(Request(world.student, world.student, 0), [], uow=uow)

        assert served.version == 0
        assert served.document
        assert document(world)["version"] == 0


class TestSubmitAndApprove:
    def test_a_submitted_plan_is_approved_and_a_change_makes_it_a_draft(self, world: World) -> None:
        change(world, 0, AddCourse("SP1", 9))
        with world.database.transaction() as uow:
            handlers.submit_plan(Request(world.student, world.student, 1), uow=uow)
        with world.database.transaction() as uow:
            handlers.approve_plan(Request(world.student, world.counselor, 2), uow=uow)
        assert document(world)["status"] == "approved"

        change(world, 3, DropCourse("SP1"))

        assert document(world)["status"] == "draft"
        kinds = [type(event) for event in world.events()]
        assert kinds == [PlanRevised, AuditFlipped, PlanSubmitted, PlanApproved, PlanRevised, AuditFlipped]
        assert revision_count(world) == 4

    def test_only_drafts_with_courses_are_submitted_and_only_submitted_ones_approved(self, world: World) -> None:
        with world.database.transaction() as uow, pytest.raises(WrongStatus, match="no courses"):
            handlers.submit_plan(Request(world.student, world.student, 0), uow=uow)
        with world.database.transaction() as uow, pytest.raises(WrongStatus, match="only a submitted plan"):
            handlers.approve_plan(Request(world.student, world.counselor, 0), uow=uow)


class TestRequirementSet:
    def test_choosing_another_audits_by_it(self, world: World) -> None:
        world.hears(requirements_changed({"id": "art", "any_of": ["AR1"]}, key="made-up/art", is_default=False))
        change(world, 0, *additions(WHOLE))

        with world.database.transaction() as uow:
            request = Request(world.student, world.counselor, 1)
            handlers.choose_requirement_set(request, "made-up/art", uow=uow)

        flipped = world.events()[-1]
        assert isinstance(flipped, AuditFlipped)
        assert flipped.cause == "requirements"
        assert [each.id for each in flipped.standing.became_unmet] == ["art"]
        assert document(world)["audit"]["requirement_set"] == "made-up/art"

    def test_an_unknown_one_is_refused_with_the_known(self, world: World) -> None:
        with world.database.transaction() as uow, pytest.raises(RequirementSetUnknown) as refused:
            handlers.choose_requirement_set(Request(world.student, world.counselor, 0), "none", uow=uow)

        assert refused.value.members["keys"] == ["made-up/basic"]


@dataclass
class Ticking:
    database: Database
    settings: PlansSettings


def reaudit_all(world: World) -> int:
    settings = PlansSettings(reaudit_batch=2)
    total = 0
    while done := reaudit_plans(Ticking(world.database, settings)):  # type: ignore[arg-type]
        total += done
    return total


class TestReaudit:
    def test_a_retired_course_flips_the_plans_that_rely_on_it(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        told = len(world.events())
        envelope = world.hears(CourseRetired(course_id=stable_id("course", "SP1"), code="SP1"), version=2)

        assert reaudit_all(world) == 1

        [flipped] = world.events()[told:]
        assert isinstance(flipped, AuditFlipped)
        assert (flipped.cause, flipped.version) == ("catalog", 2)
        assert {"speech", "not_offered:SP1"} <= {each.id for each in flipped.standing.became_unmet}
        assert (document(world)["version"], document(world)["audit"]["on_track"]) == (2, False)
        row = world.causes()[-1]
        assert (row.causation_id, row.correlation_id) == (envelope.id, envelope.correlation_id)

    def test_changed_requirements_flip_and_say_so(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        world.hears(requirements_changed(*LINES, {"id": "art", "title": "Art", "any_of": ["AR1"]}), version=2)

        reaudit_all(world)

        flipped = world.events()[-1]
        assert isinstance(flipped, AuditFlipped)
        assert flipped.cause == "requirements"
        assert [each.title for each in flipped.standing.became_unmet] == ["Art"]

    def test_a_change_that_does_not_concern_a_plan_leaves_its_version(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        told = len(world.events())
        french = next(each for each in COURSES if each.code == "FR01")
        world.hears(course_changed(french, title="French One"), version=2)

        assert reaudit_all(world) == 1
        assert reaudit_all(world) == 0

        assert document(world)["version"] == 1
        assert len(world.events()) == told

    def test_a_new_title_makes_a_version_but_tells_nobody(self, world: World) -> None:
        change(world, 0, *additions(WHOLE))
        told = len(world.events())
        biology = next(each for each in COURSES if each.code == "SC1")
        world.hears(course_changed(biology, title="Biology One"), version=2)

        reaudit_all(world)

        assert document(world)["version"] == 2
        assert "Biology One" in {each["title"] for each in document(world)["courses"]}
        assert len(world.events()) == told
        assert revision_count(world) == 2

    def test_goes_through_all_plans_in_batches(self, world: World) -> None:
        others = [stable_id("person", "test", f"student {number}") for number in range(5)]
        for student in others:
            world.hears(enrolled(student))
            with world.database.transaction() as uow:
                request = Request(student, student, 0)
                handlers.change_courses(request, [AddCourse("SP1", 9)], most_credits=Decimal(9), uow=uow)
        world.hears(CourseRetired(course_id=stable_id("course", "SP1"), code="SP1"), version=2)

        assert reaudit_all(world) == 5
        flips = [event for event in world.events() if isinstance(event, AuditFlipped) and event.cause == "catalog"]
        assert {flip.student_id for flip in flips} == set(others)


class TestProjections:
    def test_an_older_event_changes_nothing(self, world: World) -> None:
        speech = next(each for each in COURSES if each.code == "SP1")
        world.hears(course_changed(speech, title="Newest"), version=5)
        world.hears(course_changed(speech, title="Older"), version=4)
        world.hears(CourseRetired(course_id=stable_id("course", "SP1"), code="SP1"), version=3)

        change(world, 0, AddCourse("SP1", 9))

        assert document(world)["courses"][0]["title"] == "Newest"

    def test_the_same_event_twice_is_one(self, world: World) -> None:
        world.hears(enrolled(world.student), version=1)
        world.hears(StudentWithdrawn(student_id=world.student, withdrawn_on="2026-09-01"), version=2)
        world.hears(StudentWithdrawn(student_id=world.student, withdrawn_on="2026-09-01"), version=2)
        world.hears(StudentChanged(**enrolled(world.student).model_dump()), version=1)

        with pytest.raises(StudentNotEnrolled):
            change(world, 0, AddCourse("SP1", 9))

    def test_what_overtakes_its_beginning_is_tried_again(self, world: World) -> None:
        with pytest.raises(NotYetKnown):
            world.hears(StudentWithdrawn(student_id=uuid4(), withdrawn_on="2026-09-01"), version=2)
        with pytest.raises(NotYetKnown):
            world.hears(CourseRetired(course_id=uuid4(), code="XX"), version=2)
