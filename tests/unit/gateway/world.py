"""A gateway before small upstream servers that record what they are asked and answer what a test wants."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.api import create_app
from services.gateway.settings import SERVICES, GatewaySettings
from shared.database.database import Database
from shared.testing import FakeClock, sqlite_database
from shared.testing.tokens import bearer

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Lets pytest run a test written as a coroutine function."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))  # type: ignore[arg-type]

    return run


@dataclass
class Asked:
    """One request as an upstream saw it."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """A service's API made of canned answers by method and path; anything else is 404."""

    service: str
    asked: list[Asked] = field(default_factory=list)
    answers: dict[tuple[str, str], Answering] = field(default_factory=dict)
    server: TestServer | None = None

    def on(self, method: str, path: str, answer: Answering) -> None:
        self.answers[method, path] = answer

    def says(self, method: str, path: str, document: Any, *, status: int = 200, **headers: str) -> None:
        async def answer(_: web.Request) -> web.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.json_response(document, status=status, headers=named)

        self.on(method, path, answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(self.service, request.method, request.path_qs, dict(request.headers), body))
        answer = self.answers.get((request.method, request.path))
        if answer is None:
            return web.json_response({"code": "not-found", "status": 404}, status=404)
        return await answer(request)

    async def start(self) -> str:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.server = TestServer(app)
        await self.server.start_server()
        return str(self.server.make_url("/")).rstrip("/")

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()


@dataclass
class World:
    """The running gateway, its upstreams, database and clock."""

    settings: GatewaySettings
    client: TestClient[Any, Any]
    upstreams: dict[str, Upstream]
    database: Database
    clock: FakeClock

    def upstream(self, service: str) -> Upstream:
        return self.upstreams[service]

    def headers(self, role: str = "counselor", person_id: UUID | None = None, **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return bearer(self.settings, role, person_id or uuid4()) | named

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.client.get(path, headers=headers)


@asynccontextmanager
async def gateway(folder: Path, **overrides: Any) -> AsyncIterator[World]:
    """A gateway on a migrated SQLite file, every service an Upstream that answers 404 and a healthy /healthz."""
    async with AsyncExitStack() as stack:
        upstreams = {service: Upstream(service) for service in SERVICES}
        urls: dict[str, Any] = {}
        for service, upstream in upstreams.items():
            urls[f"{service}_url"] = await upstream.start()
            stack.push_async_callback(upstream.stop)
            upstream.says("GET", "/healthz", {"status": "ok"})
        clock = FakeClock()
        database = sqlite_database("gateway", folder, clock=clock)
        settings = GatewaySettings.model_validate(
            {"home": folder, "database_url": None, "amqp_url": None, "jwks": None, **urls, **overrides}
        )
        app = create_app(settings, database=database)
        client: TestClient[Any, Any] = TestClient(TestServer(app), auto_decompress=False)
        await client.start_server()
        stack.push_async_callback(client.close)
        yield World(settings, client, upstreams, database, clock)


async def problem(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(await response.read())
    assert document["status"] == response.status
    assert document["type"] == f"/problems/{document['code']}"
    return document
