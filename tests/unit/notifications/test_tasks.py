"""Tasks: opened once, merged, assigned when a counselor is known, closed when the cause is gone, in any order."""

import json
from collections import Counter
from datetime import date
from typing import Any

from services.notifications.tasks.consumers import reassign_waiting
from shared.identifiers import stable_id
from tests.unit.notifications.stage import (
    COUNSELOR,
    ENGLISH,
    FINANCE,
    STUDENT,
    Stage,
    accepted,
    approved,
    ended,
    flipped,
    proposed,
    submitted,
)

OTHER_COUNSELOR = stable_id("person", "test", "okafor")


def counselor_mail(stage: Stage) -> list[str]:
    return [message["Subject"] for message in stage.to("chen@school.example")]


class TestPlanOffTrack:
    def test_opens_one_task_and_sends_one_email(self, stage: Stage) -> None:
        stage.receive(flipped())

        stage.send()

        [task] = stage.tasks()
        assert (task.kind, task.state, task.assignee_id) == ("plan_off_track", "open", COUNSELOR)
        assert counselor_mail(stage) == ["New task: Maya's plan needs a look"]
        [opened] = stage.emitted("task.opened")
        assert json.loads(opened.body)["assignee_id"] == str(COUNSELOR)

    def test_further_flips_merge_into_the_open_task_and_send_no_more(self, stage: Stage) -> None:
        stage.receive(flipped(2))
        stage.receive(flipped(3, unmet=(FINANCE, ENGLISH)))
        stage.receive(flipped(4, unmet=(FINANCE, ENGLISH), cause="catalog"))

        stage.send()

        [task] = stage.tasks()
        assert task.cause_count == 3
        assert [line["title"] for line in task.facts["standing"]["unmet"]] == ["Personal Finance", "English"]
        assert len(counselor_mail(stage)) == 1
        assert len(stage.emitted("task.opened")) == 1

    def test_a_repair_closes_it_and_says_so(self, stage: Stage) -> None:
        stage.receive(flipped(2))
        repair = stage.receive(flipped(3, unmet=()))

        stage.send()

        [task] = stage.tasks()
        assert (task.state, task.outcome) == ("done", "repaired")
        assert counselor_mail(stage)[-1] == "Task closed: Maya's plan was put right"
        [done] = stage.emitted("task.done")
        assert json.loads(done.body)["outcome"] == "repaired"
        assert done.correlation_id == repair.correlation_id

    def test_closes_once_what_it_is_about_is_repaired_whatever_else_the_plan_lacks(self, stage: Stage) -> None:
        stage.receive(flipped(2, unmet=(FINANCE, ENGLISH), new=(FINANCE,)))
        stage.receive(flipped(3, unmet=(ENGLISH,), new=()))

        stage.send()

        assert [task.outcome for task in stage.tasks()] == ["repaired"]
        assert counselor_mail(stage)[-1] == "Task closed: Maya's plan was put right"

    def test_stays_open_until_all_it_is_about_is_repaired(self, stage: Stage) -> None:
        stage.receive(flipped(2, unmet=(FINANCE,)))
        stage.receive(flipped(3, unmet=(FINANCE, ENGLISH), new=(ENGLISH,)))

        stage.receive(flipped(4, unmet=(FINANCE,), new=()))
        assert [task.state for task in stage.tasks()] == ["open"]

        stage.receive(flipped(5, unmet=(), new=()))
        assert [task.state for task in stage.tasks()] == ["done"]

    def test_a_plan_still_being_built_is_nobodys_task(self, stage: Stage) -> None:
        stage.receive(flipped(2, unmet=(FINANCE, ENGLISH), new=()))

        assert stage.tasks() == []

    def test_a_repair_without_a_task_says_nothing(self, stage: Stage) -> None:
        stage.receive(flipped(2, unmet=()))

        stage.send()

        assert stage.tasks() == []
        assert counselor_mail(stage) == []

    def test_off_track_again_after_the_repair_opens_a_new_task(self, stage: Stage) -> None:
        for version, unmet in ((2, (FINANCE,)), (3, ()), (4, (ENGLISH,))):
            stage.receive(flipped(version, unmet=unmet))

        assert Counter(task.state for task in stage.tasks()) == {"done": 1, "open": 1}

    def test_a_repair_that_arrives_before_its_cause_leaves_nothing_open(self, stage: Stage) -> None:
        stage.receive(flipped(3, unmet=()), version=3)
        stage.receive(flipped(2), version=2)

        stage.send()

        assert stage.tasks() == []

    def test_an_older_flip_arriving_late_does_not_change_the_facts(self, stage: Stage) -> None:
        stage.receive(flipped(3, unmet=(ENGLISH,)), version=3)
        stage.receive(flipped(2, unmet=(FINANCE,)), version=2)

        [task] = stage.tasks()
        assert task.facts["standing"]["unmet"][0]["title"] == "English"

    def test_two_flips_of_one_plan_version_both_count(self, stage: Stage) -> None:
        stage.receive(flipped(2), version=2)
        stage.clock.advance(seconds=5)

        stage.receive(flipped(2, unmet=(), cause="catalog"), version=2)

        assert [task.state for task in stage.tasks()] == ["done"]

    def test_the_same_event_twice_counts_once(self, stage: Stage) -> None:
        event = flipped()
        envelope = stage.receive(event)

        stage.receive(event, envelope=envelope)

        assert [task.cause_count for task in stage.tasks()] == [1]


