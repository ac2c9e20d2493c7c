"""The events' description as the gateway serves it: complete, and without asking anybody else."""

import json
import re
from pathlib import Path

from services.gateway.asyncapi.rules import Part, type_parts
from shared.events.contract import contracts
from shared.events.export import schema_of
from tests.unit.gateway.world import World, asynchronous, gateway, problem

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "asyncapi.json"


async def text(world: World, path: str) -> str:
    response = await world.get(path, **{"Accept-Encoding": "identity"})
    assert response.status == 200
    return await response.text()


class TestPage:
    @asynchronous
    async def test_shows_every_event_and_every_link_leads_somewhere(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            page = await text(world, "/asyncapi")
            ids = set(re.findall(r'id="([^"]+)"', page))
            links = set(re.findall(r'href="([^"]+)"', page))
            elsewhere = {link for link in links if not link.startswith("#")}
            answers = {link: (await world.get(link)).status for link in elsewhere}

        assert set(contracts()) <= ids
        assert {link.removeprefix("#") for link in links - elsewhere} <= ids
        assert {link for link, status in answers.items() if status != 200} == set()

    @asynchronous
    async def test_runs_no_script_and_loads_nothing_from_elsewhere(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.get("/asyncapi")
            page = await text(world, "/asyncapi")
            style = await text(world, "/asyncapi/page.css")

        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "<script" not in page
        assert " style=" not in page
        assert not re.search(r"(?:https?:)?//(?!127\.0\.0\.1)\w", page + style)

    @asynchronous
    async def test_is_not_sent_again_to_who_has_it(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            for path in ("/asyncapi", "/asyncapi.json", "/schemas/plans.plan.revised.v1.json"):
                etag = (await world.get(path)).headers["ETag"]
                assert (await world.client.get(path, headers={"If-None-Match": etag})).status == 304


class TestDocuments:
    @asynchronous
    async def test_are_those_that_are_committed(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            served = json.loads(await text(world, "/asyncapi.json"))
            schema = await world.get("/schemas/plans.plan.revised.v1.json")
            revised = json.loads(await text(world, "/schemas/plans.plan.revised.v1.json"))
        committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
        for message in committed["components"]["messages"].values():
            message.pop("x-consumers", None)  # the gateway's API does not load the workers to find out

        assert served == committed
        assert schema.content_type == "application/schema+json"
        assert revised == json.loads(json.dumps(schema_of(contracts()["plans.plan.revised.v1"])))

    @asynchronous
    async def test_of_an_unknown_event_there_is_none(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            assert (await problem(await world.get("/schemas/plans.plan.unknown.v1.json")))["status"] == 404


class TestTypes:
    def test_are_told_in_words(self) -> None:
        shape = {"$ref": "#/components/schemas/Standing"}

        assert type_parts({"type": "array", "items": shape}) == [Part("list of "), Part("Standing", "Standing")]
        assert type_parts({"anyOf": [{"type": "integer"}, {"type": "null"}]}) == [
            Part("integer"),
            Part(" or "),
            Part("null"),
        ]
        assert type_parts({"enum": ["S1", "S2"]}) == [Part('"S1" or "S2"')]
        assert type_parts({"type": "object", "additionalProperties": {"type": "string"}}) == [
            Part("object of "),
            Part("string"),
        ]
