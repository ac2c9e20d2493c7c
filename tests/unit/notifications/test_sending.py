"""From event to provider: who is told, decided again at the last moment, retried, and never twice without saying so."""

import json

import pytest

from services.notifications.delivery.ports import Away, Deferred, Rejected, Unknown
from shared.identifiers import stable_id
from tests.unit.notifications.stage import (
    COUNSELOR,
    DANIEL,
    FINANCE,
    ROSA,
    STUDENT,
    TRACE,
    Stage,
    approved,
    eighteenth_birthday,
    revised,
)


class TestPlanRevised:
    def test_each_guardian_is_told_once_in_their_language_on_their_channel(self, stage: Stage) -> None:
        stage.receive(revised(unmet=(FINANCE,)))

        stage.send()

        [email] = stage.email.taken
        assert email["To"] == "rosa@family.example"
        assert email["Subject"] == "Cambió el plan de cursos de Maya"
        [sms] = stage.sms.taken
        assert sms.to == "+12025550143"
        assert sms.body.startswith("Signpost: your student's course plan changed")
        assert "Maya" not in sms.body
        assert stage.states() == [("email", "accepted"), ("email", "cancelled"), ("sms", "accepted")]

    def test_an_event_seen_twice_tells_once(self, stage: Stage) -> None:
        event = revised()
        envelope = stage.receive(event)
        stage.receive(event, envelope=envelope)
        stage.send()

        stage.receive(event, envelope=envelope)
        stage.send()

        assert len(stage.email.taken) == 1
        assert len(stage.sms.taken) == 1

    def test_delivered_events_continue_the_journey(self, stage: Stage) -> None:
        envelope = stage.receive(revised())

        stage.send()

        delivered = stage.emitted("notice.delivered")
        assert len(delivered) == 2
        for row in delivered:
            assert row.correlation_id == envelope.correlation_id
            assert row.causation_id == envelope.id
            assert row.traceparent.split("-")[1] == TRACE.split("-")[1]
        assert {json.loads(row.body)["channel"] for row in delivered} == {"email", "sms"}

    def test_a_student_not_yet_known_is_waited_for(self, empty_stage: Stage) -> None:
        empty_stage.receive(revised())
        assert empty_stage.inbox_states() == ["parked"]
        empty_stage.receive_family()
        empty_stage.clock.advance(minutes=1)

        empty_stage.consumer.retry_due()
        empty_stage.send()

        assert len(empty_stage.email.taken) == 1
        assert empty_stage.inbox_states() == []

    def test_a_malformed_event_is_a_dead_letter_and_tells_nobody(self, stage: Stage) -> None:
        event = revised()
        broken = stage.envelope(event)

        from shared.messaging.message import Message

        stage.consumer.apply([Message(headers=broken.headers(), body=b'{"plan_id": 7}')])
        stage.send()

        assert stage.inbox_states() == ["dead"]
        assert stage.notices() == []


