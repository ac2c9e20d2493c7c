"""The services behind the gateway, reached over HTTP with connections that are kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from services.gateway.settings import GatewaySettings
from shared.problems import Problem, Unavailable
from shared.telemetry.logs import get_logger

# Shorter than any server keeps an idle connection, so that it is this side that lets go.
_KEEPALIVE_S = 15.0
RETRY_AFTER_S = 2

log = get_logger(__name__)


class UpstreamAway(Unavailable):
    """A service this needs is away; try again shortly."""

    code = "upstream-away"


class UpstreamTimeout(Problem):
    """A service did not answer in time; it may still have done what was asked."""

    code = "upstream-timeout"
    status = 504


@dataclass(frozen=True)
class Answer:
    """What a service answered, read to the end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Upstreams:
    """One HTTP client for all services."""

    def __init__(self, urls: Mapping[str, str], session: aiohttp.ClientSession, *, timeout_s: float) -> None:
        self._urls = dict(urls)
        self._session = session
        self._timeout_s = timeout_s

    @classmethod
    def open(cls, settings: GatewaySettings) -> Self:
        """Must be called inside the event loop that will use it."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=settings.upstream_connections, keepalive_timeout=_KEEPALIVE_S
            ),
            timeout=aiohttp.ClientTimeout(sock_connect=settings.upstream_connect_timeout_s),
            auto_decompress=False,  # what a service compressed goes through as it is
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(settings.upstream_urls(), session, timeout_s=settings.upstream_timeout_s)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self._urls)

    async def close(self) -> None:
        await self._session.close()

    async def ask(
        self,
        service: str,
        method: str,
        path_and_query: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """
        Send one request to a service and read the whole answer.

        A request whose kept connection broke before an answer is sent once more if that is safe:
        GET, PUT and DELETE by aiohttp itself, others here if they carry an Idempotency-Key.

        Args:
            path_and_query: Percent-encoded, sent as it is.

        Raises:
            UpstreamAway: No connection, or it broke.
            UpstreamTimeout: No whole answer in time.
        """
        url = URL(self._urls[service] + path_and_query, encoded=True)
        request: dict[str, Any] = {"headers": headers, "data": body, "allow_redirects": False}
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                try:
                    return await self._send(method, url, request)
                except aiohttp.ServerDisconnectedError:
                    if "Idempotency-Key" not in headers:
                        raise
                    return await self._send(method, url, request)
        except aiohttp.ConnectionTimeoutError as error:
            raise self._away(service, error) from None
        except TimeoutError:
            log.warning("upstream_timeout", upstream=service)
            raise UpstreamTimeout(
                f"The {service} service did not answer in time. Look whether the change is there before you repeat "
                "it, or repeat it with the same Idempotency-Key."
            ) from None
        except aiohttp.ClientError as error:
            raise self._away(service, error) from None

    async def _send(self, method: str, url: URL, request: Mapping[str, Any]) -> Answer:
        async with self._session.request(method, url, **request) as response:
            return Answer(response.status, response.headers, await response.read())

    def _away(self, service: str, error: Exception) -> UpstreamAway:
        log.warning("upstream_away", upstream=service, reason=type(error).__name__)
        return UpstreamAway(f"The {service} service cannot be reached.", service=service, retry_after_s=RETRY_AFTER_S)
