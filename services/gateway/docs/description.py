"""The API's description, gathered from the services and kept until it is old."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from services.gateway.docs.rules import Document, merge
from services.gateway.proxy.rules import owner_of
from services.gateway.proxy.upstreams import UpstreamAway, Upstreams, UpstreamTimeout
from services.gateway.settings import GatewaySettings
from shared.telemetry.logs import get_logger

TITLE = "Signpost"
VERSION = "1"
DESCRIPTION = """\
Individual Learning Plans that act: a change to a plan reaches the people who can act on it.

Every answer carries `Correlation-Id`; after a change, `GET /v1/journeys/{correlation_id}` tells what it led to.
Errors are problem documents (RFC 9457) with a stable `code`. Changes take `If-Match` with the ETag you read, and
`Idempotency-Key`, which makes repeating them safe. What you may not see answers as if it did not exist.
"""

log = get_logger(__name__)


@dataclass(frozen=True)
class Description:
    """The merged document as it is served, and the services it had to do without."""

    body: bytes
    etag: str
    missing: tuple[str, ...]


class ApiDescription:
    """
    Fetches the services' documents when they are old, and merges them.

    A service that is away keeps the place its last document gave it; one never heard of is
    named in `x-missing-services`, and asked again soon.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        upstreams: Upstreams,
        own: Document,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._upstreams = upstreams
        self._clock_s = clock_s
        self._documents: dict[str, Document] = {"gateway": own}
        self._built: Description | None = None
        self._stale_at_s = 0.0
        self._building = asyncio.Lock()

    async def current(self) -> Description:
        async with self._building:
            if self._built is None or self._clock_s() >= self._stale_at_s:
                self._built = await self._build()
            return self._built

    async def _build(self) -> Description:
        services = self._upstreams.services
        heard = await asyncio.gather(*(self._fetch(service) for service in services))
        wait_s = self._settings.openapi_refresh_s if all(heard) else self._settings.openapi_retry_s
        self._stale_at_s = self._clock_s() + wait_s
        missing = tuple(service for service in services if service not in self._documents)
        ordered = {service: self._documents[service] for service in ("gateway", *services) if service not in missing}
        document = merge(
            ordered,
            info={"title": TITLE, "version": VERSION, "description": DESCRIPTION},
            server="/",
            serves=_serves,
        )
        if missing:
            document["x-missing-services"] = list(missing)
        body = json.dumps(document).encode()
        return Description(body, sha256(body).hexdigest()[:32], missing)

    async def _fetch(self, service: str) -> bool:
        """Keep a service's newest document; False if it could not be read."""
        try:
            answer = await self._upstreams.ask(
                service, "GET", "/openapi.json", headers={"Accept": "application/json"}, timeout_s=5
            )
            document: Any = json.loads(answer.body) if answer.status == 200 else None
        except (UpstreamAway, UpstreamTimeout, ValueError):
            document = None
        if not isinstance(document, dict):
            log.warning("openapi_unread", upstream=service)
            return False
        self._documents[service] = document
        return True


def _serves(service: str, path: str) -> bool:
    if service == "gateway":
        return True
    owner = owner_of(path)
    return owner is not None and owner.service == service
