"""Who is let in, how often, and what a refusal says."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from aiohttp import web

from services.gateway.edge import Edge
from services.gateway.settings import GatewaySettings
from shared.auth.keys import Keys
from tests.unit.gateway.world import World, asynchronous, gateway, problem


def claims(settings: GatewaySettings, **changes: Any) -> Mapping[str, Any]:
    return {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": str(uuid4()),
        "role": "student",
        "exp": int(time.time()) + 60,
        **changes,
    }


def signed(world: World, keys: Keys | None = None, **changes: Any) -> str:
    return f"Bearer {(keys or Keys.from_settings(world.settings)).sign(dict(claims(world.settings, **changes)))}"


class TestAuthentication:
    @asynchronous
    async def test_publishes_the_key_that_tokens_are_checked_against(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.get("/.well-known/jwks.json")

            published = jwt.PyJWKSet.from_dict(await response.json())
            token = signed(world).removeprefix("Bearer ")
            key = published[jwt.get_unverified_header(token)["kid"]]
            assert jwt.decode(token, key, algorithms=["EdDSA"], audience="signpost")["role"] == "student"
            assert "d" not in (await response.json())["keys"][0]

    @asynchronous
    async def test_names_what_is_wrong_with_a_token(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            stranger = Keys.generate()
            impostor = stranger.model_copy(update={"key_id": Keys.from_settings(world.settings).key_id})
            cases = {
                None: "token-missing",
                "Basic abc": "token-missing",
                "Bearer abc": "token-malformed",
                signed(world, role="king"): "token-malformed",
                signed(world, exp=int(time.time()) - 3600): "token-expired",
                signed(world, stranger): "token-forged",
                signed(world, impostor): "token-forged",
                signed(world, aud="elsewhere"): "token-forged",
            }

            for authorization, code in cases.items():
                headers = {"Authorization": authorization} if authorization else {}
                response = await world.client.get("/v1/me", headers=headers)

                assert response.status == 401
                assert (await problem(response))["code"] == code
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
            assert world.upstream("roster").asked == []

    @asynchronous
    async def test_asks_for_no_token_behind_links_and_provider_callbacks(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("notifications").says("GET", "/v1/links/abc", {"title": "x"})
            world.upstream("notifications").says("POST", "/v1/sms/status", {})

            link = await world.client.get("/v1/links/abc")
            callback = await world.client.post("/v1/sms/status", data=b"a=1", headers={"X-Twilio-Signature": "s"})

            assert (link.status, callback.status) == (200, 200)
            assert world.upstream("notifications").asked[1].headers["X-Twilio-Signature"] == "s"


class TestRateLimit:
    @asynchronous
    async def test_refuses_a_person_who_asks_too_often_and_says_when_to_come_back(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, rate_limit_per_s=0.5, rate_limit_burst=2) as world:
            world.upstream("roster").says("GET", "/v1/me", {})
            ana, ben = world.headers(), world.headers()

            answers = [await world.client.get("/v1/me", headers=ana) for _ in range(3)]
            other = await world.client.get("/v1/me", headers=ben)

            assert [answer.status for answer in answers] == [200, 200, 429]
            assert (await problem(answers[2]))["code"] == "too-many-requests"
            assert answers[2].headers["Retry-After"] == "2"
            assert answers[0].headers["RateLimit"] == '"person";r=1;t=0'
            assert answers[0].headers["RateLimit-Policy"] == '"person";q=2;w=4'
            assert other.status == 200

    @asynchronous
    async def test_counts_bad_tokens_against_the_address(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, anonymous_rate_limit_per_s=0.1, anonymous_rate_limit_burst=2) as world:
            headers = {"Authorization": "Bearer abc"}

            statuses = [(await world.client.get("/v1/me", headers=headers)).status for _ in range(3)]

            assert statuses == [401, 401, 429]

    @asynchronous
    async def test_lets_a_provider_report_more_often_than_strangers_may_ask(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, anonymous_rate_limit_per_s=0.1, anonymous_rate_limit_burst=1) as world:
            statuses = {(await world.client.post("/v1/sms/status")).status for _ in range(4)}

            assert statuses == {404}  # the service's own answer

    @asynchronous
    async def test_never_limits_probes(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, anonymous_rate_limit_per_s=0.1, anonymous_rate_limit_burst=1) as world:
            statuses = {(await world.client.get("/healthz")).status for _ in range(4)}

            assert statuses == {200}

    @asynchronous
    async def test_lets_people_in_again_with_time(self, tmp_path: Path) -> None:
        now = [0.0]
        settings = GatewaySettings(home=tmp_path, anonymous_rate_limit_per_s=1, anonymous_rate_limit_burst=1)
        app = web.Application()
        Edge(settings, clock_s=lambda: now[0]).guard(app)

        async def admit() -> None:
            request: Any = _Anonymous()
            await app.middlewares[0](request, _answer)  # type: ignore[operator]

        await admit()
        with pytest.raises(Exception, match="Ask again in 1 s"):
            await admit()
        now[0] += 1
        await admit()


class _Anonymous(dict[Any, Any]):
    """As much of a request as the edge looks at."""

    path = "/docs"
    remote = "10.0.0.1"
    headers: Mapping[str, str] = {}


async def _answer(_: web.Request) -> web.Response:
    return web.Response()
