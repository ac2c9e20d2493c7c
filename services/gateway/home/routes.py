"""`GET /v1/home`: several reads in one answer, for phones on slow networks."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, cast

from aiohttp import web

from services.gateway.edge import PRINCIPAL
from services.gateway.home.rules import Source, plans_after, screen_of
from services.gateway.home.schemas import HomeDocument
from services.gateway.proxy.routes import UPSTREAMS, headers_for_upstream
from services.gateway.proxy.upstreams import UpstreamAway, Upstreams, UpstreamTimeout
from services.gateway.settings import GatewaySettings
from shared.telemetry.logs import get_logger
from shared.web.app import SETTINGS
from shared.web.routes import Route, signed_in

PATH = "/v1/home"
# Words of the client that belong to one resource, not to the several read here.
_NOT_PASSED_ON = frozenset({"If-Match", "If-None-Match", "Idempotency-Key", "Content-Type", "Accept-Encoding"})

log = get_logger(__name__)


async def read_home(request: web.Request) -> web.Response:
    """
    What the caller needs to see first: who they are, plans, notices or open tasks.

    Each part is the answer of its own route, with the same authorization. A service that is
    away costs its part alone, which is then named in `missing`.
    """
    principal = request[PRINCIPAL]
    settings = request.app[SETTINGS].specialized(GatewaySettings)
    headers = {name: value for name, value in headers_for_upstream(request).items() if name not in _NOT_PASSED_ON}
    reading = _Reading(request.app[UPSTREAMS], headers, timeout_s=settings.home_timeout_s)
    await reading.gather(screen_of(principal.role, principal.person_id))
    await reading.gather(plans_after(principal.role, reading.parts.get("students")))
    return web.json_response(
        {**reading.parts, "missing": sorted(reading.missing)}, headers={"Cache-Control": "private, no-store"}
    )


class _Reading:
    """The parts read so far, and those that could not be."""

    def __init__(self, upstreams: Upstreams, headers: dict[str, str], *, timeout_s: float) -> None:
        self.parts: dict[str, Any] = {}
        self.missing: set[str] = set()
        self._upstreams = upstreams
        self._headers = headers
        self._timeout_s = timeout_s

    async def gather(self, sources: Iterable[Source]) -> None:
        listed = list(sources)
        for source, found in zip(listed, await asyncio.gather(*map(self._read, listed)), strict=True):
            if source.part == "plans":
                plans = self.parts.setdefault("plans", [])
                plans.extend([found] if found is not None else [])
            else:
                self.parts[source.part] = found

    async def _read(self, source: Source) -> Any:
        """The document; None if there is none to see. A service that failed is noted as missing."""
        try:
            answer = await self._upstreams.ask(
                source.service, "GET", source.path, headers=self._headers, timeout_s=self._timeout_s
            )
            if answer.status == 200:
                return json.loads(answer.body)
        except (UpstreamAway, UpstreamTimeout, ValueError):
            self.missing.add(source.part)
            return None
        if answer.status != 404:
            log.warning("home_part_refused", part=source.part, status=answer.status)
            self.missing.add(source.part)
        return None


# Served by the function above; declared here for the API's description alone.
DESCRIBED = Route(
    service="gateway",
    method="GET",
    path=PATH,
    function=cast(Any, read_home),
    access=signed_in(),
    summary="The first screen of a phone, in one read",
    tag="home",
    reply=HomeDocument,
)
