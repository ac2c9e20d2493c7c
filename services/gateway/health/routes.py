"""`/readyz`: whether this gateway can do its work, and what is missing if not."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from services.gateway.proxy.routes import UPSTREAMS
from services.gateway.proxy.upstreams import UpstreamAway, Upstreams, UpstreamTimeout
from shared.database.database import DatabaseAway
from shared.web.app import DATABASE


async def is_up(upstreams: Upstreams, service: str, *, timeout_s: float) -> bool:
    """Whether a service's API answers."""
    try:
        answer = await upstreams.ask(service, "GET", "/healthz", headers={}, timeout_s=timeout_s)
    except (UpstreamAway, UpstreamTimeout):
        return False
    return answer.status == 200


def readyz(*, timeout_s: float) -> Callable[[web.Request], Awaitable[web.Response]]:
    """
    Answers 200 if the own database and every service answer, else 503 with their names.

    Whether a service's own database answers is for that service's /readyz: one that has lost
    it still answers with precise problems, and the others go on.
    """

    async def answer(request: web.Request) -> web.Response:
        upstreams = request.app[UPSTREAMS]
        services = upstreams.services
        states = await asyncio.gather(
            asyncio.to_thread(_has_database, request.app),
            *(is_up(upstreams, service, timeout_s=timeout_s) for service in services),
        )
        missing = [name for name, up in zip(("database", *services), states, strict=True) if not up]
        if missing:
            return web.json_response({"status": "unavailable", "missing": missing}, status=503)
        return web.json_response({"status": "ready"})

    return answer


def _has_database(app: web.Application) -> bool:
    try:
        app[DATABASE].ping()
    except DatabaseAway:
        return False
    return True
