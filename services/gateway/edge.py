"""What every request meets first: a correlation id, who it comes from, and whether that one may ask again already."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from aiohttp import web

from services.gateway.limits.rules import Allowance, TokenBuckets, client_address
from services.gateway.proxy.rules import PUBLIC_PATHS
from services.gateway.settings import GatewaySettings
from shared.auth.access import Principal
from shared.auth.tokens import TokenMissing, TokenVerifier
from shared.problems import Problem, Unauthenticated
from shared.web.app import CORRELATION_ID

CORRELATION = web.RequestKey("correlation", UUID)
PRINCIPAL = web.RequestKey("principal", Principal)
_RATE_LIMIT = web.RequestKey("rate_limit", dict[str, str])

_API = "/v1/"
_PUBLIC = tuple(f"{path}/" for path in PUBLIC_PATHS)
# One provider reports for everybody, and does not come back with what was refused.
_CALLBACKS = "/v1/sms/"
# Asked by machines that must hear the truth however often they ask.
_UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TooManyRequests(Problem):
    """You have asked too often; wait a moment."""

    code = "too-many-requests"
    status = 429


class Edge:
    """Admits requests. Its counts and verified keys are this process's own."""

    def __init__(self, settings: GatewaySettings, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._verifier = TokenVerifier.from_settings(settings)
        self._trusted_proxies = settings.trusted_proxies
        self._clock_s = clock_s
        self._persons = TokenBuckets(
            Allowance("person", settings.rate_limit_per_s, settings.rate_limit_burst),
        )
        self._addresses = TokenBuckets(
            Allowance("address", settings.anonymous_rate_limit_per_s, settings.anonymous_rate_limit_burst),
        )
        self._callbacks = TokenBuckets(
            Allowance("callback", settings.callback_rate_limit_per_s, settings.callback_rate_limit_burst),
        )

    def guard(self, app: web.Application) -> None:
        """Put this in front of every route of an application."""

        @web.middleware
        async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
            await self._admit(request)
            return await handler(request)

        app.middlewares.append(admit)
        app.on_response_prepare.append(_sign)

    async def _admit(self, request: web.Request) -> None:
        # Always a new one: nobody can make a change join the journey of somebody else's.
        request[CORRELATION] = uuid4()
        if not request.path.startswith(_API) or request.path.startswith(_PUBLIC):
            if request.path not in _UNLIMITED:
                buckets = self._callbacks if request.path.startswith(_CALLBACKS) else self._addresses
                self._spend(request, buckets, self._address(request))
            return
        try:
            principal = await self._identify(request)
        except Unauthenticated:
            self._spend(request, self._addresses, self._address(request))
            raise
        request[PRINCIPAL] = principal
        self._spend(request, self._persons, str(principal.person_id))

    async def _identify(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing("Send `Authorization: Bearer <token>`.")
        return await self._verifier.verify(token.strip())

    def _spend(self, request: web.Request, buckets: TokenBuckets, caller: str) -> None:
        verdict = buckets.take(caller, now_s=self._clock_s())
        request[_RATE_LIMIT] = buckets.headers(verdict)
        if not verdict.allowed:
            raise TooManyRequests(
                f"Ask again in {verdict.retry_after_s} s; `RateLimit-Policy` says how often you may.",
                retry_after_s=verdict.retry_after_s,
            )

    def _address(self, request: web.Request) -> str:
        forwarded_for = request.headers.get("X-Forwarded-For")
        return client_address(request.remote, forwarded_for, trusted_proxies=self._trusted_proxies)


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    """Say on every answer, refusals included, which journey it belongs to and how many requests are left."""
    response.headers["Server"] = "Signpost"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.update(request.get(_RATE_LIMIT, {}))
    correlation_id = request.get(CORRELATION)
    if correlation_id is None or not request.path.startswith(_API):
        return
    # A repeated Idempotency-Key is answered with the first request's journey: the service's word wins.
    told = response.headers.setdefault(CORRELATION_ID, str(correlation_id))
    if request.method not in _READS and response.status < 400:
        response.headers["Link"] = f'</v1/journeys/{told}>; rel="describedby"'
