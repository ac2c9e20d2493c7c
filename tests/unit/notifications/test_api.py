"""The routes: whose notices and tasks are shown, what a link does, and what a provider may report."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.notifications.api import create_app
from services.notifications.delivery.ports import Accepted, Sms
from services.notifications.delivery.rules import status_callback_url, twilio_signature
from services.notifications.mailbox.rules import read_letter
from shared.identifiers import stable_id
from shared.testing.tokens import bearer
from tests.unit.notifications.stage import (
    COUNSELOR,
    DANIEL,
    FINANCE,
    ROSA,
    STUDENT,
    Stage,
    eighteenth_birthday,
    flipped,
    revised,
)

STRANGER = stable_id("person", "test", "stranger")


class Api:
    """The service's API over the stage's database, asked one request at a time."""

    def __init__(self, stage: Stage) -> None:
        self._runner = asyncio.Runner()
        self._settings = stage.settings
        self._client = self._runner.run(self._start(stage))

    async def _start(self, stage: Stage) -> TestClient[Any, Any]:
        client = TestClient(TestServer(create_app(stage.settings, clock=stage.clock)))
        await client.start_server()
        return client

    def get(self, path: str, *, role: str | None = None, person_id: UUID | None = None) -> tuple[int, Any]:
        return self._runner.run(self._ask("GET", path, self._headers(role, person_id)))

    def post(
        self, path: str, *, role: str | None = None, person_id: UUID | None = None, **given: Any
    ) -> tuple[int, Any]:
        headers = self._headers(role, person_id) | given.pop("headers", {})
        return self._runner.run(self._ask("POST", path, headers, **given))

    def _headers(self, role: str | None, person_id: UUID | None) -> dict[str, str]:
        return bearer(self._settings, role, person_id) if role and person_id else {}

    async def _ask(self, method: str, path: str, headers: dict[str, str], **given: Any) -> tuple[int, Any]:
        async with self._client.request(method, path, headers=headers, **given) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    api = Api(stage)
    yield api
    api.close()


def link_in_mail(stage: Stage) -> str:
    """The path behind the acknowledge link of the newest email."""
    found = re.search(r"/a/([\w.-]+)", read_letter(stage.email.taken[-1].as_bytes()).text)
    assert found is not None
    return f"/v1/links/{found[1]}"


class TestNotices:
    def test_a_guardian_sees_their_own_alone(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        status, page = api.get("/v1/notices", role="guardian", person_id=ROSA)

        assert status == 200
        assert [item["recipient_id"] for item in page["items"]] == [str(ROSA)]
        assert [message["state"] for message in page["items"][0]["messages"]] == ["accepted"]

    def test_a_guardian_barred_since_sees_none_of_what_they_got(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()
        notice_id = api.get("/v1/notices", role="guardian", person_id=ROSA)[1]["items"][0]["notice_id"]
        stage.receive(stage.restriction(ROSA))

        assert api.get("/v1/notices", role="guardian", person_id=ROSA)[1]["items"] == []
        assert api.get(f"/v1/notices/{notice_id}", role="guardian", person_id=ROSA)[0] == 404

    def test_a_counselor_sees_all_notices_about_a_student_of_theirs(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())

        _, page = api.get(f"/v1/notices?student_id={STUDENT}", role="counselor", person_id=COUNSELOR)

        assert {item["recipient_id"] for item in page["items"]} == {str(ROSA), str(DANIEL)}

    def test_a_stranger_sees_nothing_and_learns_nothing(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        [notice_id, *_] = [row.notice_id for row in stage.notices()]

        missing = api.get(f"/v1/notices/{uuid4()}", role="counselor", person_id=STRANGER)
        hidden = api.get(f"/v1/notices/{notice_id}", role="counselor", person_id=STRANGER)

        assert hidden == missing
        assert hidden[0] == 404
        assert api.get(f"/v1/notices?student_id={STUDENT}", role="counselor", person_id=STRANGER)[0] == 404
        assert api.get("/v1/notices", role="counselor", person_id=STRANGER)[1]["items"] == []

    def test_one_guardian_does_not_see_the_others_notice(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        [other] = [row.notice_id for row in stage.notices() if row.recipient_id == DANIEL]

        assert api.get(f"/v1/notices/{other}", role="guardian", person_id=ROSA)[0] == 404

    def test_pages_follow_one_another(self, stage: Stage, api: Api) -> None:
        for version in range(2, 7):
            stage.receive(revised(version))
            stage.clock.advance(minutes=1)

        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            _, page = api.get(f"/v1/notices?limit=2&cursor={cursor}", role="guardian", person_id=ROSA)
            seen += [item["notice_id"] for item in page["items"]]
            cursor = page["next"]

        assert len(seen) == len(set(seen)) == 5

    def test_a_broken_cursor_is_refused(self, api: Api) -> None:
        assert api.get("/v1/notices?cursor=!!", role="guardian", person_id=ROSA)[0] == 422

    def test_without_a_token_nothing_is_shown(self, api: Api) -> None:
        assert api.get("/v1/notices")[0] == 401


class TestTasks:
    def test_a_counselor_sees_and_finishes_their_tasks(self, stage: Stage, api: Api) -> None:
        stage.receive(flipped())
        _, page = api.get("/v1/tasks?state=open", role="counselor", person_id=COUNSELOR)
        [task] = page["items"]

        status, done = api.post(f"/v1/tasks/{task['task_id']}/done", role="counselor", person_id=COUNSELOR)

        assert (status, done["state"], done["outcome"]) == (200, "done", "done")
        assert done["done_by"] == str(COUNSELOR)
        assert api.get("/v1/tasks?state=open", role="counselor", person_id=COUNSELOR)[1]["items"] == []
        assert len(stage.emitted("task.done")) == 1

    def test_finishing_twice_is_finishing_once(self, stage: Stage, api: Api) -> None:
        stage.receive(flipped())
        [task] = stage.tasks()

        for _ in range(2):
            assert api.post(f"/v1/tasks/{task.task_id}/done", role="counselor", person_id=COUNSELOR)[0] == 200

        assert len(stage.emitted("task.done")) == 1

    def test_a_stale_version_is_refused(self, stage: Stage, api: Api) -> None:
        stage.receive(flipped())
        [task] = stage.tasks()

        status, problem = api.post(
            f"/v1/tasks/{task.task_id}/done", role="counselor", person_id=COUNSELOR, headers={"If-Match": '"99"'}
        )

        assert (status, problem["code"]) == (412, "precondition-failed")
        assert stage.tasks()[0].state == "open"

    @pytest.mark.parametrize(("role", "person_id"), [("student", STUDENT), ("guardian", ROSA), ("counselor", STRANGER)])
    def test_nobody_else_finishes_it(self, stage: Stage, api: Api, role: str, person_id: UUID) -> None:
        stage.receive(flipped())
        [task] = stage.tasks()

        assert api.post(f"/v1/tasks/{task.task_id}/done", role=role, person_id=person_id)[0] == 404
        assert stage.tasks()[0].state == "open"

    def test_an_unknown_state_is_refused(self, api: Api) -> None:
        assert api.get("/v1/tasks?state=late", role="counselor", person_id=COUNSELOR)[0] == 422


class TestLinks:
    def test_shows_the_notice_in_the_readers_language_without_a_contact(self, stage: Stage, api: Api) -> None:
        stage.receive(revised(unmet=(FINANCE,)))
        stage.send()

        status, document = api.get(link_in_mail(stage))

        assert status == 200
        assert document["language"] == "es"
        assert document["title"] == "Cambió el plan de cursos de Maya"
        assert "Maya ahora necesita 0.5 crédito más en Personal Finance" in document["html"]
        assert "rosa@" not in str(document)

    def test_seeing_it_does_not_acknowledge(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        api.get(link_in_mail(stage))

        assert stage.emitted("notice.acknowledged") == []

    def test_acknowledging_counts_once_and_continues_the_journey(self, stage: Stage, api: Api) -> None:
        cause = stage.receive(revised())
        stage.send()
        link = link_in_mail(stage)

        first = api.post(f"{link}/acknowledge")
        stage.clock.advance(hours=1)
        second = api.post(f"{link}/acknowledge")

        assert first[0] == 200
        assert second == first
        [acknowledged] = stage.emitted("notice.acknowledged")
        assert acknowledged.correlation_id == cause.correlation_id
        versions = [
            row.subject_version
            for row in [*stage.emitted("notice.delivered"), acknowledged]
            if row.subject == acknowledged.subject
        ]
        assert versions == sorted(set(versions))

    def test_an_expired_link_is_gone(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()
        link = link_in_mail(stage)
        stage.clock.advance(days=31)

        assert api.get(link)[0] == 410
        assert api.post(f"{link}/acknowledge")[1]["code"] == "link-expired"
        assert stage.emitted("notice.acknowledged") == []

    def test_a_forged_link_is_unknown(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        status, problem = api.post(f"{link_in_mail(stage)[:-3]}abc/acknowledge")

        assert (status, problem["code"]) == (404, "link-invalid")

    def test_whoever_may_no_longer_hear_sees_nothing(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()
        link = link_in_mail(stage)
        stage.receive(stage.restriction(ROSA))

        assert api.get(link)[0] == 404
        assert api.post(f"{link}/acknowledge")[0] == 404
        assert stage.emitted("notice.acknowledged") == []

    def test_from_the_eighteenth_birthday_a_guardians_link_is_closed(self, stage: Stage, api: Api) -> None:
        stage.receive(stage.enrolled(rights_transfer_at=eighteenth_birthday()))
        stage.receive(revised())
        stage.send()
        stage.clock.set(eighteenth_birthday())

        assert api.get(link_in_mail(stage))[0] == 404


class TestSmsStatus:
    def report(self, stage: Stage, api: Api, status: str, *, token: str | None = None) -> int:
        [message] = [row for row in stage.messages() if row.channel == "sms"]
        form = {"MessageSid": "SM1", "MessageStatus": status, "To": "+12025550143"}
        url = status_callback_url(stage.settings.public_url, message.message_id)
        signature = twilio_signature(token or stage.settings.sms_secret, url, form)
        return api.post(
            f"/v1/sms/status?message={message.message_id}",
            data=urlencode(form),
            headers={"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
        )[0]

    def test_delivery_is_written_to_the_ledger(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        assert self.report(stage, api, "sent") == 204
        assert ("sms", "accepted") in stage.states()
        assert self.report(stage, api, "delivered") == 204
        assert self.report(stage, api, "delivered") == 204

        assert ("sms", "delivered") in stage.states()

    def test_a_failed_delivery_fails_the_notice(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        assert self.report(stage, api, "undelivered") == 204

        assert ("sms", "failed") in stage.states()
        assert len(stage.emitted("notice.failed")) == 1

    def test_another_signature_is_refused(self, stage: Stage, api: Api) -> None:
        stage.receive(revised())
        stage.send()

        assert self.report(stage, api, "delivered", token="guessed") == 403
        assert ("sms", "accepted") in stage.states()

    def test_a_report_that_overtakes_the_answer_counts_once_that_is_there(self, stage: Stage, api: Api) -> None:
        stage.receive(stage.guardianship_ended(ROSA))
        stage.receive(revised())
        send = stage.sms.send

        def report_before_answering(sms: Sms) -> Accepted:
            answer = send(sms)
            assert self.report(stage, api, "delivered") == 204
            return answer

        stage.sms.send = report_before_answering  # type: ignore[method-assign]
        stage.send()

        assert stage.states() == [("email", "cancelled"), ("sms", "delivered")]
        assert len(stage.emitted("notice.delivered")) == 1


class TestOpenApi:
    def test_is_served_with_every_route(self, api: Api) -> None:
        _, document = api.get("/openapi.json")

        assert {"/v1/notices", "/v1/tasks/{task_id}/done", "/v1/links/{token}", "/v1/sms/status"} <= set(
            document["paths"]
        )
