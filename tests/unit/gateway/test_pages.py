"""Pages behind signed links, in two languages, and what they keep to themselves."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from services.gateway.pages.rules import is_token, plain, refusal_of
from services.gateway.pages.texts import TEXTS, preferred, spoken
from shared.auth.keys import Keys
from tests.unit.gateway.world import World, asynchronous, gateway

TOKEN = "eyJh.eyJu.c2ln_-"
STUDENT, GUARDIAN = uuid4(), uuid4()
PLAN = {
    "audit": {
        "on_track": False,
        "credits_planned": 20.5,
        "credits_required": 22,
        "requirements": [{"title": "Mathematics", "met": False}, {"title": "English", "met": True}],
        "findings": [{"kind": "prerequisite", "title": "Physics"}, {"kind": "new_kind", "title": "Chemistry"}],
    },
    "courses": [
        {"title": "Drawing", "credits": 0.5, "grade": 11, "term": "S2"},
        {"title": "Biology <AP>", "credits": 1, "grade": 10, "term": "YEAR"},
        {"title": "Ceramics", "credits": 0.5, "grade": 11, "term": "S1"},
    ],
}


def notice(**changes: Any) -> dict[str, Any]:
    return {
        "notice_id": str(uuid4()),
        "student_id": str(STUDENT),
        "recipient_id": str(GUARDIAN),
        "audience": "guardian",
        "language": "es",
        "title": "Cambió el plan de Ana",
        "html": "<p>Ana cambió su plan.</p>",
        "acknowledged_at": None,
        **changes,
    }


def answering(world: World, **changes: Any) -> None:
    world.upstream("notifications").says("GET", f"/v1/links/{TOKEN}", notice(**changes))
    world.upstream("notifications").says("POST", f"/v1/links/{TOKEN}/acknowledge", {})
    world.upstream("plans").says("GET", f"/v1/students/{STUDENT}/plan", PLAN)


def visible_text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class TestNoticePage:
    @asynchronous
    async def test_shows_the_notice_the_plan_and_a_button(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            response = await world.client.get(f"/a/{TOKEN}")

            page = await response.text()
            assert response.status == 200
            assert response.content_type == "text/html"
            assert '<html lang="es">' in page
            assert "<p>Ana cambió su plan.</p>" in page
            assert f'<form method="post" action="/a/{TOKEN}/acknowledge">' in page
            text = visible_text(page)
            assert "He leído este mensaje" in text
            assert "20.5 de 22 créditos" in text
            assert "Falta planear: Mathematics" in text
            assert "English" not in text
            assert "Cursos por revisar: Physics: antes hace falta otro curso Chemistry" in text
            assert "Biology <AP>" not in page
            grade_11 = text.index("Grado 11 · 1 crédito")
            assert text.index("Grado 10") < grade_11 < text.index("Ceramics Primer") < text.index("Drawing Segundo")

    @asynchronous
    async def test_reads_the_plan_in_the_name_of_the_person_the_link_is_for(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            await world.client.get(f"/a/{TOKEN}", headers={"Authorization": "Bearer of-somebody-else"})

            (asked,) = world.upstream("plans").asked
            token = asked.headers["Authorization"].removeprefix("Bearer ")
            keys = jwt.PyJWKSet.from_dict(Keys.from_settings(world.settings).jwks())
            claims = jwt.decode(token, keys.keys[0], algorithms=["EdDSA"], audience="signpost", issuer="signpost")
            assert (claims["sub"], claims["role"]) == (str(GUARDIAN), "guardian")
            assert claims["exp"] - claims["iat"] == 60
            assert "Authorization" not in world.upstream("notifications").asked[0].headers

    @asynchronous
    async def test_is_kept_by_nobody_and_told_to_nobody(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            response = await world.client.get(f"/a/{TOKEN}")

            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert "noindex" in response.headers["X-Robots-Tag"]
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script" not in policy
            assert "unsafe" not in policy
            addresses = re.findall(r'(?:src|href|action)="([^"]+)"', await response.text())
            assert all(address.startswith(("/", "data:")) for address in addresses)
            assert (await world.client.get("/pages/page.css")).content_type == "text/css"

    @asynchronous
    async def test_says_when_it_was_acknowledged_instead_of_asking_again(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world, acknowledged_at="2026-09-16T03:00:00Z", language="en")

            page = await (await world.client.get(f"/a/{TOKEN}")).text()

            assert "You confirmed on September 15, 2026 that you have read this." in visible_text(page)
            assert "<form" not in page

    @asynchronous
    async def test_shows_the_notice_even_when_the_plan_cannot_be_had(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)
            await world.upstream("plans").stop()

            response = await world.client.get(f"/a/{TOKEN}")

            assert response.status == 200
            assert TEXTS["es"]["no_plan"] in await response.text()

    @asynchronous
    async def test_shows_the_notice_even_when_the_plan_cannot_be_read(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)
            world.upstream("plans").says("GET", f"/v1/students/{STUDENT}/plan", {"of": "another shape"})

            response = await world.client.get(f"/a/{TOKEN}")

            assert response.status == 200
            assert TEXTS["es"]["no_plan"] in await response.text()

    @pytest.mark.parametrize(
        ("upstream", "status", "title"),
        [
            (410, 410, "This link has expired"),
            (404, 404, "This link does not work"),
            (403, 404, "This link does not work"),
            (500, 503, "Please try again shortly"),
        ],
    )
    def test_refuses_kindly_and_tells_nothing(self, tmp_path: Path, upstream: int, status: int, title: str) -> None:
        @asynchronous
        async def refused() -> None:
            async with gateway(tmp_path) as world:
                world.upstream("notifications").says("GET", f"/v1/links/{TOKEN}", notice(), status=upstream)

                response = await world.client.get(f"/a/{TOKEN}")

                page = await response.text()
                assert response.status == status
                assert title in page
                assert "Ana" not in page
                assert str(STUDENT) not in page
                assert world.upstream("plans").asked == []

        refused()

    @asynchronous
    async def test_speaks_the_browsers_language_where_no_notice_says_which(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            response = await world.client.get(f"/a/{TOKEN}", headers={"Accept-Language": "fr, es-MX;q=0.8, en;q=0.5"})

            assert TEXTS["es"]["unknown_title"] in await response.text()
            assert response.headers["Content-Language"] == "es"

    @asynchronous
    async def test_passes_on_only_what_can_be_a_token(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            for path in ("/a/a%2F..%2Fstudents", "/a/%3Cscript%3E", "/a/a%20b"):
                assert (await world.client.get(path)).status == 404

            assert world.upstream("notifications").asked == []

    @asynchronous
    async def test_tries_later_when_notifications_is_away(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            await world.upstream("notifications").stop()

            response = await world.client.get(f"/a/{TOKEN}")

            assert response.status == 503
            assert response.headers["Retry-After"] == "60"


class TestAcknowledge:
    @asynchronous
    async def test_confirms_and_thanks(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            response = await world.client.post(f"/a/{TOKEN}/acknowledge")

            assert response.status == 200
            assert "Gracias" in await response.text()
            assert [asked.method for asked in world.upstream("notifications").asked] == ["POST", "GET"]

    @asynchronous
    async def test_is_done_by_pressing_the_button_alone(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            answering(world)

            await world.client.get(f"/a/{TOKEN}")
            opened = await world.client.get(f"/a/{TOKEN}/acknowledge")

            assert opened.status == 405
            assert {asked.method for asked in world.upstream("notifications").asked} == {"GET"}

    @asynchronous
    async def test_refuses_an_expired_link(self, tmp_path: Path) -> None:
        async with gateway(tmp_path) as world:
            world.upstream("notifications").says("POST", f"/v1/links/{TOKEN}/acknowledge", {}, status=410)

            response = await world.client.post(f"/a/{TOKEN}/acknowledge")

            assert response.status == 410


class TestLanding:
    @asynchronous
    async def test_lists_the_addresses(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, mailbox_url="http://127.0.0.1:8025") as world:
            page = await (await world.client.get("/")).text()

            assert re.findall(r'<li><a href="([^"]+)"', page) == [
                "http://127.0.0.1:8025",
                "/docs",
                "/openapi.json",
                "/readyz",
                "/metrics",
            ]


class TestWords:
    def test_every_language_says_the_same_things(self) -> None:
        first, *others = TEXTS.values()

        for other in others:
            assert other.keys() == first.keys()
            assert {key: re.findall(r"{\w+}", text) for key, text in other.items()} == {
                key: re.findall(r"{\w+}", text) for key, text in first.items()
            }

    @pytest.mark.parametrize(
        ("tag", "language"), [("es-MX", "es"), ("EN", "en"), ("fr", "en"), (None, "en"), ("", "en")]
    )
    def test_speak_the_nearest_language(self, tag: str | None, language: str) -> None:
        assert spoken(tag) == language

    @pytest.mark.parametrize(
        ("accept", "language"),
        [(None, "en"), ("es", "es"), ("en;q=0.2, es;q=0.9", "es"), ("es;q=0", "en"), ("*", "en"), ("es;q=x", "en")],
    )
    def test_prefer_what_the_browser_wants(self, accept: str | None, language: str) -> None:
        assert preferred(accept) == language


class TestRules:
    def test_write_credits_as_people_do(self) -> None:
        assert [plain(amount) for amount in (1.0, 0.5, 10, 22.25, 0)] == ["1", "0.5", "10", "22.25", "0"]

    def test_know_a_token_by_its_letters(self) -> None:
        assert is_token(TOKEN)
        assert not any(is_token(text) for text in ("", "a/b", "a b", "a" * 1001, "ä"))

    def test_treat_a_busy_service_like_one_that_is_away(self) -> None:
        assert refusal_of(429) == ("away", 503)
