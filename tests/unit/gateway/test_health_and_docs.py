"""Probes, the merged description, and the page that shows it."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from shared.web.openapi import openapi_document
from shared.web.routes import Call, Reply, Routes, on_student, public
from tests.unit.gateway.world import World, asynchronous, gateway


def description_of_plans() -> dict[str, Any]:
    routes = Routes(service="plans", tag="plan")

    @routes.get("/v1/students/{student_id}/plan", summary="The plan", access=on_student("plan", "read"))
    def read_plan(call: Call[None]) -> Reply:
        """One plan."""
        raise LookupError(call)

    @routes.get("/internal", summary="Not for outside", access=public())
    def internal(call: Call[None]) -> Reply:
        raise LookupError(call)

    return openapi_document(routes, title="plans", version="1")


async def description(world: World) -> dict[str, Any]:
    response = await world.client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert response.status == 200
    document: dict[str, Any] = json.loads(await response.read())
    return document


class TestHealth:
    @asynchronous
    async def test_is_ready_once_database_and_services_answer(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.get("/readyz")

            assert response.status == 200
            assert await response.json() == {"status": "ready"}

    @asynchronous
    async def test_names_what_is_missing(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            await world.upstream("plans").stop()
            world.upstream("roster").says("GET", "/healthz", {}, status=500)

            response = await world.client.get("/readyz")

            assert response.status == 503
            assert await response.json() == {"status": "unavailable", "missing": ["roster", "plans"]}
            assert (await world.client.get("/healthz")).status == 200

    @asynchronous
    async def test_serves_metrics_without_ids_in_their_labels(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            student = "0c9f0c1e-3a52-5a06-9a52-54c7f8d7c111"
            await world.client.get(f"/v1/students/{student}/plan", headers=world.headers())

            response = await world.client.get("/metrics")

            text = await response.text()
            assert "signpost_http_requests_total" in text
            assert student not in text


class TestOpenApi:
    @asynchronous
    async def test_joins_what_the_services_say_with_its_own(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("plans").says("GET", "/openapi.json", description_of_plans())

            document = await description(world)

            validate(document)
            assert document["openapi"].startswith("3.1")
            assert "/v1/students/{student_id}/plan" in document["paths"]
            assert "/v1/journeys/{correlation_id}" in document["paths"]
            assert "/v1/home" in document["paths"]
            assert "/v1/gateway/dead-letters" in document["paths"]
            assert "/internal" not in document["paths"]
            assert document["x-missing-services"] == ["roster", "catalog", "mentorship", "notifications"]

    @asynchronous
    async def test_asks_again_soon_for_what_was_missing_and_keeps_what_it_had(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, openapi_retry_s=0.000001) as world:
            assert "plans" in (await description(world))["x-missing-services"]

            world.upstream("plans").says("GET", "/openapi.json", description_of_plans())
            assert "plans" not in (await description(world))["x-missing-services"]

            await world.upstream("plans").stop()
            assert "/v1/students/{student_id}/plan" in (await description(world))["paths"]

    @asynchronous
    async def test_is_not_fetched_again_while_it_is_fresh(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            for upstream in world.upstreams.values():
                upstream.says("GET", "/openapi.json", {"openapi": "3.1.0", "paths": {}})

            first = await world.client.get("/openapi.json")
            again = await world.client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

            assert again.status == 304
            assert sum(asked.path == "/openapi.json" for asked in world.upstream("plans").asked) == 1


class TestDocsPage:
    @asynchronous
    async def test_loads_everything_from_here(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            page = await (await world.client.get("/docs")).text()

            addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
            assert addresses
            assert all(address.startswith("/") for address in addresses)
            for address in addresses:
                if address != "/openapi.json":
                    assert (await world.client.get(address)).status == 200
            assert '<meta charset="utf-8">' in page
            assert "validatorUrl: null" in await (await world.client.get("/docs/start.js")).text()

    @asynchronous
    async def test_forbids_everything_from_elsewhere(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            policy = (await world.client.get("/docs")).headers["Content-Security-Policy"]

            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert "http" not in policy

    @asynchronous
    async def test_sends_the_bundle_compressed_to_whom_can_unpack_it(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            packed = await world.client.get("/docs/swagger-ui-bundle.js", headers={"Accept-Encoding": "gzip"})
            plain = await world.client.get("/docs/swagger-ui-bundle.js", headers={"Accept-Encoding": "identity"})

            assert packed.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await packed.read()) == await plain.read()
            assert packed.content_type == "text/javascript"