class TestWithoutACounselor:
    def test_the_task_waits_and_is_handed_over_when_the_caseload_is_known(self, stage: Stage) -> None:
        stage.receive(stage.caseload_ended())
        cause = stage.receive(flipped())
        stage.send()
        assert [task.assignee_id for task in stage.tasks()] == [None]
        assert stage.emitted("task.opened") == []

        stage.receive(stage.caseload(OTHER_COUNSELOR))
        stage.receive(stage.contact(OTHER_COUNSELOR, "staff", "en", email="okafor@school.example"))
        stage.send()

        assert [task.assignee_id for task in stage.tasks()] == [OTHER_COUNSELOR]
        assert len(stage.to("okafor@school.example")) == 1
        [opened] = stage.emitted("task.opened")
        assert opened.correlation_id == cause.correlation_id

    def test_a_repair_meanwhile_closes_it_without_a_word(self, stage: Stage) -> None:
        stage.receive(stage.caseload_ended())
        stage.receive(flipped(2))
        stage.receive(flipped(3, unmet=()))

        stage.send()

        assert [task.state for task in stage.tasks()] == ["done"]
        assert stage.emitted("task.done") == []
        assert stage.email.taken == []

    def test_a_caseload_that_begins_later_takes_over_on_its_day(self, stage: Stage) -> None:
        stage.receive(stage.caseload_ended())
        stage.receive(flipped())
        stage.receive(stage.caseload(OTHER_COUNSELOR, begins_on=date(2026, 9, 18)))
        tick = _Tick(stage)
        assert reassign_waiting(tick) == 0
        stage.clock.advance(days=3)

        assert reassign_waiting(tick) == 1

        assert [task.assignee_id for task in stage.tasks()] == [OTHER_COUNSELOR]
        assert reassign_waiting(tick) == 0


class TestAnotherCounselor:
    def test_open_tasks_follow_the_caseload(self, stage: Stage) -> None:
        stage.receive(flipped())
        stage.send()

        stage.receive(stage.caseload_ended())
        stage.receive(stage.caseload(OTHER_COUNSELOR))

        assert [task.assignee_id for task in stage.tasks()] == [OTHER_COUNSELOR]
        assert len(stage.emitted("task.opened")) == 2

    def test_mail_still_queued_for_the_former_counselor_is_not_sent(self, stage: Stage) -> None:
        stage.receive(flipped())
        stage.receive(stage.caseload_ended())

        stage.send()

        assert counselor_mail(stage) == []

    def test_a_colleague_joining_takes_nothing_over(self, stage: Stage) -> None:
        stage.receive(stage.caseload_ended())
        stage.receive(stage.caseload(OTHER_COUNSELOR, begins_on=date(2026, 9, 10)))
        stage.receive(flipped())

        stage.receive(stage.caseload(begins_on=date(2026, 9, 1)))

        assert [task.assignee_id for task in stage.tasks()] == [OTHER_COUNSELOR]
        assert len(stage.emitted("task.opened")) == 1

    def test_a_counselor_barred_from_the_student_gets_no_task_and_stops_no_other_work(self, stage: Stage) -> None:
        stage.receive(stage.guardianship(COUNSELOR))
        stage.receive(stage.restriction(COUNSELOR))
        stage.receive(flipped())

        assert [task.assignee_id for task in stage.tasks()] == [None]
        assert reassign_waiting(_Tick(stage)) == 0

    def test_a_second_counselor_does_not_take_the_first_ones_tasks(self, stage: Stage) -> None:
        stage.receive(stage.caseload(OTHER_COUNSELOR, begins_on=date(2026, 9, 1)))

        stage.receive(flipped())

        assert [task.assignee_id for task in stage.tasks()] == [COUNSELOR]