class TestDecidedAgain:
    def test_a_guardian_barred_before_the_change_gets_no_notice(self, stage: Stage) -> None:
        stage.receive(stage.restriction(ROSA))

        stage.receive(revised())
        stage.send()

        assert stage.email.taken == []
        assert [row.recipient_id for row in stage.notices()] == [DANIEL]

    def test_a_guardian_barred_while_the_notice_is_queued_is_sent_nothing(self, stage: Stage) -> None:
        stage.receive(revised())
        stage.receive(stage.restriction(ROSA))

        stage.send()

        assert stage.email.attempts == 0
        assert {row.recipient_id: row.state for row in stage.notices()} == {ROSA: "suppressed", DANIEL: "sent"}
        [failed] = stage.emitted("notice.failed")
        assert json.loads(failed.body)["reason"] == "not_allowed"

    def test_the_body_for_a_barred_guardian_is_never_rendered(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.receive(revised())
        stage.receive(stage.restriction(ROSA))
        stage.receive(stage.restriction(DANIEL))
        monkeypatch.setattr("services.notifications.notices.composing.render_letter", pytest.fail)
        monkeypatch.setattr("services.notifications.notices.composing.render_sms", pytest.fail)

        stage.send()

        assert {row.state for row in stage.messages()} == {"suppressed"}

    def test_a_guardian_left_without_the_right_to_notices_is_passed_over(self, stage: Stage) -> None:
        stage.receive(revised())
        stage.receive(stage.restriction(ROSA, barred=False, rights=("plan.read",)))

        stage.send()

        assert stage.to("rosa@family.example") == []

    def test_guardians_hear_nothing_from_local_midnight_of_the_eighteenth_birthday(self, stage: Stage) -> None:
        stage.receive(stage.enrolled(rights_transfer_at=eighteenth_birthday()))
        stage.receive(revised())
        stage.clock.set(eighteenth_birthday())

        stage.send()

        assert stage.email.taken == []
        assert stage.sms.taken == []
        assert {row.state for row in stage.notices()} == {"suppressed"}

    def test_after_the_birthday_the_student_alone_is_told(self, stage: Stage) -> None:
        stage.receive(stage.enrolled(rights_transfer_at=eighteenth_birthday()))
        stage.clock.set(eighteenth_birthday())

        stage.receive(approved())
        stage.send()

        assert [message["To"] for message in stage.email.taken] == ["maya@school.example"]

    def test_a_guardianship_that_ended_by_date_is_over(self, stage: Stage) -> None:
        stage.receive(revised())
        stage.receive(stage.guardianship(ROSA, ends_on=stage.clock.now().date()))
        stage.clock.advance(days=1)

        stage.send()

        assert stage.to("rosa@family.example") == []

    def test_a_person_no_longer_on_the_roster_is_sent_nothing(self, stage: Stage) -> None:
        from shared.events.roster import ContactRemoved

        stage.receive(revised())
        stage.receive(ContactRemoved(person_id=ROSA))

        stage.send()

        assert stage.to("rosa@family.example") == []

    def test_an_older_contact_arriving_after_the_removal_does_not_return(self, stage: Stage) -> None:
        from shared.events.roster import ContactRemoved

        stage.receive(ContactRemoved(person_id=ROSA), version=9)
        stage.receive(stage.contact(ROSA, "guardian", "es", email="rosa@family.example"), version=8)

        stage.receive(revised())
        stage.send()

        assert stage.to("rosa@family.example") == []

    def test_the_newest_address_at_the_moment_of_sending_is_used(self, stage: Stage) -> None:
        stage.receive(revised())
        stage.receive(stage.contact(ROSA, "guardian", "en", given_name="Rosa", email="new@family.example"))

        stage.send()

        assert stage.email.taken[0]["To"] == "new@family.example"
        assert stage.email.taken[0]["Subject"] == "Maya's course plan changed"


class TestWithoutAnAddress:
    def test_neither_email_nor_phone_fails_the_notice(self, stage: Stage) -> None:
        stage.receive(stage.contact(ROSA, "guardian", "es", given_name="Rosa"))
        stage.receive(revised())

        stage.send()

        [failed] = stage.emitted("notice.failed")
        body = json.loads(failed.body)
        assert body["reason"] == "no_contact_point"
        assert body["recipient_id"] == str(ROSA)

    def test_a_contact_not_yet_told_is_waited_for(self, stage: Stage) -> None:
        newcomer = stable_id("person", "test", "newcomer")
        stage.receive(stage.guardianship(newcomer))
        stage.receive(revised())
        stage.send()
        assert stage.emitted("notice.failed") == []
        stage.receive(stage.contact(newcomer, "guardian", "en", given_name="Ana", email="ana@family.example"))
        stage.clock.advance(minutes=1)

        stage.send()

        assert len(stage.to("ana@family.example")) == 1


class TestRetries:
    def test_a_deferred_message_is_tried_again_later_and_delivered_once(self, stage: Stage) -> None:
        stage.email.next_outcomes = [Deferred("greylisted")]
        stage.receive(revised())
        stage.send()
        assert stage.email.taken == []
        stage.clock.advance(seconds=3)

        stage.send()

        assert len(stage.email.taken) == 1

    def test_it_is_not_tried_before_its_time(self, stage: Stage) -> None:
        stage.email.next_outcomes = [Deferred("greylisted")]
        stage.receive(revised())

        stage.send()
        stage.send()

        assert stage.email.attempts == 1
        assert stage.email.taken == []

    def test_after_the_last_try_the_notice_has_failed(self, tmp_path) -> None:
        stage = Stage(tmp_path, send_attempts=3)
        stage.receive_family()
        stage.email.next_outcomes = [Deferred("greylisted")] * 3
        stage.receive(revised())

        for _ in range(3):
            stage.send()
            stage.clock.advance(hours=1)

        [failed] = stage.emitted("notice.failed")
        assert json.loads(failed.body)["reason"] == "attempts_exhausted"

    def test_a_rejected_address_falls_back_to_sms(self, stage: Stage) -> None:
        stage.receive(
            stage.contact(ROSA, "guardian", "es", given_name="Rosa", email="x@family.example", phone="+12025550177")
        )
        stage.email.next_outcomes = [Rejected("recipient_refused")]
        stage.receive(revised())

        stage.send()

        assert {sms.to for sms in stage.sms.taken} == {"+12025550177", "+12025550143"}
        assert stage.emitted("notice.failed") == []

    def test_a_provider_away_costs_no_attempt(self, stage: Stage) -> None:
        stage.email.next_outcomes = [Away("cannot_connect")]
        stage.receive(revised())
        stage.send()
        [waiting] = [row for row in stage.messages() if row.state == "queued"]
        assert waiting.attempts == 0
        stage.clock.advance(seconds=5)

        stage.send()

        assert len(stage.email.taken) == 1

    def test_a_provider_away_for_days_fails_the_notice(self, stage: Stage) -> None:
        stage.receive(stage.contact(DANIEL, "guardian", "en", email="daniel@family.example"))
        stage.receive(revised())
        stage.clock.advance(hours=73)

        stage.send()

        assert {json.loads(row.body)["reason"] for row in stage.emitted("notice.failed")} == {"expired"}
        assert stage.email.attempts == 0

    def test_a_message_that_cannot_be_rendered_does_not_stop_the_others(self, stage: Stage) -> None:
        broken = stage.contact(ROSA, "guardian", "es", email="rosa@family.example")
        stage.receive(broken.model_copy(update={"sealed_contact": "sealed with another key"}))
        stage.receive(revised())

        stage.send()

        assert len(stage.sms.taken) == 1
        assert [row.reason for row in stage.messages() if row.state == "queued"] == ["failed_here"]


class TestUnknownOutcomes:
    def test_a_provider_that_can_be_asked_and_took_it_gets_no_copy(self, stage: Stage) -> None:
        stage.email.can_be_asked = True
        _dies_after_taking_one(stage)
        stage.clock.advance(minutes=2)

        stage.send()

        assert len(stage.to("rosa@family.example")) == 1
        assert len(stage.emitted("notice.delivered")) == 2

    def test_without_asking_it_is_sent_again_under_the_same_message_id_and_counted(self, stage: Stage) -> None:
        _dies_after_taking_one(stage)
        stage.clock.advance(minutes=2)

        stage.send()

        first, second = stage.to("rosa@family.example")
        assert first["Message-ID"] == second["Message-ID"]
        assert [row.times_uncertain for row in stage.messages() if row.channel == "email"].count(1) >= 1
        assert len(stage.emitted("notice.delivered")) == 2

    def test_within_the_lease_nobody_else_touches_it(self, stage: Stage) -> None:
        _dies_after_taking_one(stage)
        stage.clock.advance(seconds=10)

        stage.outbound = stage.new_outbound()
        stage.send()

        assert len(stage.to("rosa@family.example")) == 1

    def test_a_broken_connection_marks_it_uncertain_and_asks_before_sending_again(self, stage: Stage) -> None:
        stage.email.can_be_asked = True
        stage.email.next_outcomes = [Unknown("connection_lost")]
        stage.receive(revised())
        stage.send()
        assert ("email", "uncertain") in stage.states()
        stage.clock.advance(minutes=1)

        stage.send()

        assert len(stage.to("rosa@family.example")) == 1

    def test_always_uncertain_ends_as_failed(self, stage: Stage) -> None:
        stage.email.next_outcomes = [Unknown("connection_lost")] * 9
        stage.receive(revised())

        for _ in range(6):
            stage.send()
            stage.clock.advance(hours=1)

        assert [json.loads(row.body)["reason"] for row in stage.emitted("notice.failed")] == ["uncertain"]
        assert stage.email.attempts == 4

    def test_a_late_answer_of_a_lost_lease_is_dropped_once_another_attempt_runs(self, stage: Stage) -> None:
        stage.receive(stage.contact(DANIEL, "guardian", "en"))
        stage.receive(revised())
        rival = stage.new_outbound()

        def another_worker_takes_over() -> None:
            stage.email.before_send = None
            stage.clock.advance(minutes=2)
            rival.send_due(stage.database)

        stage.email.before_send = another_worker_takes_over
        stage.send()

        assert len(stage.to("rosa@family.example")) == 2  # at least once, and both attempts are visible
        assert len(stage.emitted("notice.delivered")) == 1


class TestLedger:
    def test_nothing_personal_is_stored_or_emitted_in_the_clear(self, stage: Stage, tmp_path) -> None:
        stage.receive(revised(unmet=(FINANCE,)))
        stage.send()
        with stage.database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

        stored = (tmp_path / "notifications.sqlite3").read_bytes()

        for canary in (b"Quintanilla", b"Maya", b"Rosa", b"rosa@family", b"2025550143"):
            assert canary not in stored

    def test_who_asks_about_a_student_without_guardians_tells_nobody(self, empty_stage: Stage) -> None:
        empty_stage.receive(empty_stage.enrolled())

        empty_stage.receive(revised())

        assert empty_stage.notices() == []

    def test_relations_to_other_students_count_for_nothing(self, stage: Stage) -> None:
        stage.receive(revised())

        assert {row.recipient_id for row in stage.notices()} == {ROSA, DANIEL}
        assert COUNSELOR not in {row.recipient_id for row in stage.notices()}
        assert {row.student_id for row in stage.notices()} == {STUDENT}


def _dies_after_taking_one(stage: Stage) -> None:
    """A worker that is killed between the provider's yes and its own commit."""
    stage.receive(revised())
    original = stage.email.send

    class Killed(BaseException):
        pass

    def send_and_die(message):
        original(message)
        raise Killed

    stage.email.send = send_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        stage.send()
    stage.email.send = original  # type: ignore[method-assign]
    stage.outbound = stage.new_outbound()
