"""A plan changes: everybody who can act on it hears of it, and nobody else."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from shared.testing.deployment import wait_until
from tests.support.consequences import Consequences
from tests.support.letters import Mailbox, link_in, token_in
from tests.support.sample import (
    ADMINISTRATOR,
    Made,
    Person,
    SampleDistrict,
    Student,
    drop,
    english_12,
    needs_english_12,
    plan_path,
    put_back,
    title_of,
)

GOVERNMENT = "SOC-401"
ADMIN = ("district_admin", ADMINISTRATOR)


@pytest.fixture
def mailbox(district: SampleDistrict) -> Mailbox:
    return Mailbox(district.deployment)


def reads(language: str) -> Callable[[Student], bool]:
    """Families with a guardian who reads email in this language."""
    return lambda student: any(each.language == language and each.email for each in student.guardians)


def reader_of(student: Student, language: str) -> Person:
    return next(each for each in student.guardians if each.language == language and each.email)


def of_two_guardians(student: Student) -> bool:
    return len(student.guardians) == 2 and all(each.email for each in student.guardians)


def of_an_email_and_a_telephone(student: Student) -> bool:
    """Whether one guardian reads email and the other has only a telephone and reads Spanish."""
    return sorted((bool(each.email), each.language == "es") for each in student.guardians) == [
        (False, True),
        (True, False),
    ]


def at_stake(student: Student) -> str:
    """A planned course that graduation requires by name."""
    return english_12(student).code


def tasks_of(district: SampleDistrict, student: Student, kind: str) -> list[dict[str, Any]]:
    items = district.read(f"/v1/tasks?student_id={student.person_id}", student.counselor)["items"]
    return [task for task in items if task["kind"] == kind]


def only_task(district: SampleDistrict, student: Student, kind: str, *, state: str = "open") -> dict[str, Any]:
    """The one task of a kind about a student, once it is in this state."""

    def found() -> list[dict[str, Any]]:
        return [task for task in tasks_of(district, student, kind) if task["state"] == state]

    tasks = wait_until(found, timeout_s=30, what=f"a task {kind}, {state}")
    assert len(tasks_of(district, student, kind)) == 1
    return tasks[0]


def complete_journey(district: SampleDistrict, made: Made, reader: Person) -> dict[str, Any]:
    """The journey of a change, once it says that it is complete."""

    def journey() -> dict[str, Any]:
        answer = district.call("GET", f"/v1/journeys/{made.correlation_id}", reader)
        body: dict[str, Any] = answer.json()
        return body if answer.status_code == 200 and body["complete"] else {}

    return wait_until(journey, timeout_s=30, what="the journey to be complete")


class TestDroppingARequiredCourse:
    def test_tells_a_guardian_in_plain_english(self, district: SampleDistrict, mailbox: Mailbox) -> None:
        # Given a family that reads English
        student = district.take(lambda each: needs_english_12(each) and reads("en")(each))
        guardian, english = reader_of(student, "en"), english_12(student)

        # When the counselor takes out the last course of English
        made = district.change(student, drop(english.code))

        # Then the guardian reads what was dropped, from which grade and term, and what that means
        letter = mailbox.email(guardian, made.correlation_id)
        assert letter["subject"] == f"{student.given_name}'s course plan changed"
        assert f"Hello {guardian.given_name}," in letter["text"]
        assert f"The school counselor changed {student.given_name}'s course plan." in letter["text"]
        assert f"TAKEN OUT - {title_of(english.code)} (1 credit): 12th grade, all year" in letter["text"]
        assert f"{student.given_name} now needs 1 more credit in English to graduate." in letter["text"]
        assert link_in(letter).startswith(f"{district.deployment.gateway_url}/a/")

    def test_tells_a_guardian_in_plain_spanish(self, district: SampleDistrict, mailbox: Mailbox) -> None:
        student = district.take(lambda each: needs_english_12(each) and reads("es")(each))
        guardian, english = reader_of(student, "es"), english_12(student)

        made = district.change(student, drop(english.code))

        letter = mailbox.email(guardian, made.correlation_id)
        assert letter["subject"] == f"Cambió el plan de cursos de {student.given_name}"
        assert f"SE QUITÓ - {title_of(english.code)} (1 crédito): 12.º grado, todo el año" in letter["text"]
        assert f"{student.given_name} ahora necesita 1 crédito más en English para graduarse." in letter["text"]
        assert link_in(letter).startswith(f"{district.deployment.gateway_url}/a/")

    def test_tells_by_sms_who_has_no_email(self, district: SampleDistrict, mailbox: Mailbox) -> None:
        # Given the first family: one guardian reads English email, the other has only a telephone and reads Spanish
        student = district.take(of_an_email_and_a_telephone)
        by_email, by_sms = sorted(student.guardians, key=lambda guardian: not guardian.email)
        assert (by_sms.language, by_sms.email) == ("es", "")

        # When a course is dropped that graduation requires by name
        made = district.change(student, drop(GOVERNMENT))

        # Then the SMS names nobody and leads to the whole message, in the guardian's language
        sms = mailbox.first_sms(by_sms)
        assert sms["text"].startswith("Signpost: hay un cambio en el plan de cursos de su estudiante. Vea: http")
        assert student.given_name not in sms["text"]
        page = district.call("GET", link_in(sms)).text
        assert f"{title_of(GOVERNMENT)} (0.5 crédito): 12.º grado, " in page
        assert f"ahora necesita tomar {title_of(GOVERNMENT)} para graduarse" in page
        # and the other guardian has the email
        assert title_of(GOVERNMENT) in mailbox.email(by_email, made.correlation_id)["text"]

    def test_by_the_student_is_said_to_be_the_students(self, district: SampleDistrict, mailbox: Mailbox) -> None:
        student = district.take(reads("en"))

        made = district.change(student, drop(GOVERNMENT), by=student)

        letter = mailbox.email(reader_of(student, "en"), made.correlation_id)
        assert f"{student.given_name} changed the course plan." in letter["text"]
        assert only_task(district, student, "plan_off_track")["assignee_id"] == str(student.counselor.person_id)

    def test_gives_the_counselor_one_task_until_it_is_repaired(
        self, district: SampleDistrict, mailbox: Mailbox, consequences: Consequences
    ) -> None:
        student = district.take(needs_english_12)
        counselor, english = student.counselor, english_12(student)
        government = student.planned(GOVERNMENT)
        assert government is not None

        # When a required course is dropped, then the counselor has a task and an email about it
        first = district.change(student, drop(english.code), by=student)
        task = only_task(district, student, "plan_off_track")
        assert task["assignee_id"] == str(counselor.person_id)
        letter = mailbox.email(counselor, first.correlation_id)
        assert letter["subject"] == f"New task: {student.given_name}'s plan needs a look"
        assert f"the plan of {student.given_name} {student.family_name}" in letter["text"]
        assert "now needs 1 more credit in English to graduate." in letter["text"]

        # When another one is dropped, then it is the same task, and there is no second email
        second = district.change(student, drop(GOVERNMENT), by=student)
        consequences.settle(second.correlation_id)
        merged = only_task(district, student, "plan_off_track")
        assert (merged["task_id"], merged["cause_count"]) == (task["task_id"], 2)
        assert mailbox.emails(counselor, second.correlation_id) == []

        # When only one of them is put back, then the task stays
        third = district.change(student, put_back(government))
        consequences.settle(third.correlation_id)
        assert only_task(district, student, "plan_off_track")["task_id"] == task["task_id"]
        assert mailbox.emails(counselor, third.correlation_id) == []

        # When the other one is, too, then it is closed, and the counselor is told so
        last = district.change(student, put_back(english))
        done = only_task(district, student, "plan_off_track", state="done")
        assert (done["task_id"], done["outcome"]) == (task["task_id"], "repaired")
        letter = mailbox.email(counselor, last.correlation_id)
        assert letter["subject"] == f"Task closed: {student.given_name}'s plan was put right"
        assert "now meets all rules to graduate" in letter["text"]

    def test_is_kept_from_a_guardian_barred_by_a_court(
        self, district: SampleDistrict, mailbox: Mailbox, consequences: Consequences
    ) -> None:
        student = district.take(lambda each: len(each.barred) == len(each.guardians) == 1)
        [barred], [allowed] = student.barred, student.guardians
        dropped = next(each for each in student.courses if not each.is_taken)

        made = district.change(student, drop(dropped.code))
        consequences.settle(made.correlation_id)

        told = {
            notice["recipient_id"]
            for notice in district.read(f"/v1/notices?student_id={student.person_id}", student.counselor)["items"]
            if notice["template"] == "plan_revised"
        }
        assert told == {str(allowed.person_id)}
        assert mailbox.emails(barred, made.correlation_id) == mailbox.sms(barred) == []
        for path in (plan_path(student), f"/v1/journeys/{made.correlation_id}"):
            assert district.call("GET", path, allowed).status_code == 200
            assert district.call("GET", path, barred).status_code == 404


class TestALink:
    @pytest.fixture
    def student(self, district: SampleDistrict) -> Student:
        return district.take(reads("en"))

    @pytest.fixture
    def letter(self, district: SampleDistrict, mailbox: Mailbox, student: Student) -> dict[str, Any]:
        made = district.change(student, drop(at_stake(student)))
        return mailbox.email(reader_of(student, "en"), made.correlation_id)

    def test_shows_the_change_and_the_plan_without_acknowledging(
        self, district: SampleDistrict, student: Student, letter: dict[str, Any]
    ) -> None:
        pages = [district.call("GET", link_in(letter)) for _ in range(2)]

        for page in pages:
            assert page.status_code == 200
            assert page.headers["Content-Type"].startswith("text/html")
            assert page.headers["Cache-Control"] == "no-store"
            assert f"{title_of(english_12(student).code)} (1 credit): 12th grade, all year" in page.text
            assert f"{title_of(GOVERNMENT)}</th>" in page.text, "the plan as it is now"
            assert "I have read this" in page.text
        assert self.acknowledged_at(district, letter) is None

    def test_acknowledges_once(
        self, district: SampleDistrict, student: Student, letter: dict[str, Any], consequences: Consequences
    ) -> None:
        thanks = [district.call("POST", f"{link_in(letter)}/acknowledge") for _ in range(2)]

        assert [page.status_code for page in thanks] == [200, 200]
        assert "We have noted that you have read the message" in thanks[0].text
        first = self.acknowledged_at(district, letter)
        assert first is not None
        assert "You confirmed on" in district.call("GET", link_in(letter)).text
        assert self.acknowledged_at(district, letter) == first
        consequences.settle(UUID(letter["correlation_id"]))
        happened = list(consequences.events(UUID(letter["correlation_id"])).values())
        assert happened.count("notifications.notice.acknowledged.v1") == 1

    def test_is_dead_once_a_restriction_is_filed(
        self, district: SampleDistrict, student: Student, letter: dict[str, Any], consequences: Consequences
    ) -> None:
        guardian = reader_of(student, "en")
        assert district.call("GET", link_in(letter)).status_code == 200

        filed = district.call(
            "POST",
            f"/v1/students/{student.person_id}/guardians/{guardian.person_id}/restriction",
            ADMIN,
            json={"document": "Order 21", "barred": True},
        )
        assert filed.status_code == 201, filed.text
        consequences.settle(UUID(filed.headers["Correlation-Id"]))

        for method, address in (("GET", link_in(letter)), ("POST", f"{link_in(letter)}/acknowledge")):
            answer = district.call(method, address)
            assert answer.status_code == 404
            assert student.given_name not in answer.text
        assert district.call("GET", f"/v1/links/{token_in(letter)}").status_code == 404
        assert district.call("GET", plan_path(student), guardian).status_code == 404

    def acknowledged_at(self, district: SampleDistrict, letter: dict[str, Any]) -> str | None:
        answer = district.call("GET", f"/v1/links/{token_in(letter)}")
        assert answer.status_code == 200, answer.text
        told: str | None = answer.json().get("acknowledged_at")
        return told


class TestAnotherCareerGoal:
    def test_becomes_a_match_once_a_counselor_approves(
        self, district: SampleDistrict, mailbox: Mailbox, consequences: Consequences
    ) -> None:
        student = district.take(lambda each: each.goal != "Health Science")
        counselor = student.counselor

        # When the student chooses another goal
        made = district.set_goal(student, "Health Science", by=student)

        # Then up to three partners of that field are proposed, and the counselor is asked
        task = only_task(district, student, "approve_match")
        match = self.newest_match(district, student)
        assert (match["status"], match["cluster"]) == ("proposed", "Health Science")
        assert 1 <= len(match["candidates"]) <= 3
        assert all("cluster" in candidate["reasons"] for candidate in match["candidates"])
        assert task["facts"]["match_id"] == match["match_id"]
        letter = mailbox.email(counselor, made.correlation_id)
        assert letter["subject"] == f"New task: choose a mentor partner for {student.given_name}"
        assert all(candidate["organization"] in letter["text"] for candidate in match["candidates"])
        # and nobody else is told before the decision
        consequences.settle(made.correlation_id)
        assert mailbox.emails(student, made.correlation_id) == []

        # When the counselor approves one of them
        chosen = match["candidates"][0]
        approved = district.call(
            "POST", f"/v1/matches/{match['match_id']}/approve", counselor, json={"partner_id": chosen["partner_id"]}
        )
        assert approved.status_code == 200, approved.text

        # Then the student is told, the task is closed, and the partner's file tells of it
        letter = mailbox.email(student, UUID(approved.headers["Correlation-Id"]))
        assert chosen["organization"] in letter["text"]
        assert only_task(district, student, "approve_match", state="done")["outcome"] == "done"
        for reader in (counselor, student):
            file = district.read(f"/v1/relationship-files/{approved.json()['relationship_file_id']}", reader)
            told = [entry["kind"] for entry in file["entries"] if entry["student_id"] == str(student.person_id)]
            assert "match_accepted" in told

    def test_supersedes_the_one_before(self, district: SampleDistrict, consequences: Consequences) -> None:
        student = district.take(lambda each: each.goal not in ("Finance", "Manufacturing"))
        district.set_goal(student, "Finance", by=student)
        task = only_task(district, student, "approve_match")
        before = self.newest_match(district, student)

        made = district.set_goal(student, "Manufacturing", by=student)
        consequences.settle(made.correlation_id)

        matches = district.read(f"/v1/students/{student.person_id}/matches", student.counselor)["items"]
        assert {each["cluster"]: each["status"] for each in matches} == {
            "Finance": "superseded",
            "Manufacturing": "proposed",
        }
        [opened] = [each for each in tasks_of(district, student, "approve_match") if each["state"] == "open"]
        assert opened["facts"]["match_id"] == self.newest_match(district, student)["match_id"]
        assert {each["outcome"] for each in tasks_of(district, student, "approve_match")} <= {None, "superseded"}
        late = district.call(
            "POST",
            f"/v1/matches/{before['match_id']}/approve",
            student.counselor,
            json={"partner_id": before["candidates"][0]["partner_id"]},
        )
        assert (late.status_code, late.json()["code"]) == (409, "match-already-decided")
        assert task["task_id"] in {each["task_id"] for each in tasks_of(district, student, "approve_match")}

    def newest_match(self, district: SampleDistrict, student: Student) -> dict[str, Any]:
        path = f"/v1/students/{student.person_id}/matches"
        matches: list[dict[str, Any]] = wait_until(
            lambda: district.read(path, student.counselor)["items"], timeout_s=30, what="a match"
        )
        return matches[0]


class TestAPlanHandedIn:
    def test_is_approved_and_everybody_is_told(self, district: SampleDistrict, mailbox: Mailbox) -> None:
        student = district.take(of_two_guardians)
        counselor = student.counselor

        # When the student hands the plan in, then the counselor is asked to look at it
        handed_in = district.send(student, "POST", "/submit", by=student)
        assert handed_in.plan["status"] == "submitted"
        only_task(district, student, "review_plan")
        letter = mailbox.email(counselor, handed_in.correlation_id)
        assert letter["subject"] == f"New task: review {student.given_name}'s course plan"

        # When the counselor approves it, then the student and the guardians are told, and the task is closed
        approved = district.send(student, "POST", "/approve")
        assert approved.plan["status"] == "approved"
        assert only_task(district, student, "review_plan", state="done")["outcome"] == "done"
        for person in (student, *student.guardians):
            letter = mailbox.email(person, approved.correlation_id)
            assert "approved" in letter["subject"] or "aprobado" in letter["subject"]
        assert complete_journey(district, approved, student)["complete"]


class TestAJourney:
    def test_shows_every_step_with_its_cause(
        self, district: SampleDistrict, mailbox: Mailbox, consequences: Consequences
    ) -> None:
        student = district.take(of_two_guardians)
        made = district.change(student, drop(at_stake(student)), by=student)
        mailbox.email(student.counselor, made.correlation_id)
        letters = [mailbox.email(guardian, made.correlation_id) for guardian in student.guardians]
        assert district.call("POST", f"{link_in(letters[0])}/acknowledge").status_code == 200
        consequences.settle(made.correlation_id)

        journey = complete_journey(district, made, student.counselor)

        steps = journey["steps"]
        assert {step["event_id"] for step in steps} == {str(each) for each in consequences.events(made.correlation_id)}
        assert sorted(step["type"] for step in steps) == [
            "notifications.notice.acknowledged.v1",
            *["notifications.notice.delivered.v1"] * 3,
            "notifications.task.opened.v1",
            "plans.audit.flipped.v1",
            "plans.plan.revised.v1",
        ]
        seen: set[str] = set()
        for step in steps:
            assert (step["caused_by"] is None) == (step is steps[0]), step["type"]
            assert step["caused_by"] is None or step["caused_by"] in seen, "each after its cause"
            assert step["summary"]
            seen.add(step["event_id"])

    def test_shows_a_guardian_only_the_own_notices(
        self, district: SampleDistrict, mailbox: Mailbox, consequences: Consequences
    ) -> None:
        student = district.take(of_two_guardians)
        made = district.change(student, drop(at_stake(student)))
        consequences.settle(made.correlation_id)
        complete_journey(district, made, student.counselor)

        for guardian in student.guardians:
            steps = complete_journey(district, made, guardian)["steps"]
            own = district.read(f"/v1/notices?student_id={student.person_id}", guardian)["items"]

            assert [step["type"] for step in steps].count("notifications.notice.delivered.v1") == 1
            assert not any(step["type"].startswith("notifications.task.") for step in steps)
            assert [notice["recipient_id"] for notice in own] == [str(guardian.person_id)]

    def test_is_hidden_from_strangers(self, district: SampleDistrict, consequences: Consequences) -> None:
        student, other = district.take(), district.take()
        made = district.change(student, drop(at_stake(student)))
        consequences.settle(made.correlation_id)

        for stranger in (other, other.guardians[0], ADMIN):
            assert district.call("GET", f"/v1/journeys/{made.correlation_id}", stranger).status_code == 404


class TestATrace:
    def test_covers_the_way_from_the_tap_to_the_mail_server(
        self, district: SampleDistrict, consequences: Consequences
    ) -> None:
        # Given a phone that traces
        student = district.take(reads("en"))
        trace_id = secrets.token_hex(16)
        _, etag = district.plan(student)

        # When it changes the plan
        answer = district.call(
            "POST",
            f"{plan_path(student)}/changes",
            student,
            headers={"If-Match": etag, "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"},
            json={"changes": [drop(at_stake(student))]},
        )
        assert answer.status_code == 200, answer.text
        consequences.settle(UUID(answer.headers["Correlation-Id"]))

        # Then its trace goes on through gateway, plans, outbox, broker and notifications to the mail server
        spans = [span for span in self.spans(district) if span["context"]["trace_id"] == f"0x{trace_id}"]
        by_service = {(span["name"], span["attributes"].get("service")) for span in spans}
        for service, route in (("gateway", "{student_id}/plan{rest"), ("plans", "{student_id}/plan/changes")):
            assert any(route in name and of == service for name, of in by_service), by_service
        names = {span["name"] for span in spans}
        assert names >= {
            "plans publish",
            "notifications process plans.plan.revised.v1",
            "notifications process plans.audit.flipped.v1",
            "send email",
            "notifications publish",
            "gateway process notifications.notice.delivered.v1",
        }
        # and every step of it but the first names another as the one it came from
        known = {span["context"]["span_id"] for span in spans}
        roots = [span["name"] for span in spans if span["parent_id"] not in known]
        assert len(roots) == 1, roots
        assert roots[0].startswith("POST /v1/students/{student_id}/plan{rest")

    def spans(self, district: SampleDistrict) -> list[dict[str, Any]]:
        text = (district.deployment.home / "traces.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]
