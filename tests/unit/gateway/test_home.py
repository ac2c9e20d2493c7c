"""The first screen of a phone: several reads in one, and what happens when one of them fails."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from services.gateway.home.rules import MAX_CHILDREN, plans_after, screen_of
from tests.unit.gateway.world import World, asynchronous, gateway

STUDENT, BROTHER, GUARDIAN = uuid4(), uuid4(), uuid4()


def answering(world: World) -> None:
    world.upstream("roster").says("GET", "/v1/me", {"person_id": str(GUARDIAN)})
    world.upstream("roster").says("GET", "/v1/students", {"items": [{"student_id": str(STUDENT)}]})
    world.upstream("notifications").says("GET", "/v1/notices", {"items": [{"template": "plan_revised"}]})
    world.upstream("notifications").says("GET", "/v1/tasks", {"items": []})
    world.upstream("plans").says("GET", f"/v1/students/{STUDENT}/plan", {"version": 3})


async def home(world: World, role: str, person_id: UUID) -> Any:
    headers = world.headers(role, person_id, If_None_Match='"1"', Idempotency_Key="k", Accept_Language="es")
    response = await world.client.get("/v1/home", headers=headers)
    assert response.status == 200
    return await response.json()


class TestScreens:
    def test_name_the_students_own_plan(self) -> None:
        assert [source.part for source in screen_of("student", STUDENT)] == ["me", "notices", "plans"]

    def test_give_every_role_at_least_who_it_is(self) -> None:
        assert [source.part for source in screen_of("integrator", GUARDIAN)] == ["me"]

    def test_read_the_plans_of_the_first_children_alone(self) -> None:
        children = {"items": [{"student_id": str(uuid4())} for _ in range(MAX_CHILDREN + 5)]}

        assert len(plans_after("guardian", children)) == MAX_CHILDREN
        assert plans_after("guardian", None) == ()
        assert plans_after("counselor", children) == ()


class TestHome:
    @asynchronous
    async def test_gives_a_student_their_plan_and_notices(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            document = await home(world, "student", STUDENT)

            assert document == {
                "me": {"person_id": str(GUARDIAN)},
                "notices": {"items": [{"template": "plan_revised"}]},
                "plans": [{"version": 3}],
                "missing": [],
            }

    @asynchronous
    async def test_gives_a_guardian_the_plans_of_the_children(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            document = await home(world, "guardian", GUARDIAN)

            assert document["students"] == {"items": [{"student_id": str(STUDENT)}]}
            assert document["plans"] == [{"version": 3}]

    @asynchronous
    async def test_gives_a_counselor_students_and_open_tasks(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            document = await home(world, "counselor", GUARDIAN)

            assert set(document) == {"me", "students", "tasks", "missing"}
            assert world.upstream("notifications").asked[0].path == "/v1/tasks?state=open&limit=50"

    @asynchronous
    async def test_asks_in_the_callers_name_without_words_for_one_resource(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            await home(world, "student", STUDENT)

            (asked,) = world.upstream("plans").asked
            assert asked.headers["Authorization"].startswith("Bearer ")
            assert asked.headers["Accept-Language"] == "es"
            assert {"If-None-Match", "Idempotency-Key"}.isdisjoint(asked.headers)

    @asynchronous
    async def test_goes_without_a_service_that_is_away_or_slow(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, home_timeout_s=0.05) as world:
            answering(world)
            released = asyncio.Event()

            async def stuck(_: web.Request) -> web.Response:
                await released.wait()
                return web.Response()

            world.upstream("plans").on("GET", f"/v1/students/{STUDENT}/plan", stuck)
            await world.upstream("notifications").stop()

            document = await home(world, "student", STUDENT)
            released.set()

            assert document["missing"] == ["notices", "plans"]
            assert document["me"] == {"person_id": str(GUARDIAN)}
            assert document["plans"] == []

    @asynchronous
    async def test_takes_no_such_plan_for_an_answer(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            document = await home(world, "student", BROTHER)

            assert (document["plans"], document["missing"]) == ([], [])

    @asynchronous
    async def test_is_for_people_who_signed_in(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            assert (await world.client.get("/v1/home")).status == 401
