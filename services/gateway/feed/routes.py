"""`GET /v1/events` and `GET /v1/events/stream`."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from services.gateway.edge import PRINCIPAL
from services.gateway.feed import handlers
from services.gateway.feed.hub import Hub
from services.gateway.feed.rules import Reader, reader_for
from services.gateway.feed.schemas import FeedPage, FeedQuery, StreamQuery
from services.gateway.feed.stream import Pace, Stream
from services.gateway.settings import GatewaySettings
from shared.auth.tokens import TokenVerifier
from shared.events.patterns import EVERYTHING, is_pattern
from shared.problems import InvalidInput, Problem
from shared.web.app import DATABASE, SETTINGS
from shared.web.pagination import limit_of
from shared.web.routes import Route, signed_in

PAGE_PATH, STREAM_PATH = "/v1/events", "/v1/events/stream"
LAST_EVENT_ID = "Last-Event-ID"
_MOST_PATTERNS = 50


class TooManyStreams(Problem):
    """There are as many open streams as this server keeps; close one, or read pages."""

    code = "too-many-streams"
    status = 429


class Feed:
    """The feed of one gateway process."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone)
        self._verifier = TokenVerifier.from_settings(settings)
        self._open = Counter[UUID]()
        self._pace = Pace(heartbeat_s=settings.feed_heartbeat_s, patience_s=settings.feed_patience_s)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(PAGE_PATH, self.read_events)
        app.router.add_get(STREAM_PATH, self.stream_events, allow_head=False)
        app.on_shutdown.append(self._stop_streams)
        app.cleanup_ctx.append(self._running)

    async def read_events(self, request: web.Request) -> web.Response:
        """
        What happened, oldest first, in one order for everybody.

        Each event as CloudEvents 1.0 JSON. Keep `next` and come back with it: nothing is
        skipped or told twice. People see the events about students whose journeys they may
        read; integrators the types that the scopes of their token name, as in
        `events:plans.plan.*`; operations see that something happened and not what.
        """
        principal, reader = request[PRINCIPAL], _reader(request)
        place, limit = handlers.place_of(request.query.get("after")), limit_of(request.query)
        database = request.app[DATABASE]
        found = await self._hub.run(
            lambda: handlers.read_slice(database, reader, principal, place, limit=limit, zone=self._zone)
        )
        after = handlers.cursor(found.head.epoch, found.upto)
        more = b"true" if found.has_more else b"false"
        items = b",".join(event.document for event in found.events)
        body = b'{"items":[%b],"next":"%b","more":%b}' % (items, after.encode(), more)
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "private, no-store"})

    async def stream_events(self, request: web.Request) -> web.StreamResponse:
        """
        The same events as they happen, as server-sent events.

        Each message's `id` is a cursor: after a break come back with it as `Last-Event-ID`, as
        browsers do by themselves. A comment is sent when nothing else is. A stream ends with a
        `closing` message that says why: `too-slow`, `token-expired`, `cursor-expired`, `stopping`.
        """
        principal, reader = request[PRINCIPAL], _reader(request)
        place = handlers.place_of(request.headers.get(LAST_EVENT_ID) or request.query.get("after"))
        token = request.headers["Authorization"].partition(" ")[2].strip()
        stream = Stream(self._hub, reader, principal, pace=self._pace, still_valid=lambda: self._verifier.verify(token))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        with self._one_more(principal.person_id):
            await stream.serve(request, place, response)
        return response

    @contextmanager
    def _one_more(self, person_id: UUID) -> Iterator[None]:
        most, most_of_one = self._settings.feed_streams, self._settings.feed_streams_per_person
        if self._open.total() >= most or self._open[person_id] >= most_of_one:
            raise TooManyStreams(f"At most {most_of_one} for one person, and {most} in all.", retry_after_s=5)
        self._open[person_id] += 1
        try:
            yield
        finally:
            self._open[person_id] -= 1
            if not self._open[person_id]:
                del self._open[person_id]

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        self._hub = Hub(app[DATABASE], zone=self._zone, poll_s=self._settings.feed_poll_s)
        self._hub.start()
        yield
        await self._hub.close()

    async def _stop_streams(self, _: web.Application) -> None:
        self._hub.stop_streams()


def add_feed_routes(app: web.Application) -> None:
    Feed(app[SETTINGS].specialized(GatewaySettings)).add_to(app)


def _reader(request: web.Request) -> Reader:
    principal = request[PRINCIPAL]
    return reader_for(principal.person_id, principal.role, principal.scopes, _wanted(request.query))


def _wanted(query: Mapping[str, str]) -> tuple[str, ...]:
    """The patterns in `?types=`; everything without."""
    patterns = [pattern.strip() for pattern in query.get("types", EVERYTHING).split(",")]
    wrong = next((pattern for pattern in patterns if not is_pattern(pattern)), None)
    if wrong is not None or len(patterns) > _MOST_PATTERNS:
        said = f"{wrong[:40]!r} is none" if wrong is not None else f"these are more than {_MOST_PATTERNS}"
        raise InvalidInput(f"`types` must be patterns such as `plans.plan.*`, with commas between; {said}.")
    return tuple(dict.fromkeys(patterns))


# Served by the class above; declared here for the API's description alone.
DESCRIBED_PAGE = Route(
    service="gateway",
    method="GET",
    path=PAGE_PATH,
    function=cast(Any, Feed.read_events),
    access=signed_in(),
    summary="What happened, page by page",
    tag="events",
    query=FeedQuery,
    reply=FeedPage,
    problems=(InvalidInput,),
)
DESCRIBED_STREAM = Route(
    service="gateway",
    method="GET",
    path=STREAM_PATH,
    function=cast(Any, Feed.stream_events),
    access=signed_in(),
    summary="What happens, as it happens",
    tag="events",
    query=StreamQuery,
    problems=(InvalidInput, TooManyStreams),
)
