"""Webhooks over HTTP: who may do what, and what they are told."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gateway.webhooks.deliveries import fan_out
from services.gateway.webhooks.routes import routes
from shared.events.envelope import Envelope
from tests.unit.gateway.world import World, asynchronous, gateway, problem

ADMIN, OWNER, STRANGER, OPS = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
ROLES = {"district_admin": ADMIN, "integrator": OWNER, "ops": OPS}
DRAFT = {"url": "https://hooks.example.org/signpost", "events": ["plans.plan.*"], "description": "Analytics"}


async def call(
    world: World, role: str, method: str, path: str, body: Any = None, *, person: UUID | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and document of a request to `/v1/webhooks{path}`."""
    named = world.headers(role, person or ROLES.get(role, STRANGER), **headers)
    answer = await world.client.request(method, f"/v1/webhooks{path}", json=body, headers=named)
    content = await answer.read()
    return answer.status, json.loads(content) if content else {}


async def active(world: World, **more: Any) -> str:
    status, endpoint = await call(world, "district_admin", "POST", "", {**DRAFT, "owner_id": str(OWNER), **more})
    assert status == 201, endpoint
    return f"/{endpoint['endpoint_id']}"


class TestAdding:
    @asynchronous
    async def test_an_administrators_endpoint_is_active_at_once(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            status, endpoint = await call(world, "district_admin", "POST", "", {**DRAFT, "owner_id": str(OWNER)})

        assert status == 201
        assert (endpoint["state"], endpoint["owner_id"]) == ("active", str(OWNER))
        assert endpoint["sent_events"] == [
            "plans.plan.approved.v1",
            "plans.plan.revised.v1",
            "plans.plan.submitted.v1",
        ]
        assert "secret" not in json.dumps(endpoint)

    @asynchronous
    async def test_an_integrators_waits_for_approval(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            _, endpoint = await call(world, "integrator", "POST", "", {**DRAFT, "events": ["*"]})
            path = f"/{endpoint['endpoint_id']}"
            assert (endpoint["state"], endpoint["sent_events"]) == ("pending", [])
            assert (await call(world, "integrator", "POST", f"{path}/test"))[0] == 409
            status, document = await call(world, "integrator", "POST", f"{path}/resume")
            assert (status, document["code"]) == (409, "webhook-stopped-by-others")
            assert (await call(world, "integrator", "POST", f"{path}/approve", {"allowed_events": ["*"]}))[0] == 404

            approval = {"allowed_events": ["plans.goal.*"]}
            status, approved = await call(world, "district_admin", "POST", f"{path}/approve", approval)

        assert status == 200
        assert (approved["state"], approved["sent_events"]) == ("active", ["plans.goal.set.v1"])

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"url": "http://hooks.example.org/"}, "webhook-url-refused"),
            ({"url": "https://127.0.0.1/"}, "webhook-url-refused"),
            ({"url": "https://[64:ff9b::7f00:1]/"}, "webhook-url-refused"),
            ({"events": ["plans.nothing.*"]}, "webhook-pattern-unknown"),
            ({"events": []}, "invalid-input"),
            ({"owner_id": str(STRANGER)}, "invalid-input"),
            ({"allowed_events": ["*"]}, "invalid-input"),
        ],
    )
    @asynchronous
    async def test_is_refused_with_a_reason(self, tmp_path: Path, more: dict[str, Any], code: str) -> None:
        async with gateway(tmp_path) as world:
            headers = world.headers("integrator", OWNER)
            answer = await world.client.post("/v1/webhooks", json={**DRAFT, **more}, headers=headers)

            assert (await problem(answer))["code"] == code

    @asynchronous
    async def test_has_an_end(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            for _ in range(20):
                assert (await call(world, "integrator", "POST", "", DRAFT))[0] == 201
            status, document = await call(world, "integrator", "POST", "", DRAFT)

        assert (status, document["code"]) == (409, "webhook-endpoints-exhausted")


class TestWhoMayDoWhat:
    """ACCESS, row "webhooks, keys": integrator RW own, district administrator RW, operations pause."""

    @asynchronous
    async def test_a_strangers_endpoint_does_not_exist(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            nothing = await call(world, "integrator", "GET", f"/{uuid4()}", person=STRANGER)
            for route in routes:
                if "{endpoint_id}" not in route.path or not route.access.roles & {"integrator"}:
                    continue
                target = route.path.removeprefix("/v1/webhooks").replace("/{endpoint_id}", path)
                target = target.replace("{event_id}", str(uuid4()))
                body = _body_for(route.body.__name__) if route.body else None
                answered = await call(world, "integrator", route.method, target, body, person=STRANGER, If_Match='"1"')
                assert answered == nothing, route.path
            assert (await call(world, "integrator", "GET", "", person=STRANGER))[1]["items"] == []
            assert (await call(world, "integrator", "GET", path))[0] == 200

    @pytest.mark.parametrize("role", ["student", "guardian", "counselor", "teacher", "case_manager", "partner"])
    @asynchronous
    async def test_nobody_else_gets_in(self, tmp_path: Path, role: str) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            for method, target in [("GET", ""), ("GET", path), ("POST", f"{path}/pause"), ("GET", f"{path}/secret")]:
                assert (await call(world, role, method, target, person=OWNER))[0] == 404

    @asynchronous
    async def test_operations_pause_and_see_no_addresses(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            _, listed = await call(world, "ops", "GET", "")
            status, paused = await call(world, "ops", "POST", f"{path}/pause")
            assert (status, paused["state"], paused["stopped_by"]) == (200, "paused", "ops")
            assert "hooks.example.org" not in json.dumps([listed, paused])
            for method, target, body in [
                ("POST", "", DRAFT),
                ("PATCH", path, {"description": "x"}),
                ("DELETE", path, None),
                ("GET", f"{path}/secret", None),
                ("POST", f"{path}/secret/rotate", {}),
                ("POST", f"{path}/test", None),
            ]:
                assert (await call(world, "ops", method, target, body))[0] == 404

            status, document = await call(world, "integrator", "POST", f"{path}/resume")
            assert (status, document["code"]) == (409, "webhook-stopped-by-others")
            assert (await call(world, "ops", "POST", f"{path}/resume"))[1]["state"] == "active"

    @asynchronous
    async def test_operations_may_hold_what_its_owner_paused(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            await call(world, "integrator", "POST", f"{path}/pause")
            assert (await call(world, "ops", "POST", f"{path}/pause"))[1]["stopped_by"] == "ops"
            assert (await call(world, "integrator", "POST", f"{path}/resume"))[0] == 409
            assert (await call(world, "district_admin", "POST", f"{path}/resume"))[0] == 200


class TestChanging:
    @asynchronous
    async def test_needs_the_version_that_was_read(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            assert (await call(world, "integrator", "PATCH", path, {"description": "x"}))[0] == 428
            status, changed = await call(world, "integrator", "PATCH", path, {"events": ["*"]}, If_Match='"1"')
            assert (status, changed["version"], changed["events"]) == (200, 2, ["*"])
            assert changed["sent_events"] == [each for each in changed["sent_events"] if each.startswith("plans.plan.")]
            assert (await call(world, "integrator", "PATCH", path, {"description": "x"}, If_Match='"1"'))[0] == 412

    @asynchronous
    async def test_what_is_permitted_is_the_administrators(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            wider = {"allowed_events": ["*"]}
            assert (await call(world, "integrator", "PATCH", path, wider, If_Match='"1"'))[0] == 422
            assert (await call(world, "district_admin", "PATCH", path, wider, If_Match='"1"'))[0] == 200

    @asynchronous
    async def test_a_secret_is_read_and_rotated_and_never_kept_with_an_answer(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            _, before = await call(world, "integrator", "GET", f"{path}/secret")
            key = {"Idempotency_Key": "rotation-1"}
            for _ in range(2):  # the second is the first again
                status, told = await call(world, "integrator", "POST", f"{path}/secret/rotate", {}, **key)
                assert status == 200
            _, after = await call(world, "integrator", "GET", f"{path}/secret")
            _, changes = await call(world, "integrator", "GET", f"{path}/changes")

        assert before["secret"].startswith("whsec_")
        assert before["secret"] != after["secret"]
        assert after["replaces_until"] is not None
        assert "whsec_" not in json.dumps(told)
        assert [each["kind"] for each in changes["items"]] == ["secret_rotated", "created"]

    @asynchronous
    async def test_removing(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            assert (await call(world, "integrator", "DELETE", path))[0] == 204
            assert (await call(world, "integrator", "GET", path))[0] == 404


class TestTheLog:
    @asynchronous
    async def test_in_pages_and_by_state(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            for _ in range(5):
                self.happens(world)
            ids: list[str] = []
            query = "?limit=2"
            while True:
                _, page = await call(world, "integrator", "GET", f"{path}/deliveries{query}")
                ids += [item["event_id"] for item in page["items"]]
                if page["next"] is None:
                    break
                query = f"?limit=2&cursor={page['next']}"
            _, failed = await call(world, "ops", "GET", f"{path}/deliveries?state=failed")
            status, _ = await call(world, "integrator", "GET", f"{path}/deliveries?state=lost")
            one, detail = await call(world, "integrator", "GET", f"{path}/deliveries/{ids[0]}")
            _, health = await call(world, "integrator", "GET", f"{path}/health")
            resent, queued = await call(world, "ops", "POST", f"{path}/deliveries/{ids[0]}/resend")

        assert len(set(ids)) == 5
        assert failed["items"] == []
        assert status == 422
        assert (one, detail["state"], detail["log"]) == (200, "queued", [])
        assert (health["verdict"], health["queued"]) == ("idle", 5)
        assert (resent, queued) == (202, {"count": 1})

    @asynchronous
    async def test_endpoints_in_pages(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            made = {(await active(world))[1:] for _ in range(3)}
            _, first = await call(world, "district_admin", "GET", "?limit=2")
            _, last = await call(world, "district_admin", "GET", f"?limit=2&cursor={first['next']}")

        assert {item["endpoint_id"] for item in first["items"] + last["items"]} == made
        assert last["next"] is None

    @asynchronous
    async def test_a_test_event_and_a_time_range(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            path = await active(world)
            status, tested = await call(world, "integrator", "POST", f"{path}/test")
            _, detail = await call(world, "integrator", "GET", f"{path}/deliveries/{tested['event_id']}")
            span = {"since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z"}
            ranged, queued = await call(world, "integrator", "POST", f"{path}/resend", span)

        assert (status, detail["event_type"]) == (202, "gateway.webhook.tested.v1")
        assert (ranged, queued) == (202, {"count": 0})

    def happens(self, world: World) -> None:
        envelope = Envelope(
            id=uuid4(),
            type="plans.plan.submitted.v1",
            subject=str(uuid4()),
            subject_version=1,
            time=world.clock.now(),
            correlation_id=uuid4(),
        )
        with world.database.transaction() as uow:
            fan_out(envelope, uow=uow)


@asynchronous
async def test_the_description_has_every_route(tmp_path: Path) -> None:
    async with gateway(tmp_path) as world:
        document = await (await world.get("/openapi.json", **{"Accept-Encoding": "identity"})).json()

    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["tags"] == ["webhooks"]


def _body_for(model: str) -> dict[str, Any]:
    return {
        "EndpointChange": {"description": "mine"},
        "Rotation": {},
        "Resending": {"since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z"},
    }[model]
