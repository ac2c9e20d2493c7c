"""Requests through the gateway: what reaches a service, what comes back, and what happens when none answers."""

import asyncio
import gzip
from pathlib import Path
from uuid import UUID, uuid4

from aiohttp import web

from tests.unit.gateway.world import asynchronous, gateway, problem

STUDENT = uuid4()
PLAN = f"/v1/students/{STUDENT}/plan"


class TestForwarding:
    @asynchronous
    async def test_passes_method_path_query_body_and_the_headers_that_matter(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("plans").says("POST", f"{PLAN}/changes", {"version": 2}, status=201, ETag='"2"')

            response = await world.client.post(
                f"{PLAN}/changes?a=1&b=%C3%A9",
                data=b'{"changes": []}',
                headers=world.headers(
                    If_Match='"1"',
                    If_None_Match='"0"',
                    Idempotency_Key="k1",
                    Accept_Language="es",
                    Access_Reason="court",
                    Content_Type="application/json",
                ),
            )

            assert response.status == 201
            assert await response.json() == {"version": 2}
            assert response.headers["ETag"] == '"2"'
            (asked,) = world.upstream("plans").asked
            assert (asked.method, asked.path) == ("POST", f"{PLAN}/changes?a=1&b=%C3%A9")
            assert asked.body == b'{"changes": []}'
            assert asked.headers["If-Match"] == '"1"'
            assert asked.headers["If-None-Match"] == '"0"'
            assert asked.headers["Idempotency-Key"] == "k1"
            assert asked.headers["Accept-Language"] == "es"
            assert asked.headers["Access-Reason"] == "court"
            assert asked.headers["Content-Type"] == "application/json"
            assert asked.headers["Authorization"].startswith("Bearer ")

    @asynchronous
    async def test_drops_hop_by_hop_and_internal_headers_both_ways(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("roster").says("GET", "/v1/me", {}, Keep_Alive="timeout=5", X_Kept="yes", Server="secret/1")
            headers = world.headers(
                Connection="keep-alive, X-Gone", X_Gone="1", X_Internal="1", Cookie="a=b", TE="gzip"
            )

            response = await world.client.get("/v1/me", headers=headers)

            (asked,) = world.upstream("roster").asked
            assert {"X-Gone", "X-Internal", "Cookie", "TE"}.isdisjoint(asked.headers)
            assert "Keep-Alive" not in response.headers
            assert response.headers["X-Kept"] == "yes"
            assert "secret" not in response.headers["Server"]

    @asynchronous
    async def test_hands_on_304_without_a_body(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:

            async def unchanged(request: web.Request) -> web.Response:
                return web.Response(status=304, headers={"ETag": request.headers["If-None-Match"]})

            world.upstream("plans").on("GET", PLAN, unchanged)

            response = await world.client.get(PLAN, headers=world.headers(If_None_Match='"7"'))

            assert response.status == 304
            assert response.headers["ETag"] == '"7"'
            assert await response.read() == b""

    @asynchronous
    async def test_hands_on_what_a_service_compressed_as_it_is(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            packed = gzip.compress(b"{}")

            async def compressed(_: web.Request) -> web.Response:
                return web.Response(body=packed, headers={"Content-Encoding": "gzip"}, content_type="application/json")

            world.upstream("roster").on("GET", "/v1/me", compressed)

            response = await world.client.get("/v1/me", headers=world.headers(Accept_Encoding="gzip"))

            assert response.headers["Content-Encoding"] == "gzip"
            assert await response.read() == packed

    @asynchronous
    async def test_refuses_paths_that_could_be_read_as_another(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.get("/v1/students/..%2Fx/plan", headers=world.headers())

            assert (await problem(response))["code"] == "not-found"
            assert world.upstream("plans").asked == []

    @asynchronous
    async def test_knows_no_other_paths(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.get("/v1/meadow", headers=world.headers())

            assert (await problem(response))["code"] == "not-found"


class TestJourneyHeaders:
    @asynchronous
    async def test_gives_each_change_a_new_correlation_id_whatever_the_client_says(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("plans").says("PUT", PLAN, {})
            claimed = str(uuid4())

            response = await world.client.put(PLAN, data=b"{}", headers=world.headers(Correlation_Id=claimed))

            told = response.headers["Correlation-Id"]
            assert UUID(told)
            assert told != claimed
            assert world.upstream("plans").asked[0].headers["Correlation-Id"] == told
            assert response.headers["Link"] == f'</v1/journeys/{told}>; rel="describedby"'

    @asynchronous
    async def test_tells_the_first_journey_to_a_repeated_request(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            first = str(uuid4())
            world.upstream("plans").says("PUT", PLAN, {}, Correlation_Id=first, Idempotent_Replayed="true")

            response = await world.client.put(PLAN, data=b"{}", headers=world.headers(Idempotency_Key="k"))

            assert response.headers.getall("Correlation-Id") == [first]
            assert first in response.headers["Link"]

    @asynchronous
    async def test_points_to_no_journey_where_nothing_changed(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("roster").says("GET", "/v1/me", {})

            read = await world.client.get("/v1/me", headers=world.headers())
            refused = await world.client.post("/v1/me", headers=world.headers())

            assert "Link" not in read.headers
            assert "Link" not in refused.headers
            assert "Correlation-Id" in read.headers
            assert "Correlation-Id" in refused.headers

    @asynchronous
    async def test_continues_the_clients_trace(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"

            await world.client.get("/v1/me", headers=world.headers(traceparent=f"00-{trace}-00f067aa0ba902b7-01"))

            assert world.upstream("roster").asked[0].headers["traceparent"].split("-")[1] == trace


class TestBodies:
    @asynchronous
    async def test_refuses_a_body_that_says_it_is_too_large(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.put(PLAN, data=b"x" * 10_000_000, headers=world.headers())

            assert (await problem(response))["code"] == "body-too-large"
            assert world.upstream("plans").asked == []

    @asynchronous
    async def test_refuses_a_body_that_grows_too_large_while_it_is_read(self, tmp_path: Path) -> None:
        async def endless() -> object:
            for _ in range(20):
                yield b"x" * 100_000

        async with gateway(tmp_path) as world:
            response = await world.client.put(PLAN, data=endless(), headers=world.headers())

            assert (await problem(response))["code"] == "body-too-large"
            assert world.upstream("plans").asked == []

    @asynchronous
    async def test_passes_a_body_of_the_largest_size(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("plans").says("PUT", PLAN, {})

            response = await world.client.put(PLAN, data=b"x" * 1_048_576, headers=world.headers())

            assert response.status == 200
            assert len(world.upstream("plans").asked[0].body) == 1_048_576


class TestUpstreamFailures:
    @asynchronous
    async def test_answers_503_for_a_service_that_is_down(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            await world.upstream("plans").stop()

            response = await world.client.get(PLAN, headers=world.headers())

            document = await problem(response)
            assert (document["status"], document["code"], document["service"]) == (503, "upstream-away", "plans")
            assert response.headers["Retry-After"] == "2"

    @asynchronous
    async def test_answers_504_for_a_service_that_takes_too_long(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, upstream_timeout_s=0.05) as world:
            released = asyncio.Event()

            async def stuck(_: web.Request) -> web.Response:
                await released.wait()
                return web.Response()

            world.upstream("plans").on("GET", PLAN, stuck)

            response = await world.client.get(PLAN, headers=world.headers())
            released.set()

            document = await problem(response)
            assert (document["status"], document["code"]) == (504, "upstream-timeout")

    @asynchronous
    async def test_sends_a_change_again_after_a_broken_connection_only_under_a_key(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            calls: list[str] = []

            async def breaks_once(request: web.Request) -> web.Response:
                calls.append(request.headers.get("Idempotency-Key", ""))
                if len(calls) % 2:
                    assert request.transport is not None
                    request.transport.close()
                return web.json_response({})

            world.upstream("plans").on("POST", PLAN, breaks_once)

            with_key = await world.client.post(PLAN, data=b"{}", headers=world.headers(Idempotency_Key="k"))
            without = await world.client.post(PLAN, data=b"{}", headers=world.headers())

            assert with_key.status == 200
            assert (await problem(without))["code"] == "upstream-away"
            assert calls == ["k", "k", ""]

    @asynchronous
    async def test_hands_on_a_services_own_problem(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("plans").says("GET", PLAN, {"code": "stale", "status": 412}, status=412)

            response = await world.client.get(PLAN, headers=world.headers())

            assert response.status == 412
            assert await response.json() == {"code": "stale", "status": 412}
