"""Whatever is wrong with a request: a precise problem, nothing changed, no event."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from services.notifications.links.rules import AcknowledgeLink, sign_link
from services.sample.catalog import BY_CODE
from shared.auth.keys import Keys
from shared.auth.tokens import issue_token
from shared.messaging.tables import outbox
from tests.support.consequences import Consequences
from tests.support.letters import Mailbox, token_in
from tests.support.sample import SampleDistrict, Student, add, drop, plan_path

MOST_CREDITS = 9
TEN_MEGABYTES = 10_000_000


@dataclass
class Attempts:
    """Requests to change one student's plan, each of which must be refused and leave no trace."""

    district: SampleDistrict
    consequences: Consequences
    student: Student

    @property
    def path(self) -> str:
        return f"{plan_path(self.student)}/changes"

    @property
    def etag(self) -> str:
        return self.district.plan(self.student)[1]

    def change(
        self, *changes: dict[str, Any], body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Send a change at the present version, or what else the headers say; nothing may come of it."""
        content = body if body is not None else json.dumps({"changes": changes}).encode()
        sent = {"If-Match": self.etag, "Content-Type": "application/json", **(headers or {})}
        with self.nothing_happens():
            return self.district.call("POST", self.path, self.student.counselor, headers=sent, data=content)

    @contextmanager
    def nothing_happens(self) -> Iterator[None]:
        """The plan stays at its version, and the plans service has no more events to tell than before."""
        before = self.etag, self._events()
        yield
        assert (self.etag, self._events()) == before

    def _events(self) -> int:
        with self.consequences.databases["plans"].reading() as session:
            return session.execute(select(func.count()).select_from(outbox)).scalar_one()


@pytest.fixture(scope="module")
def attempts(loaded_district: SampleDistrict, consequences: Consequences) -> Attempts:
    """One student for all: as nothing ever happens to the plan, the tests do not disturb each other."""
    return Attempts(loaded_district, consequences, loaded_district.take(lambda each: each.grade < 12))


def assert_problem(answer: requests.Response, status: int, code: str, title: str, *details: str) -> dict[str, Any]:
    """An RFC 9457 document that says exactly this; `details` are what its detail must mention."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    told = {name: problem[name] for name in ("type", "title", "status", "code")}
    assert told == {"type": f"/problems/{code}", "title": title, "status": status, "code": code}, problem
    assert answer.status_code == status
    for each in details:
        assert each in problem.get("detail", ""), problem
    return problem


class TestAChangeIsRefused:
    def test_for_an_unknown_course(self, attempts: Attempts) -> None:
        answer = attempts.change(add("SCI-102", 11))

        problem = assert_problem(
            answer, 422, "course-unknown", "No course on offer has this code.", "'SCI-102'", "Did you mean", "SCI-101"
        )
        assert problem["course"] == "SCI-102"

    def test_for_a_prerequisite_that_is_not_planned(self, attempts: Attempts) -> None:
        planned = {course.code for course in attempts.student.courses}
        course = next(
            each
            for each in BY_CODE.values()
            if 12 in each.grades and each.code not in planned and any(planned.isdisjoint(group) for group in each.needs)
        )
        missing = next(group for group in course.needs if planned.isdisjoint(group))

        answer = attempts.change(add(course.code, 12))

        problem = assert_problem(
            answer,
            422,
            "prerequisite-not-met",
            "A course must come first, or beside it, and does not.",
            f"{course.title} ({course.code}) in grade 12",
            f"{BY_CODE[missing[0]].title} ({missing[0]})",
            "Add that earlier",
        )
        assert list(missing) in problem["needs_one_of_each"]

    def test_for_more_credits_than_fit_in_a_grade(self, attempts: Attempts) -> None:
        plan, _ = attempts.district.plan(attempts.student)
        planned = {course["code"] for course in plan["courses"]}
        free = [each for each in BY_CODE.values() if 12 in each.grades and not each.needs and each.code not in planned]
        assert plan["credits_by_grade"]["12"] + float(sum(course.credits for course in free)) > MOST_CREDITS

        answer = attempts.change(*(add(course.code, 12) for course in free))

        problem = assert_problem(
            answer,
            422,
            "credit-limit-exceeded",
            "That is more credits than fit in one grade.",
            "Grade 12 would have",
            f"at most {MOST_CREDITS} fit",
            "Drop ",
        )
        assert problem["grade"] == 12
        assert problem["credits"] > problem["limit"] == MOST_CREDITS

    def test_whole_if_one_part_of_it_is_wrong(self, attempts: Attempts) -> None:
        planned = next(course for course in attempts.student.courses if not course.is_taken)

        answer = attempts.change(drop(planned.code), add("NO-SUCH", 12))

        assert_problem(answer, 422, "course-unknown", "No course on offer has this code.", "'NO-SUCH'")

    def test_for_somebody_elses_student_as_if_there_were_none(
        self, attempts: Attempts, district: SampleDistrict
    ) -> None:
        stranger = district.take()
        change = {"changes": [drop(attempts.student.courses[-1].code)]}

        with attempts.nothing_happens():
            answers = [
                district.call("POST", path, stranger, json=change, headers={"If-Match": attempts.etag})
                for path in (attempts.path, f"/v1/students/{uuid4()}/plan/changes", "/v1/students/none/plan/changes")
            ]

        for answer in answers:
            assert_problem(answer, 404, "not-found", "There is no such thing, or you may not see it.")
        assert answers[0].content == answers[1].content == answers[2].content

    @pytest.mark.parametrize("role", ["guardian", "teacher", "district_admin", "ops"])
    def test_for_whoever_may_not_write(self, attempts: Attempts, role: str) -> None:
        guardian = attempts.student.guardians[0].person_id
        with attempts.nothing_happens():
            answer = attempts.district.call(
                "POST",
                attempts.path,
                (role, guardian if role == "guardian" else uuid4()),
                headers={"If-Match": attempts.etag},
                json={"changes": [drop(attempts.student.courses[-1].code)]},
            )

        assert_problem(answer, 404, "not-found", "There is no such thing, or you may not see it.")


class TestAVersion:
    def test_that_is_stale_is_refused(self, attempts: Attempts) -> None:
        version = int(attempts.etag.strip('"'))

        answer = attempts.change(drop("ENG-401"), headers={"If-Match": f'"{version - 1}"'})

        problem = assert_problem(
            answer,
            412,
            "stale-plan",
            "The plan has changed since you read it.",
            f"You have read version {version - 1}; the plan is at version {version}.",
            "Read it again",
        )
        assert problem["current_version"] == version

    def test_must_be_named(self, attempts: Attempts) -> None:
        with attempts.nothing_happens():
            answer = attempts.district.call(
                "POST", attempts.path, attempts.student.counselor, json={"changes": [drop("ENG-401")]}
            )

        assert_problem(
            answer, 428, "precondition-required", "Say which version you are changing.", 'If-Match: "<version>"'
        )

    def test_must_be_one_of_ours(self, attempts: Attempts) -> None:
        answer = attempts.change(drop("ENG-401"), headers={"If-Match": '"abc"'})

        assert_problem(answer, 422, "invalid-input", "The request is not well formed.", "If-Match", 'such as "7"')


class TestARepeatedIdempotencyKey:
    def test_gets_the_first_answer_for_the_same_request_and_refuses_another(
        self, district: SampleDistrict, consequences: Consequences
    ) -> None:
        attempts = Attempts(district, consequences, district.take(lambda each: each.grade < 12))
        counselor, key = attempts.student.counselor, {"Idempotency-Key": uuid4().hex, "If-Match": attempts.etag}
        first_course, other = [course.code for course in attempts.student.courses if not course.is_taken][:2]

        first = district.call("POST", attempts.path, counselor, headers=key, json={"changes": [drop(first_course)]})
        with attempts.nothing_happens():
            again = district.call("POST", attempts.path, counselor, headers=key, json={"changes": [drop(first_course)]})
            another = district.call("POST", attempts.path, counselor, headers=key, json={"changes": [drop(other)]})

        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()
        for header in ("ETag", "Correlation-Id"):
            assert again.headers[header] == first.headers[header]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert_problem(
            another,
            422,
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request.",
            "Send a new key with a new request",
        )


class TestABody:
    def test_that_is_no_json(self, attempts: Attempts) -> None:
        answer = attempts.change(body=b'{"changes": [')

        assert_problem(answer, 400, "malformed-body", "The body is not JSON.", "line 1 column 13")

    def test_that_is_no_text(self, attempts: Attempts) -> None:
        answer = attempts.change(body=b"\xff\xfe\x00")

        assert_problem(answer, 400, "malformed-body", "The body is not JSON.")

    def test_that_is_empty(self, attempts: Attempts) -> None:
        answer = attempts.change(body=b"")

        assert_problem(answer, 400, "malformed-body", "The body is not JSON.", "EOF")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"changes": [], "note": "please"}, "/note"),
            ({"changes": [{"action": "drop", "code": "ENG-401", "why": "no room"}]}, "/changes/0/drop/why"),
            ({"changes": [{"action": "swap", "code": "ENG-401"}]}, "/changes/0"),
            ({"changes": [{"action": "add", "code": "ENG-401", "grade": "eleventh"}]}, "/changes/0/add/grade"),
            ({"changes": [{"action": "add", "code": "ENG-401", "grade": 42}]}, "/changes/0/add/grade"),
            ({"change": []}, "/changes"),
            ([], "/"),
        ],
    )
    def test_with_fields_that_are_unknown_or_wrong(self, attempts: Attempts, body: Any, pointer: str) -> None:
        answer = attempts.change(body=json.dumps(body).encode())

        problem = assert_problem(answer, 422, "invalid-input", "The request is not well formed.")
        assert pointer in [each["pointer"] for each in problem["errors"]]
        assert all(each["detail"] for each in problem["errors"])

    def test_of_ten_megabytes(self, attempts: Attempts) -> None:
        answer = attempts.change(body=b'{"changes": "' + b"x" * TEN_MEGABYTES + b'"}')

        assert_problem(
            answer, 413, "body-too-large", "The body is larger than this service reads.", "at most 1048576 bytes"
        )

    def test_of_ten_megabytes_that_does_not_say_so(self, attempts: Attempts) -> None:
        def parts() -> Iterator[bytes]:
            for _ in range(10):
                yield b"x" * (TEN_MEGABYTES // 10)

        token = issue_token(
            attempts.district.deployment.settings, role="counselor", person_id=attempts.student.counselor.person_id
        )
        headers = {"Authorization": f"Bearer {token}", "If-Match": attempts.etag, "Content-Type": "application/json"}
        with attempts.nothing_happens():
            url = attempts.district.deployment.gateway_url + attempts.path
            answer = requests.post(url, data=parts(), headers=headers, timeout=30)

        assert_problem(
            answer, 413, "body-too-large", "The body is larger than this service reads.", "at most 1048576 bytes"
        )


class TestAToken:
    FORGED = "The bearer token was not issued for this service by anybody it trusts."

    def refused(self, attempts: Attempts, authorization: str) -> requests.Response:
        answer = attempts.change(drop("ENG-401"), headers={"Authorization": authorization})
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="signpost"')
        return answer

    def claims(self, attempts: Attempts, **other: Any) -> dict[str, Any]:
        settings, now = attempts.district.deployment.settings, int(time.time())
        return {
            "iss": settings.token_issuer,
            "aud": settings.token_audience,
            "sub": str(attempts.student.counselor.person_id),
            "role": "counselor",
            "iat": now,
            "exp": now + 600,
            **other,
        }

    def keys(self, attempts: Attempts) -> Keys:
        return Keys.from_settings(attempts.district.deployment.settings)

    def test_that_is_missing(self, attempts: Attempts) -> None:
        answer = self.refused(attempts, "Basic dXNlcjpwYXNz")

        assert_problem(
            answer,
            401,
            "token-missing",
            "Sign in first: the request carries no bearer token.",
            "Authorization: Bearer <token>",
        )

    def test_that_has_expired(self, attempts: Attempts) -> None:
        ended = int(time.time()) - 3600
        token = self.keys(attempts).sign(self.claims(attempts, exp=ended))

        answer = self.refused(attempts, f"Bearer {token}")

        when = datetime.fromtimestamp(ended, UTC).isoformat()
        assert_problem(answer, 401, "token-expired", "The bearer token has expired; sign in again.", when)

    def test_signed_with_another_key(self, attempts: Attempts) -> None:
        token = Keys.generate().sign(self.claims(attempts))

        answer = self.refused(attempts, f"Bearer {token}")

        assert_problem(answer, 401, "token-forged", self.FORGED, "signing key is not in the key set")

    def test_signed_with_another_key_of_the_same_name(self, attempts: Attempts) -> None:
        forger = Keys.generate().model_copy(update={"key_id": self.keys(attempts).key_id})

        answer = self.refused(attempts, f"Bearer {forger.sign(self.claims(attempts))}")

        assert_problem(answer, 401, "token-forged", self.FORGED, "signature")

    @pytest.mark.parametrize("names_the_key", [True, False])
    def test_not_signed_at_all(self, attempts: Attempts, names_the_key: bool) -> None:
        headers = {"kid": self.keys(attempts).key_id} if names_the_key else {}
        token = jwt.encode(self.claims(attempts), "", algorithm="none", headers=headers)

        answer = self.refused(attempts, f"Bearer {token}")

        assert_problem(answer, 401, "token-forged", self.FORGED, "sign")

    def test_signed_with_the_public_key_as_if_it_were_a_secret(self, attempts: Attempts) -> None:
        keys = self.keys(attempts)
        public = keys.jwks()["keys"][0]["x"]
        token = jwt.encode(self.claims(attempts), public, algorithm="HS256", headers={"kid": keys.key_id})

        answer = self.refused(attempts, f"Bearer {token}")

        assert_problem(answer, 401, "token-forged", self.FORGED, "must be signed with EdDSA")

    def test_signed_with_a_key_of_another_kind(self, attempts: Attempts) -> None:
        own = ec.generate_private_key(ec.SECP256R1())
        headers = {"kid": self.keys(attempts).key_id}
        token = jwt.encode(self.claims(attempts), own, algorithm="ES256", headers=headers)

        answer = self.refused(attempts, f"Bearer {token}")

        assert_problem(answer, 401, "token-forged", self.FORGED, "sign")

    @pytest.mark.parametrize(
        ("claim", "value", "right"), [("aud", "another-service", "`aud`"), ("iss", "somebody", "`iss`")]
    )
    def test_made_for_or_by_somebody_else(self, attempts: Attempts, claim: str, value: str, right: str) -> None:
        token = self.keys(attempts).sign(self.claims(attempts, **{claim: value}))

        answer = self.refused(attempts, f"Bearer {token}")

        assert_problem(answer, 401, "token-forged", self.FORGED, right, "signpost")

    def test_that_cannot_be_read(self, attempts: Attempts) -> None:
        answer = self.refused(attempts, "Bearer not.a.token")

        assert_problem(
            answer, 401, "token-malformed", "The bearer token cannot be read.", "JSON Web Token", "Authorization"
        )

    def test_without_an_end(self, attempts: Attempts) -> None:
        claims = self.claims(attempts)
        del claims["exp"]

        answer = self.refused(attempts, f"Bearer {self.keys(attempts).sign(claims)}")

        assert_problem(answer, 401, "token-malformed", "The bearer token cannot be read.", "exp")


class TestALink:
    @pytest.fixture(scope="class")
    @staticmethod
    def letter(loaded_district: SampleDistrict, consequences: Consequences) -> dict[str, Any]:
        student = loaded_district.take(lambda each: any(guardian.email for guardian in each.guardians))
        guardian = next(each for each in student.guardians if each.email)
        course = next(each for each in student.courses if not each.is_taken)
        made = loaded_district.change(student, drop(course.code))
        letter = Mailbox(loaded_district.deployment).email(guardian, made.correlation_id)
        consequences.settle(made.correlation_id)
        return letter

    @pytest.fixture
    def link(self, district: SampleDistrict, letter: dict[str, Any]) -> AcknowledgeLink:
        shown = district.call("GET", f"/v1/links/{token_in(letter)}").json()
        expires_at = datetime.fromisoformat(shown["expires_at"])
        return AcknowledgeLink(
            UUID(shown["notice_id"]), UUID(shown["recipient_id"]), UUID(shown["student_id"]), expires_at
        )

    def refused(
        self, district: SampleDistrict, consequences: Consequences, letter: dict[str, Any], token: str
    ) -> list[requests.Response]:
        """What the API and then the page answer, to reading and to acknowledging."""
        journey = UUID(letter["correlation_id"])
        before = consequences.events(journey)
        answers = [
            district.call(method, path)
            for path in (f"/v1/links/{token}", f"/a/{token}")
            for method, path in (("GET", path), ("POST", f"{path}/acknowledge"))
        ]
        assert consequences.events(journey) == before
        assert district.call("GET", f"/v1/links/{token_in(letter)}").json()["acknowledged_at"] is None
        return answers

    def test_that_has_expired(
        self, district: SampleDistrict, consequences: Consequences, letter: dict[str, Any], link: AcknowledgeLink
    ) -> None:
        ended = AcknowledgeLink(link.notice_id, link.person_id, link.student_id, datetime.now(UTC) - timedelta(hours=1))
        token = sign_link(ended, Keys.from_settings(district.deployment.settings).link_key)

        *api, page, acknowledged = self.refused(district, consequences, letter, token)

        for answer in api:
            when = f"{ended.expires_at:%Y-%m-%d %H:%M} UTC"
            assert_problem(answer, 410, "link-expired", "This link no longer works.", when, "A later message")
        for answer in (page, acknowledged):
            assert answer.status_code == 410
            assert "This link has expired" in answer.text

    def test_that_is_forged(
        self, district: SampleDistrict, consequences: Consequences, letter: dict[str, Any], link: AcknowledgeLink
    ) -> None:
        genuine = token_in(letter)
        altered = genuine[:-2] + ("AA" if genuine[-2:] != "AA" else "BB")
        other_person = AcknowledgeLink(link.notice_id, uuid4(), link.student_id, link.expires_at)
        key = Keys.from_settings(district.deployment.settings).link_key
        of_other_purpose = jwt.encode({**jwt.decode(genuine, key, ["HS256"]), "purpose": "sign"}, key)
        for token in (sign_link(link, "another key" * 4), altered, sign_link(other_person, key), of_other_purpose):
            *api, page, acknowledged = self.refused(district, consequences, letter, token)

            for answer in api:
                assert_problem(answer, 404, "link-invalid", "This is no link of ours.")
            for answer in (page, acknowledged):
                assert answer.status_code == 404
                assert "This link does not work" in answer.text
