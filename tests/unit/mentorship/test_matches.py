"""Proposals, decisions and endings, with events that come twice, late or malformed."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from services.mentorship.matches.handlers import approve_match, decline_match
from services.mentorship.matches.repository import Match
from services.mentorship.matches.rules import AlreadyDecided, NotProposed, PartnerFull, PartnerLeft, Status
from shared.events.plans import GoalSet
from shared.problems import NotFound
from shared.testing import FakeClock
from tests.unit.mentorship.conftest import HEALTH, Mentorship, partner

COUNSELOR = UUID(int=77)
CLINIC = partner().partner_id

Proposed = Callable[[], tuple[UUID, Match]]


def approve(mentorship: Mentorship, match: Match, partner_id: UUID = CLINIC) -> Match:
    with mentorship.database.transaction() as uow:
        return approve_match(match.match_id, partner_id, by=COUNSELOR, uow=uow)


def decline(mentorship: Mentorship, match: Match) -> Match:
    with mentorship.database.transaction() as uow:
        return decline_match(match.match_id, by=COUNSELOR, uow=uow)


class TestSetGoal:
    def test_proposes_partners_that_fit(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner(), partner("bank", clusters=("Finance",)))
        student_id = mentorship.enrol()

        cause = mentorship.goal(student_id)

        [event] = mentorship.outbox()
        body = json.loads(event.body)
        assert event.causation_id == cause.event_id
        assert event.correlation_id == cause.envelope().correlation_id
        assert (body["cluster"], [each["partner_id"] for each in body["candidates"]]) == (HEALTH, [str(CLINIC)])

    def test_says_nothing_of_contacts(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner())
        mentorship.goal(mentorship.enrol())

        [event] = mentorship.outbox()

        assert b"example.org" not in event.body
        assert b"5550123" not in event.body
        assert b"Ana" not in event.body

    def test_prefers_the_home_language(self, mentorship: Mentorship) -> None:
        spanish = partner("clinica", languages=("es",), capacity=1)
        mentorship.list_partners(partner(capacity=9), spanish)
        student_id = mentorship.enrol(language="es")

        mentorship.goal(student_id)

        assert mentorship.match(student_id).candidate_ids == (spanish.partner_id, CLINIC)

    def test_supersedes_the_open_proposal(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner(), partner("bank", clusters=("Finance",)))
        student_id = mentorship.enrol()
        mentorship.goal(student_id)

        mentorship.goal(student_id, "Finance", version=2)

        assert mentorship.emitted() == ["proposed", "ended", "proposed"]
        by_cluster = {match.cluster: match.status for match in mentorship.matches(student_id)}
        assert by_cluster == {HEALTH: Status.SUPERSEDED, "Finance": Status.PROPOSED}

    def test_keeps_an_accepted_match_and_proposes_others(self, mentorship: Mentorship, proposed: Proposed) -> None:
        hospital = partner("hospital")
        mentorship.list_partners(partner(capacity=9), hospital)
        student_id, match = proposed()
        approve(mentorship, match)

        mentorship.goal(student_id, version=2)

        by_status = {each.status: each for each in mentorship.matches(student_id)}
        assert by_status[Status.ACCEPTED].partner_id == CLINIC
        assert by_status[Status.PROPOSED].candidate_ids == (hospital.partner_id,)

    def test_notes_that_nobody_fits_without_an_event(self, mentorship: Mentorship) -> None:
        student_id = mentorship.enrol()

        mentorship.goal(student_id)

        assert mentorship.match(student_id).status is Status.NO_FIT
        assert mentorship.emitted() == []

    def test_ends_silently_where_nobody_fitted(self, mentorship: Mentorship) -> None:
        student_id = mentorship.enrol()
        mentorship.goal(student_id)

        mentorship.goal(student_id, "Finance", version=2)

        assert {match.status for match in mentorship.matches(student_id)} == {Status.SUPERSEDED, Status.NO_FIT}
        assert mentorship.emitted() == []

    def test_is_applied_once_when_it_comes_twice(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner())
        student_id = mentorship.enrol()
        message = mentorship.goal(student_id)

        mentorship.consumer.apply([message, message])

        assert mentorship.emitted() == ["proposed"]

    def test_ignores_an_older_goal_that_comes_late(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner(), partner("bank", clusters=("Finance",)))
        student_id = mentorship.enrol()
        mentorship.goal(student_id, "Finance", version=5)

        mentorship.goal(student_id, HEALTH, version=4)

        assert mentorship.match(student_id).cluster == "Finance"
        assert mentorship.parked() == []

    def test_waits_for_the_student(self, mentorship: Mentorship, clock: FakeClock) -> None:
        mentorship.list_partners(partner())
        student_id = uuid4()
        mentorship.goal(student_id)
        assert [letter.error_class for letter in mentorship.parked()] == ["NotYetKnown"]

        mentorship.enrol(student_id)
        clock.advance(hours=1)
        mentorship.consumer.retry_due()

        assert mentorship.match(student_id).status is Status.PROPOSED
        assert mentorship.parked() == []

    def test_parks_a_malformed_goal(self, mentorship: Mentorship) -> None:
        student_id = mentorship.enrol()
        goal = mentorship.message(GoalSet(plan_id=uuid4(), student_id=student_id, cluster=HEALTH))

        mentorship.consumer.apply([replace(goal, body=b'{"student_id": "nobody"}')])

        assert len(mentorship.parked()) == 1
        assert mentorship.matches(student_id) == []

    def test_proposes_nobody_to_a_student_who_left(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner())
        student_id = mentorship.enrol()
        mentorship.withdraw(student_id)

        mentorship.goal(student_id)

        assert mentorship.matches(student_id) == []


class TestStudents:
    def test_leaving_ends_the_proposal(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, _ = proposed()

        mentorship.withdraw(student_id)

        assert mentorship.match(student_id).status is Status.SUPERSEDED
        assert mentorship.emitted() == ["proposed", "ended"]

    def test_leaving_frees_the_place(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner(capacity=1))
        student_id, match = proposed()
        approve(mentorship, match)

        mentorship.withdraw(student_id)
        _, next_match = proposed()

        assert (mentorship.match(student_id).end_reason, next_match.candidate_ids) == ("completed", (CLINIC,))

    def test_a_late_withdrawal_changes_nothing(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner())
        student_id = mentorship.enrol(version=3)
        mentorship.goal(student_id)

        mentorship.withdraw(student_id, version=2)

        assert mentorship.match(student_id).status is Status.PROPOSED

    def test_a_withdrawal_may_come_before_the_enrolment(self, mentorship: Mentorship) -> None:
        student_id = uuid4()
        mentorship.withdraw(student_id, version=2)
        mentorship.enrol(student_id, version=1)

        mentorship.goal(student_id)

        assert (mentorship.matches(student_id), mentorship.parked()) == ([], [])

    def test_coming_back_allows_proposals_again(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(partner())
        student_id = mentorship.enrol()
        mentorship.withdraw(student_id, version=2)
        mentorship.enrol(student_id, version=3)

        mentorship.goal(student_id)

        assert mentorship.match(student_id).status is Status.PROPOSED


class TestApproveMatch:
    def test_accepts_one_partner(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner(), partner("hospital"))
        student_id, match = proposed()

        accepted = approve(mentorship, match)

        assert accepted == mentorship.match(student_id)
        assert (accepted.status, accepted.partner_id, accepted.version) == (Status.ACCEPTED, CLINIC, 2)
        assert mentorship.emitted() == ["proposed", "accepted"]
        assert b"example.org" not in list(mentorship.outbox())[-1].body

    def test_refuses_the_second_decision(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        _, match = proposed()
        approve(mentorship, match)

        with pytest.raises(AlreadyDecided, match="accepted at"):
            approve(mentorship, match)

        assert mentorship.emitted() == ["proposed", "accepted"]

    def test_refuses_a_partner_that_was_not_proposed(self, mentorship: Mentorship, proposed: Proposed) -> None:
        bank = partner("bank", clusters=("Finance",))
        mentorship.list_partners(partner(), bank)
        _, match = proposed()

        for other in (bank.partner_id, uuid4()):
            with pytest.raises(NotProposed):
                approve(mentorship, match, other)

    def test_refuses_where_the_last_place_was_taken(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner(capacity=1))
        (_, first), (_, second) = proposed(), proposed()
        approve(mentorship, first)

        with pytest.raises(PartnerFull):
            approve(mentorship, second)

    def test_refuses_a_partner_that_left(self, mentorship: Mentorship, proposed: Proposed) -> None:
        hospital = partner("hospital")
        mentorship.list_partners(partner(), hospital)
        _, match = proposed()
        mentorship.list_partners(hospital)

        with pytest.raises(PartnerLeft):
            approve(mentorship, match)

    def test_refuses_what_does_not_exist(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        _, match = proposed()

        with pytest.raises(NotFound):
            approve(mentorship, replace(match, match_id=uuid4()))


class TestDeclineMatch:
    def test_ends_the_proposal(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(partner())
        student_id, match = proposed()

        declined = decline(mentorship, match)

        assert declined == mentorship.match(student_id)
        assert (declined.status, declined.end_reason) == (Status.DECLINED, "declined")
        assert mentorship.emitted() == ["proposed", "ended"]

    def test_refuses_what_nobody_was_proposed_for(self, mentorship: Mentorship, proposed: Proposed) -> None:
        _, match = proposed()

        with pytest.raises(AlreadyDecided, match="No partner fits"):
            decline(mentorship, match)
