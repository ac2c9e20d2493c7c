"""Every route says who may call it; what is open to more than one relation is listed here with the reason."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from services.composition import SERVICES, api_app, settings_for
from services.gateway.proxy.rules import owner_of
from shared.auth.policy import POLICY
from shared.auth.tokens import ROLES
from shared.database.database import Database
from shared.events.contract import PRODUCERS
from shared.testing.databases import embedded_settings
from shared.web.dead_letters import dead_letter_routes
from shared.web.replays import replay_routes
from shared.web.routes import Route, Routes
from tests.support.deployment import REPOSITORY

# Why a token alone opens the door, or none does. A route that is not here fails the build.
OPEN_TO_ANYONE_SIGNED_IN = {
    "GET /v1/home": "put together from other routes in the caller's name; each of them decides",
    "GET /v1/events": "each event is authorized by its student, the token's scopes or, for operations, stripped",
    "GET /v1/events/stream": "as for the page, decided anew for each portion sent",
    "GET /v1/journeys/{correlation_id}": "the student is found in the journey itself, then authorized by relationship",
    "GET /v1/relationship-files/{relationship_file_id}": "entries filtered by visible students; other roles get 404",
    "POST /v1/matches/{match_id}/approve": "the path names a match; authorized by the match's student",
    "POST /v1/matches/{match_id}/decline": "the path names a match; authorized by the match's student",
    "GET /v1/notices": "limited to own notices or those of visible students",
    "GET /v1/notices/{notice_id}": "the path names a notice; authorized by the notice's student",
    "GET /v1/tasks": "limited to own tasks, or authorized by the student asked for",
    "POST /v1/tasks/{task_id}/done": "the path names a task; authorized by the task's student",
    "GET /v1/me": "the caller's own name and the students visible to them",
    "GET /v1/me/contact": "the caller's own contact points",
    "PUT /v1/me/contact": "the caller's own contact points",
    "GET /v1/students": "limited to visible students",
}
OPEN_TO_EVERYBODY = {
    "GET /v1/links/{token}": "a signed, expiring link for one person and one notice is the credential",
    "POST /v1/links/{token}/acknowledge": "the same link; it can acknowledge its one notice and nothing else",
    "POST /v1/sms/status": "the SMS provider's callback; its signature over address and form is checked",
}
# Added to the gateway by hand, or to every application by the framework.
UNDECLARED = {
    "GET /healthz": "says that the process lives",
    "GET /readyz": "names missing parts of the house, no person",
    "GET /metrics": "numbers without personal data; deployments keep it inside their network",
    "GET /openapi.json": "the description of the API",
    "GET /.well-known/jwks.json": "public keys",
    "GET /docs": "the description of the API as a page",
    "GET /asyncapi": "the description of the events as a page",
    "GET /asyncapi.json": "the description of the events",
    "GET /schemas/{event_type}.json": "the schemas that events name; they are in the repository as well",
    "GET /": "the landing page: links and no data",
    "GET /a/{token}": "the page behind a signed link; notifications verifies the link",
    "POST /a/{token}/acknowledge": "the button on that page; notifications verifies the link",
}
STATIC = ("/docs/", "/asyncapi/", "/pages/")


def declared() -> Iterator[Route]:
    """Every Route of every feature, and the dead letters that each service has."""
    for path in sorted((REPOSITORY / "services").glob("*/**/routes.py")):
        module = importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
        for value in vars(module).values():
            if isinstance(value, Routes):
                yield from value
            elif isinstance(value, Route):
                yield value
    settings = embedded_settings(Path("/nonexistent"))
    for service in SERVICES:
        database = Database.open(settings, service)
        yield from dead_letter_routes(service, database)
        if service in PRODUCERS:  # the gateway publishes nothing
            yield from replay_routes(service, database)
        database.dispose()


def key(route: Route) -> str:
    return f"{route.method} {route.path}"


ROUTES = {key(route): route for route in declared()}


def of_kind(kind: str) -> set[str]:
    return {name for name, route in ROUTES.items() if route.access.kind == kind}


class TestAccessRules:
    def test_every_route_has_one(self) -> None:
        assert len(ROUTES) > len(SERVICES)
        for name, route in ROUTES.items():
            match route.access.kind:
                case "student":
                    assert route.access.resource in POLICY, name
                    assert "{student_id}" in route.path, name
                case "roles":
                    assert route.access.roles, name
                    assert route.access.roles <= ROLES, name
                case kind:
                    assert kind in ("signed_in", "public"), name

    def test_what_any_token_opens_is_listed_with_a_reason(self) -> None:
        assert of_kind("signed_in") == set(OPEN_TO_ANYONE_SIGNED_IN)

    def test_what_needs_no_token_is_listed_with_a_reason(self) -> None:
        assert of_kind("public") == set(OPEN_TO_EVERYBODY)

    @pytest.mark.parametrize(
        ("path", "number"), [("/dead-letters", 5 * len(SERVICES)), ("/replays", 4 * len(PRODUCERS))]
    )
    def test_dead_letters_and_replays_are_for_operations_alone(self, path: str, number: int) -> None:
        routes = {name: route for name, route in ROUTES.items() if path in route.path}

        assert len(routes) == number
        assert all(route.access.roles == {"ops"} for route in routes.values())

    def test_webhooks_are_for_whom_access_says(self) -> None:
        """ACCESS, row "webhooks, keys": integrator RW own, district administrator RW, operations pause."""
        webhooks = {name: route for name, route in ROUTES.items() if "/v1/webhooks" in route.path}
        managed = {"integrator", "district_admin"}
        without_operations = {name for name, route in webhooks.items() if route.access.roles == managed}
        alone = {name for name, route in webhooks.items() if route.access.roles == {"district_admin"}}

        assert all(route.access.roles <= managed | {"ops"} for route in webhooks.values())
        assert alone == {"POST /v1/webhooks/{endpoint_id}/approve"}
        assert without_operations == {
            "POST /v1/webhooks",
            "PATCH /v1/webhooks/{endpoint_id}",
            "DELETE /v1/webhooks/{endpoint_id}",
            "GET /v1/webhooks/{endpoint_id}/secret",
            "POST /v1/webhooks/{endpoint_id}/secret/rotate",
            "POST /v1/webhooks/{endpoint_id}/test",
        }

    def test_every_route_says_what_it_is(self) -> None:
        for name, route in ROUTES.items():
            assert route.summary.strip(), name
            assert route.service in SERVICES, name


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_served_that_is_not_declared(service: str, tmp_path: Path) -> None:
    settings = settings_for(service, embedded_settings(tmp_path))

    served = {_served(route) for route in api_app(service, settings).router.routes() if route.method != "HEAD"}

    undeclared = {name for name in served if name not in ROUTES and name not in UNDECLARED}
    if service == "gateway":
        # Passed on as they are; the service behind decides. Never a path that the gateway serves itself.
        undeclared -= {name for name in undeclared if name.startswith("* /v1/")}
        undeclared -= {name for name in undeclared if name.removeprefix("GET ").startswith(STATIC)}
    assert undeclared == set()


@pytest.mark.parametrize("route", [route for route in ROUTES.values() if route.service != "gateway"], ids=key)
def test_every_route_of_a_service_is_reached_through_the_gateway(route: Route) -> None:
    destination = owner_of(route.path)

    assert destination is not None, route.path
    assert destination.service == route.service
    assert destination.is_public or route.access.kind != "public"


def _served(route: web.AbstractRoute) -> str:
    return f"{route.method} {route.resource.canonical if route.resource else '?'}"
