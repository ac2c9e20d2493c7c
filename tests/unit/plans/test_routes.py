import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from services.plans.api import create_app
from services.plans.plans.rules import CLUSTERS
from services.plans.settings import PlansSettings
from shared.events.roster import GuardianshipRestricted
from shared.testing.tokens import bearer
from tests.unit.plans.conftest import World, enrolled

EN9 = {"action": "add", "code": "EN9", "grade": 9, "term": "YEAR"}
MA1 = {"action": "add", "code": "MA1", "grade": 9}


class Api:
    """Requests as one person or another, against a running API."""

    def __init__(self, client: Any, settings: PlansSettings, world: World) -> None:
        self.client, self.settings, self.world = client, settings, world
        self.roles = {"student": world.student, "counselor": world.counselor, "guardian": world.guardian}

    async def send(
        self,
        method: str,
        path: str = "",
        *,
        by: str = "student",
        person: UUID | None = None,
        student: UUID | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> ClientResponse:
        signed = bearer(self.settings, by, person or self.roles[by]) | (headers or {})
        url = f"/v1/students/{student or self.world.student}/plan{path}"
        response: ClientResponse = await self.client.request(method, url, headers=signed, **request)
        return response

    async def change(
        self, version: int, *changes: dict[str, Any], key: str | None = None, **who: Any
    ) -> ClientResponse:
        headers = {"If-Match": f'"{version}"'} | ({"Idempotency-Key": key} if key else {})
        return await self.send("POST", "/changes", headers=headers, json={"changes": list(changes)}, **who)


Story = Callable[[Api], Awaitable[None]]


@pytest.fixture
def telling(world: World) -> Callable[[Story], None]:
    """Run a story against the API of the world's database."""
    folder = world.database.engine.url.database
    assert folder is not None
    settings = PlansSettings(home=folder.rpartition("/")[0], database_url=None, amqp_url=None)

    def tell(story: Story) -> None:
        async def run() -> None:
            async with TestClient(TestServer(create_app(settings))) as client:
                await story(Api(client, settings, world))

        asyncio.run(run())

    return tell


class TestReading:
    def test_the_plan_its_etag_and_304(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            await api.change(0, EN9)
            read = await api.send("GET", by="guardian")
            assert (read.status, read.headers["ETag"]) == (200, '"1"')
            plan = await read.json()
            assert plan["courses"][0] == {
                "code": "EN9",
                "title": "English 9",
                "department": "English",
                "credits": 1,
                "grade": 9,
                "term": "YEAR",
                "state": "planned",
                "counts_toward": "english",
            }

            again = await api.send("GET", headers={"If-None-Match": '"1"'})
            assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", '"1"')

        telling(story)

    def test_the_audit_in_sentences(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            audit = await (await api.send("GET", "/audit")).json()

            speech = next(each for each in audit["requirements"] if each["id"] == "speech")
            assert speech["sentence"] == "You still need 0.5 credit of Speech: Debate or Speech would do."
            assert speech["missing"] == [["DE1", "SP1"]]
            assert not audit["on_track"]

        telling(story)

    def test_versions_come_in_pages_newest_first(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            await api.change(0, EN9)
            await api.change(1, MA1, by="counselor")
            await api.change(2, {"action": "drop", "code": "EN9"})

            first = await (await api.send("GET", "/versions?limit=2")).json()
            second = await (await api.send("GET", f"/versions?limit=2&cursor={first['next']}")).json()
            assert [each["version"] for each in first["items"] + second["items"]] == [3, 2, 1]
            assert [each["actor_role"] for each in first["items"]] == ["student", "counselor"]
            assert second["next"] is None

            earlier = await (await api.send("GET", "/versions/2")).json()
            assert [each["code"] for each in earlier["courses"]] == ["EN9", "MA1"]
            assert earlier["standing"]["credits_planned"] == "2"
            for missing in ("/versions/9", "/versions/x", "/versions/²"):
                assert (await api.send("GET", missing)).status == 404
            assert (await api.send("GET", "/versions?cursor=bm8")).status == 422

        telling(story)


class TestWhoMay:
    @pytest.mark.parametrize(
        ("by", "method", "path", "status"),
        [
            ("guardian", "POST", "/changes", 404),
            ("guardian", "POST", "/submit", 404),
            ("counselor", "POST", "/submit", 404),
            ("student", "POST", "/approve", 404),
            ("guardian", "POST", "/approve", 404),
            ("student", "PUT", "/requirement-set", 404),
            ("guardian", "PUT", "/goal", 404),
            ("guardian", "GET", "/versions", 200),
            ("counselor", "GET", "", 200),
        ],
    )
    def test_by_relation(self, telling: Callable[[Story], None], by: str, method: str, path: str, status: int) -> None:
        async def story(api: Api) -> None:
            answer = await api.send(method, path, by=by, headers={"If-Match": '"0"'}, json={})
            assert answer.status == status

        telling(story)

    def test_a_plan_of_somebody_else_is_as_if_it_did_not_exist(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            other = uuid4()
            api.world.hears(enrolled(other))
            answers = [
                await api.send("GET", student=other),
                await api.send("GET", student=uuid4()),
                await api.change(0, EN9, student=other),
                await api.send("GET", by="counselor", student=other),
                await api.send("GET", by="counselor", person=uuid4()),
            ]
            bodies = {await answer.read() for answer in answers}
            assert {answer.status for answer in answers} == {404}
            assert len(bodies) == 1

        telling(story)

    def test_a_barred_guardian_sees_nothing(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            order = GuardianshipRestricted(
                guardianship_id=api.world.guardianship,
                guardian_id=api.world.guardian,
                student_id=api.world.student,
                barred=True,
                rights=(),
            )
            api.world.hears(order, version=2)

            assert (await api.send("GET", by="guardian")).status == 404

        telling(story)


class TestChanging:
    def test_needs_the_version_that_was_read(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            without = await api.send("POST", "/changes", json={"changes": [EN9]})
            assert (without.status, (await without.json())["code"]) == (428, "precondition-required")
            assert (await api.change(0, EN9)).headers["ETag"] == '"1"'

            stale = await api.change(0, MA1)
            problem = await stale.json()
            assert (stale.status, problem["code"], problem["current_version"]) == (412, "stale-plan", 1)
            assert stale.content_type == "application/problem+json"

        telling(story)

    def test_a_repeated_request_is_answered_again_and_done_once(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            first = await api.change(0, EN9, key="tap-1")
            again = await api.change(0, EN9, key="tap-1")
            assert (again.status, again.headers["ETag"]) == (200, '"1"')
            assert await again.read() == await first.read()
            assert len([event for event in api.world.events() if event.event_type == "plans.plan.revised.v1"]) == 1

            other = await api.change(1, MA1, key="tap-1")
            assert (other.status, (await other.json())["code"]) == (422, "idempotency-key-reused")

        telling(story)

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"{not json", 400, "malformed-body"),
            (b'{"changes": []}', 422, "invalid-input"),
            (b'{"changes": [{"action": "steal", "code": "EN9"}]}', 422, "invalid-input"),
            (b'{"changes": [{"action": "add", "code": "EN9"}]}', 422, "invalid-input"),
            (b'{"changes": [{"action": "add", "code": "EN9", "grade": 9, "term": "S3"}]}', 422, "invalid-input"),
            (b'{"changes": [{"action": "drop", "code": "EN9", "note": "hi"}]}', 422, "invalid-input"),
            (b'{"changes": [{"action": "add", "code": "EN99", "grade": 9}]}', 422, "course-unknown"),
            (b'{"changes": [{"action": "add", "code": "EN10", "grade": 10}]}', 422, "prerequisite-not-met"),
            (b'{"changes": [{"action": "drop", "code": "EN9"}]}', 422, "not-in-plan"),
        ],
    )
    def test_refusals_are_precise_and_change_nothing(
        self, telling: Callable[[Story], None], body: bytes, status: int, code: str
    ) -> None:
        async def story(api: Api) -> None:
            refused = await api.send("POST", "/changes", headers={"If-Match": '"0"'}, data=body)
            problem = await refused.json()
            assert (refused.status, problem["code"]) == (status, code)
            assert problem["detail"]
            assert (await (await api.send("GET")).json())["version"] == 0
            assert api.world.events() == []

        telling(story)

    def test_the_journey_is_the_one_the_gateway_named(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            journey = str(uuid4())
            headers = {"If-Match": '"0"', "Correlation-Id": journey}
            await api.send("POST", "/changes", headers=headers, json={"changes": [EN9]})

            assert {str(row.correlation_id) for row in api.world.causes()} == {journey}
            versions = await (await api.send("GET", "/versions")).json()
            assert versions["items"][0]["correlation_id"] == journey

        telling(story)

    def test_two_at_once_cannot_both_win(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            answers = await asyncio.gather(*(api.change(0, change) for change in (EN9, MA1)))

            assert sorted(answer.status for answer in answers) == [200, 412]
            assert (await (await api.send("GET")).json())["version"] == 1

        telling(story)


class TestGoalsAndStatus:
    def test_a_goal_interests_and_the_way_to_approval(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            goal = {"cluster": "Health Science", "occupation_code": "29-1141.00"}
            interests = {"clusters": ["Finance", "Marketing"]}
            steps = [
                ("PUT", "/goal", "student", goal),
                ("PUT", "/interests", "student", interests),
                ("POST", "/changes", "student", {"changes": [EN9]}),
                ("PUT", "/requirement-set", "counselor", {"key": "made-up/basic"}),
                ("POST", "/submit", "student", None),
                ("POST", "/approve", "counselor", None),
            ]
            for version, (method, path, by, body) in enumerate(steps):
                answer = await api.send(method, path, by=by, headers={"If-Match": f'"{version}"'}, json=body)
                assert (answer.status, answer.headers["ETag"]) == (200, f'"{version + 1}"'), await answer.text()

            plan = await (await api.send("GET")).json()
            assert (plan["goal"], plan["interests"], plan["status"]) == (goal, interests["clusters"], "approved")

        telling(story)

    def test_an_unknown_cluster_is_refused_with_the_list(self, telling: Callable[[Story], None]) -> None:
        async def story(api: Api) -> None:
            headers = {"If-Match": '"0"'}
            for path, body in (("/goal", {"cluster": "Magic"}), ("/interests", {"clusters": ["Finance", "Magic"]})):
                refused = await api.send("PUT", path, headers=headers, json=body)
                problem = await refused.json()
                assert (refused.status, problem["code"]) == (422, "cluster-unknown")
                assert problem["clusters"] == list(CLUSTERS)

        telling(story)
