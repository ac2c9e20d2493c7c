"""Where a path goes, by the one routing table, as the gateway's router reads it."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.gateway.proxy.rules import Destination, destinations, is_ambiguous, owner_of

STUDENT = "/v1/students/0c9f0c1e-3a52-5a06-9a52-54c7f8d7c111"


def found_by_router(path: str) -> Destination | None:
    """The destination whose pattern aiohttp's own router chooses."""
    router = web.UrlDispatcher()
    by_pattern: dict[str, Destination] = {}

    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    for destination in destinations():
        resource = router.add_route("*", destination.pattern, handler).resource
        assert resource is not None
        by_pattern[resource.canonical] = destination
    found = asyncio.run(router.resolve(make_mocked_request("GET", path))).route.resource
    return by_pattern[found.canonical] if found else None


class TestRoutingTable:
    @pytest.mark.parametrize(
        ("path", "service"),
        [
            ("/v1/me", "roster"),
            ("/v1/me/contact", "roster"),
            ("/v1/students", "roster"),
            (STUDENT, "roster"),
            (f"{STUDENT}/guardians/x", "roster"),
            (f"{STUDENT}/contacts", "roster"),
            ("/v1/restrictions/1", "roster"),
            ("/v1/roster/dead-letters", "roster"),
            (f"{STUDENT}/plan", "plans"),
            (f"{STUDENT}/plan/changes", "plans"),
            ("/v1/plans/dead-letters", "plans"),
            ("/v1/courses/ENG9", "catalog"),
            ("/v1/requirement-sets", "catalog"),
            ("/v1/clusters", "catalog"),
            ("/v1/catalog/dead-letters", "catalog"),
            (f"{STUDENT}/matches", "mentorship"),
            ("/v1/matches/1/approve", "mentorship"),
            ("/v1/partners", "mentorship"),
            ("/v1/relationship-files/1", "mentorship"),
            ("/v1/notices", "notifications"),
            ("/v1/tasks/1", "notifications"),
            ("/v1/links/abc", "notifications"),
            ("/v1/sms/status", "notifications"),
        ],
    )
    def test_sends_each_path_to_its_owner(self, path: str, service: str) -> None:
        found = found_by_router(path)

        assert found is not None
        assert found.service == service

    @pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/v1/meadow", "/v1/courses-more"])
    def test_sends_an_unknown_path_nowhere(self, path: str) -> None:
        assert found_by_router(path) is None

    def test_needs_no_token_for_links_and_sms_callbacks_alone(self) -> None:
        assert {each.path for each in destinations() if each.is_public} == {"/v1/links", "/v1/sms"}

    def test_refuses_a_path_claimed_twice(self) -> None:
        with pytest.raises(ValueError, match="belongs to a already"):
            destinations({"a": ("/v1/x",), "b": ("/v1/x",)})

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/links/../students",
            "/v1/links/%2e%2e/students",
            "/v1/links/..%2Fstudents",
            "/v1/students/%2E%2E/tasks",
            "/v1//students",
            "/v1/links/./x",
        ],
    )
    def test_sees_paths_that_two_servers_could_read_differently(self, path: str) -> None:
        assert is_ambiguous(path)

    def test_takes_ordinary_paths_as_they_are(self) -> None:
        assert not is_ambiguous("/v1/links/eyJh.bGci.Oi_-")
        assert not is_ambiguous("/v1/courses/ENG%209")


class TestOwnerOf:
    def test_reads_templates_like_paths(self) -> None:
        owners = {
            path: found.service if (found := owner_of(path)) else None
            for path in ("/v1/students/{id}/plan/changes", "/v1/students/{id}", "/v1/students", "/healthz")
        }

        assert owners == {
            "/v1/students/{id}/plan/changes": "plans",
            "/v1/students/{id}": "roster",
            "/v1/students": "roster",
            "/healthz": None,
        }
