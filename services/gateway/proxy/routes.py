"""Passes `/v1/...` down to the service it belongs to."""

from functools import partial

from aiohttp import web

from services.gateway.edge import CORRELATION
from services.gateway.proxy.rules import REQUEST_HEADERS, Destination, destinations, is_ambiguous, response_headers
from services.gateway.proxy.upstreams import Upstreams
from shared.problems import BodyTooLarge, NotFound
from shared.telemetry.traces import current_traceparent
from shared.web.app import CORRELATION_ID, SETTINGS

UPSTREAMS = web.AppKey("upstreams", Upstreams)


def add_proxy_routes(app: web.Application) -> None:
    """Every path of the routing table. Register these last: they take all that is beneath them."""
    for destination in destinations():
        app.router.add_route("*", destination.pattern, partial(forward, destination))


async def forward(destination: Destination, request: web.Request) -> web.Response:
    """Ask the service and hand back what it says."""
    raw_path = request.rel_url.raw_path
    if is_ambiguous(raw_path):
        raise NotFound
    body = await read_body(request) if request.body_exists else None
    answer = await request.app[UPSTREAMS].ask(
        destination.service,
        request.method,
        request.rel_url.raw_path_qs,
        headers=headers_for_upstream(request),
        body=body,
    )
    # Content-Length of a 304 or of an answer to HEAD speaks of a body that is not there: aiohttp writes its own.
    return web.Response(status=answer.status, headers=response_headers(answer.headers.items()), body=answer.body)


def headers_for_upstream(request: web.Request) -> dict[str, str]:
    """What a service hears of a request: the client's words that matter, and this hop's own."""
    received = request.headers
    headers = {name: received[name] for name in REQUEST_HEADERS if name in received}
    headers[CORRELATION_ID] = str(request[CORRELATION])
    traceparent = current_traceparent()
    if traceparent:
        headers["traceparent"] = traceparent
    return headers


async def read_body(request: web.Request) -> bytes:
    """
    Raises:
        BodyTooLarge: Already said so, or found while reading; nothing was sent on.
    """
    largest = request.app[SETTINGS].max_body_bytes
    refusal = BodyTooLarge(f"Send at most {largest} bytes.")
    if (request.content_length or 0) > largest:
        raise refusal
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise refusal from None
