"""Order, visibility and completeness of journeys, and the sentences they are told in."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from services.gateway.journeys.audience import Audience, RosterFact
from services.gateway.journeys.rules import Fact, Surroundings, Viewer, in_causal_order, is_complete, visible
from services.gateway.journeys.summaries import summarize, summary_of
from shared.events import roster
from shared.events.contract import Event, contracts

EXAMPLES = Path(__file__).parents[3] / "shared/events/examples"
START = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)
STUDENT, MOTHER, FATHER, COUNSELOR = (uuid4() for _ in range(4))
CHICAGO = ZoneInfo("America/Chicago")
SETTLE = timedelta(seconds=5)


def fact(
    type: str,
    seconds: float = 0,
    *,
    cause: Fact | None = None,
    to: UUID | None = None,
    about: UUID | None = STUDENT,
    **data: Any,
) -> Fact:
    return Fact(
        position=int(seconds * 10),
        event_id=uuid4(),
        type=type,
        at=START + timedelta(seconds=seconds),
        caused_by=cause.event_id if cause else None,
        student_id=about,
        addressee_id=to,
        data=data,
    )


def revised(seconds: float = 0, **data: Any) -> Fact:
    return fact("plans.plan.revised.v1", seconds, **data)


def delivered(to: UUID, cause: Fact, seconds: float = 1) -> Fact:
    return fact("notifications.notice.delivered.v1", seconds, cause=cause, to=to)


def opened(kind: str, seconds: float = 1, *, task_id: str = "t1", done: bool = False) -> Fact:
    type = "notifications.task.done.v1" if done else "notifications.task.opened.v1"
    return fact(type, seconds, to=COUNSELOR, kind=kind, task_id=task_id)


class TestInCausalOrder:
    def test_puts_each_fact_after_its_cause_whatever_order_they_arrived_in(self) -> None:
        root = revised()
        flipped = fact("plans.audit.flipped.v1", 1, cause=root)
        task = fact("notifications.task.opened.v1", 2, cause=flipped)
        notice = delivered(MOTHER, root, 1.5)

        for arrival in permutations([root, flipped, task, notice]):
            assert in_causal_order(arrival) == [root, flipped, task, notice]

    def test_keeps_a_fact_whose_cause_has_not_arrived(self) -> None:
        orphan = delivered(MOTHER, revised())

        assert in_causal_order([orphan]) == [orphan]

    def test_orders_equal_times_by_arrival(self) -> None:
        first, second = revised(), revised()
        second = Fact(**{**vars(second), "position": 1})

        assert in_causal_order([second, first]) == [first, second]


class TestVisible:
    def test_shows_an_overseer_everything(self) -> None:
        root = revised()
        facts = [root, delivered(MOTHER, root), opened("plan_off_track")]

        assert visible(facts, Viewer(COUNSELOR, [STUDENT], [STUDENT])) == facts

    def test_shows_families_their_own_notices_and_no_tasks_or_proposals(self) -> None:
        root = revised()
        own, other = delivered(MOTHER, root), delivered(FATHER, root)
        proposal = fact("mentorship.match.proposed.v1", cause=root)
        court = fact("roster.guardianship.restricted.v1")

        shown = visible([root, own, other, opened("plan_off_track"), proposal, court], Viewer(MOTHER, [STUDENT], []))

        assert shown == [root, own]

    def test_links_to_the_nearest_cause_that_is_shown(self) -> None:
        root = revised()
        hidden = fact("mentorship.match.proposed.v1", 1, cause=root)
        shown = fact("mentorship.match.accepted.v1", 2, cause=hidden)

        found = visible([root, hidden, shown], Viewer(STUDENT, [STUDENT], []))

        assert [each.caused_by for each in found] == [None, root.event_id]

    def test_shows_nothing_of_other_students(self) -> None:
        retired = fact("catalog.course.retired.v1", about=None)
        own = fact("plans.audit.flipped.v1", 1, cause=retired)
        other = fact("plans.audit.flipped.v1", 1, cause=retired, about=uuid4())

        assert visible([retired, own, other], Viewer(MOTHER, [STUDENT], [])) == [retired, own]
        assert visible([retired, other], Viewer(MOTHER, [STUDENT], [])) == []
        assert visible([retired], Viewer(MOTHER, [STUDENT], [])) == []


def granted(person: UUID, version: int = 1, at: datetime = START - timedelta(days=1), **changes: Any) -> RosterFact:
    event = roster.GuardianshipGranted(
        guardianship_id=person, guardian_id=person, student_id=STUDENT, relation="mother", **changes
    )
    return RosterFact(event, version, at)


def restricted(person: UUID, version: int, at: datetime, **changes: Any) -> RosterFact:
    event = roster.GuardianshipRestricted(guardianship_id=person, guardian_id=person, student_id=STUDENT, **changes)
    return RosterFact(event, version, at)


def revoked(person: UUID, version: int, at: datetime) -> RosterFact:
    event = roster.GuardianshipRevoked(guardianship_id=person, guardian_id=person, student_id=STUDENT)
    return RosterFact(event, version, at)


def assigned(ends_on: date | None = None) -> RosterFact:
    event = roster.CaseloadAssigned(
        assignment_id=COUNSELOR, staff_id=COUNSELOR, student_id=STUDENT, relation="counselor", ends_on=ends_on
    )
    return RosterFact(event, 1, START - timedelta(days=1))


def enrolled(rights_transfer_at: datetime | None) -> RosterFact:
    event = roster.StudentEnrolled(
        student_id=STUDENT,
        school_id=uuid4(),
        grade=12,
        graduation_year=2027,
        home_language="en",
        rights_transfer_at=rights_transfer_at,
        sealed_name="",
    )
    return RosterFact(event, 1, START - timedelta(days=1))


class TestAudience:
    def test_has_the_guardians_who_may_be_told(self) -> None:
        audience = Audience((granted(MOTHER), granted(FATHER, barred=True)), CHICAGO)

        assert audience.guardians_of(START) == {MOTHER}

    def test_leaves_out_who_joined_later_and_who_was_barred_since(self) -> None:
        later = START + timedelta(minutes=1)
        audience = Audience(
            (granted(MOTHER, at=later), granted(FATHER), restricted(FATHER, 2, later, barred=True, rights=())), CHICAGO
        )

        assert audience.guardians_of(START) == frozenset()

    def test_follows_versions_and_not_arrival(self) -> None:
        day = START - timedelta(hours=1)
        lifted = restricted(FATHER, 3, day, barred=False, rights=("notices",))
        barred = restricted(FATHER, 2, day, barred=True, rights=())

        assert Audience((lifted, barred, granted(FATHER)), CHICAGO).guardians_of(START) == {FATHER}

    def test_an_order_does_not_bring_back_an_ended_link(self) -> None:
        day = START - timedelta(hours=1)
        lifted = restricted(FATHER, 3, day, barred=False, rights=("notices",))

        assert Audience((granted(FATHER), revoked(FATHER, 2, day), lifted), CHICAGO).guardians_of(START) == frozenset()

    def test_reads_the_days_of_a_link_in_the_districts_zone(self) -> None:
        late_evening = datetime(2026, 9, 16, 3, 0, tzinfo=UTC)  # still the 15th in Chicago
        audience = Audience((granted(MOTHER, ends_on=date(2026, 9, 15)),), CHICAGO)

        assert audience.guardians_of(late_evening) == {MOTHER}
        assert audience.guardians_of(late_evening + timedelta(hours=3)) == frozenset()

    def test_has_no_guardians_once_the_rights_are_the_students(self) -> None:
        birthday = START + timedelta(hours=1)
        audience = Audience((granted(MOTHER), enrolled(birthday)), CHICAGO)

        assert audience.guardians_of(START) == {MOTHER}
        assert audience.guardians_of(birthday) == frozenset()

    def test_has_the_counselors_of_that_day(self) -> None:
        assert Audience((assigned(),), CHICAGO).counselors_of(START) == {COUNSELOR}
        assert Audience((assigned(date(2026, 9, 14)),), CHICAGO).counselors_of(START) == frozenset()


def complete(facts: list[Fact], *people: RosterFact, tasks: list[Fact] | None = None, after: float = 2) -> bool:
    audience = Audience(people or (granted(MOTHER), granted(FATHER), assigned()), CHICAGO)
    own_tasks = [each for each in facts if each.type.startswith("notifications.task.")]
    around = {STUDENT: Surroundings(audience, [*(tasks or []), *own_tasks])}
    return is_complete(facts, around, now=START + timedelta(seconds=after), settle=SETTLE)


class TestIsComplete:
    def test_waits_for_an_outcome_for_every_guardian_who_could_hear(self) -> None:
        root = revised(changes=[{}])
        failed = fact("notifications.notice.failed.v1", 1, cause=root, to=FATHER)

        assert not complete([root])
        assert not complete([root, delivered(MOTHER, root)])
        assert complete([root, delivered(MOTHER, root), failed])

    def test_expects_nothing_for_barred_guardians(self) -> None:
        root = revised(changes=[{}])

        assert complete([root, delivered(MOTHER, root)], granted(MOTHER), granted(FATHER, barred=True))

    def test_expects_no_notice_where_no_course_changed(self) -> None:
        assert complete([revised(changes=[])])

    def test_waits_for_the_task_about_an_unmet_requirement(self) -> None:
        flipped = fact("plans.audit.flipped.v1", standing={"became_unmet": [{}]})

        assert not complete([flipped])
        assert not complete([flipped, opened("review_plan")])
        assert complete([flipped, opened("plan_off_track")])
        assert complete([flipped], granted(MOTHER))  # nobody is the counselor
        assert complete([fact("plans.audit.flipped.v1", standing={"became_unmet": []})])

    def test_expects_that_task_from_the_revision_already(self) -> None:
        root = revised(changes=[{}], standing={"became_unmet": [{}]})
        told = [delivered(MOTHER, root), delivered(FATHER, root)]

        assert not complete([root, *told])
        assert complete([root, *told, opened("plan_off_track")])

    def test_waits_for_a_cause_that_was_overtaken(self) -> None:
        root = fact("plans.audit.flipped.v1", standing={"became_unmet": []})
        task = fact("notifications.task.opened.v1", 1, cause=root, kind="plan_off_track", task_id="t1")

        assert not complete([task])
        assert complete([root, task])

    def test_takes_a_task_still_open_from_an_earlier_cause(self) -> None:
        flipped = fact("plans.audit.flipped.v1", standing={"became_unmet": [{}]})
        earlier = opened("plan_off_track", -60)

        assert complete([flipped], tasks=[earlier])
        assert not complete([flipped], tasks=[earlier, opened("plan_off_track", -30, done=True)])
        assert complete([flipped], tasks=[earlier, opened("plan_off_track", 30, done=True)])

    def test_waits_for_the_tasks_to_review_and_to_choose(self) -> None:
        submitted, proposed = fact("plans.plan.submitted.v1"), fact("mentorship.match.proposed.v1")

        assert not complete([submitted])
        assert complete([submitted, opened("review_plan")])
        assert not complete([proposed])
        assert complete([proposed, opened("approve_match")])

    def test_waits_a_while_for_partners_that_may_not_exist(self) -> None:
        goal = fact("plans.goal.set.v1")

        assert not complete([goal], after=4.9)
        assert complete([goal], after=5)
        assert complete([goal, fact("mentorship.match.ended.v1")], after=1)


def examples(contract: type[Event]) -> list[dict[str, Any]]:
    found = json.loads((EXAMPLES / f"{contract.event_type}.json").read_text())
    return found if isinstance(found, list) else [found]


class TestSummaries:
    @pytest.mark.parametrize("contract", contracts().values(), ids=lambda contract: contract.event_type)
    def test_tell_every_contract_in_one_plain_sentence(self, contract: type[Event]) -> None:
        for example in examples(contract):
            sentence = summarize(contract.model_validate(example.get("data", example)))

            assert sentence.endswith(".")
            assert sentence[0].isupper()
            assert "_" not in sentence
            assert str(example.get("student_id")) not in sentence

    def test_name_an_unknown_type_in_words(self) -> None:
        assert summary_of("library.book.lent_out.v1", {}) == "Library book lent out."

    def test_tell_what_changed_in_a_plan(self) -> None:
        standing = {
            "requirement_set": "x",
            "on_track": False,
            "credits_planned": "20",
            "credits_required": "22",
            "unmet": [{"id": "m", "title": "Mathematics", "short_by": "1"}],
        }
        data = {
            "plan_id": str(uuid4()),
            "student_id": str(STUDENT),
            "version": 2,
            "actor_id": str(STUDENT),
            "actor_role": "case_manager",
            "changes": [
                {"kind": "dropped", "code": "A", "title": "Algebra II", "credits": "1", "grade": 11, "term": "YEAR"},
                {
                    "kind": "moved",
                    "code": "B",
                    "title": "Art",
                    "credits": "1",
                    "grade": 12,
                    "term": "S1",
                    "from_grade": 11,
                    "from_term": "S1",
                },
            ],
            "standing": standing,
        }

        assert summary_of("plans.plan.revised.v1", data) == (
            "The plan was changed by the case manager: Algebra II dropped from grade 11 (all year); "
            "Art moved from grade 11 to grade 12 (first semester). Still missing for graduation: Mathematics."
        )