class TestMatches:
    def test_a_proposal_asks_the_counselor_to_choose(self, stage: Stage) -> None:
        stage.receive(proposed())

        stage.send()

        [task] = stage.tasks()
        assert task.kind == "approve_match"
        assert counselor_mail(stage) == ["New task: choose a mentor partner for Maya"]

    def test_approval_closes_the_task_and_tells_the_student(self, stage: Stage) -> None:
        stage.receive(proposed())
        stage.receive(accepted())

        stage.send()

        [task] = stage.tasks()
        assert (task.state, task.outcome) == ("done", "done")
        assert [m["Subject"] for m in stage.to("maya@school.example")] == ["You have a mentor partner"]

    def test_a_superseded_proposal_closes_its_task(self, stage: Stage) -> None:
        stage.receive(proposed())
        stage.receive(ended())

        [task] = stage.tasks()
        assert (task.state, task.outcome) == ("done", "superseded")

    def test_a_declined_proposal_is_done(self, stage: Stage) -> None:
        stage.receive(proposed())
        stage.receive(ended(reason="declined"))

        assert [task.outcome for task in stage.tasks()] == ["done"]

    def test_a_newer_proposal_merges_and_survives_the_end_of_the_older(self, stage: Stage) -> None:
        stage.receive(proposed("old", "Finance"))
        stage.clock.advance(seconds=5)
        stage.receive(proposed("new", "Health Science"))

        stage.receive(ended("old"))

        [task] = stage.tasks()
        assert task.state == "open"
        assert task.facts["cluster"] == "Health Science"

    def test_a_late_older_proposal_does_not_displace_the_newer(self, stage: Stage) -> None:
        old = proposed("old", "Finance")
        old_envelope = stage.envelope(old)
        stage.clock.advance(seconds=5)
        stage.receive(proposed("new", "Health Science"))

        stage.receive(old, envelope=old_envelope)
        assert [task.facts["cluster"] for task in stage.tasks()] == ["Health Science"]
        stage.receive(ended("old"))

        assert [task.state for task in stage.tasks()] == ["open"]


class TestReview:
    def test_submission_asks_for_a_review_and_approval_closes_it(self, stage: Stage) -> None:
        stage.receive(submitted())
        stage.send()
        assert counselor_mail(stage) == ["New task: review Maya's course plan"]

        stage.receive(approved())
        stage.send()

        [task] = stage.tasks()
        assert (task.kind, task.state, task.outcome) == ("review_plan", "done", "done")
        assert [m["Subject"] for m in stage.to("maya@school.example")] == ["Your course plan is approved"]
        assert len(stage.to("rosa@family.example")) == 1
        assert len(stage.sms.taken) == 1


class TestOneOpenTask:
    def test_the_database_refuses_a_second_one(self, stage: Stage) -> None:
        import pytest
        from sqlalchemy.exc import IntegrityError

        from services.notifications.tasks.tables import tasks

        stage.receive(flipped())
        [task] = stage.tasks()
        copy = dict(task._mapping) | {"task_id": stable_id("task", "another")}

        with pytest.raises(IntegrityError), stage.database.transaction() as uow:
            uow.session.execute(tasks.insert().values(copy))

        assert {task.student_id for task in stage.tasks()} == {STUDENT}


class _Tick:
    """What the worker hands to periodic work."""

    def __init__(self, stage: Stage) -> None:
        self.database = stage.database
        self.settings: Any = stage.settings
        self.clock = stage.clock
