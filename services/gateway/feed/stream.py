"""One reader's stream of server-sent events."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from services.gateway.feed import handlers
from services.gateway.feed.handlers import Shown
from services.gateway.feed.hub import Batch, Hub
from services.gateway.feed.rules import CursorExpired, Logged, Place, Reader
from shared.auth.access import Principal
from shared.database.database import DatabaseAway
from shared.problems import Problem
from shared.telemetry.metrics import FEED_STREAMS, FEED_STREAMS_ENDED

T = TypeVar("T")
RETRY_MS = 2_000
PAGE = 200
PORTION_BYTES = 32_768
# Together with aiohttp's own 64 KiB this is all that is kept for a reader who does not read.
SEND_BUFFER_BYTES = 131_072
LAST_WORD_S = 5.0
AWAY_S = 1.0


@dataclass(frozen=True)
class Pace:
    """How often a silent stream is heard of, and how long a reader may take to read."""

    heartbeat_s: float
    patience_s: float


class Ended(Exception):
    """The stream is over; the reader is told why, and may come back with the last id."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Stream:
    """
    Sends a reader what follows a place, and goes on sending.

    Who may see what is decided anew for each portion, and the token is looked at again
    each time: what ends in mid-stream ends the stream's view of it.
    """

    def __init__(
        self,
        hub: Hub,
        reader: Reader,
        principal: Principal,
        *,
        pace: Pace,
        still_valid: Callable[[], Awaitable[object]],
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._principal = principal
        self._pace = pace
        self._still_valid = still_valid
        self._epoch = ""
        self._position = 0
        self._spoke_at_s = 0.0

    async def serve(self, request: web.Request, place: Place | None, response: web.StreamResponse) -> None:
        """
        Raises:
            Problem: Before anything was sent: the place is none to go on from, or the database is away.
        """
        try:
            head = await self._hub.join()
            try:
                self._epoch = head.epoch
                self._position = head.start_after(place) if place else head.position
                with FEED_STREAMS.track_inprogress():
                    await self._run(request, response)
            finally:
                self._hub.leave()
        except ConnectionError:
            FEED_STREAMS_ENDED.labels("reader-gone").inc()

    async def _run(self, request: web.Request, response: web.StreamResponse) -> None:
        _limit_buffers(request)
        await response.prepare(request)
        try:
            await self._write(response, f"retry: {RETRY_MS}\n".encode() + self._mark())
            while True:
                await self._portion(response)
        except Ended as end:
            FEED_STREAMS_ENDED.labels(end.reason).inc()
            _last_word(request, response, _closing(end))

    async def _portion(self, response: web.StreamResponse) -> None:
        """Send what there is, or after a while without anything a sign of life."""
        if self._hub.closing:
            raise Ended("stopping", "The server stops or is replaced; come back with the last id.")
        await self._check_token()
        if self._now_s() - self._spoke_at_s >= self._pace.heartbeat_s:
            await self._write(response, b": still here\n" + self._mark())
        if batch := self._hub.batch_after(self._position):
            await self._send_batch(response, batch)
        elif self._position < self._hub.position:
            await self._catch_up(response)
        else:
            silent_s = self._now_s() - self._spoke_at_s
            await self._hub.moved(self._position, timeout_s=max(0.0, self._pace.heartbeat_s - silent_s))

    async def _check_token(self) -> None:
        try:
            await self._still_valid()
        except Problem as problem:
            raise Ended(problem.code, problem.detail or problem.title) from None

    async def _send_batch(self, response: web.StreamResponse, batch: Batch) -> None:
        shown: list[tuple[Logged, Shown]] = []
        for event in batch.events:
            if event.position > self._position:
                document = self._reader.shown(event, batch.insight)
                if document is not None:
                    shown.append((event, Shown(event.position, document)))
        if shown and self._reader.is_disclosed_to:
            events = [event for event, _ in shown]
            await self._reading(lambda: self._disclose(events))
        await self._send(response, [each for _, each in shown])
        self._position = batch.upto

    async def _catch_up(self, response: web.StreamResponse) -> None:
        place = Place(self._epoch, self._position)
        try:
            found = await self._reading(
                lambda: handlers.read_slice(
                    self._hub.database, self._reader, self._principal, place, limit=PAGE, zone=self._hub.zone
                )
            )
        except CursorExpired as problem:
            raise Ended(problem.code, problem.detail) from None
        await self._send(response, found.events)
        self._position = found.upto

    def _disclose(self, events: Sequence[Logged]) -> None:
        database = self._hub.database
        handlers.disclose(database, self._reader, events, at=database.clock.now())

    async def _reading(self, function: Callable[[], T]) -> T:
        while True:
            try:
                return await self._hub.run(function)
            except DatabaseAway:
                await asyncio.sleep(AWAY_S)
                if self._hub.closing:
                    raise Ended("stopping", "The server stops or is replaced; come back with the last id.") from None

    async def _send(self, response: web.StreamResponse, events: Iterable[Shown]) -> None:
        pending = bytearray()
        for event in events:
            pending += f"id: {handlers.cursor(self._epoch, event.position)}\ndata: ".encode()
            pending += event.document + b"\n\n"
            if len(pending) >= PORTION_BYTES:
                await self._write(response, bytes(pending))
                pending.clear()
        if pending:
            await self._write(response, bytes(pending))

    async def _write(self, response: web.StreamResponse, portion: bytes) -> None:
        try:
            async with asyncio.timeout(self._pace.patience_s):
                await response.write(portion)
        except TimeoutError:
            waited_s = f"{self._pace.patience_s:g} s"
            raise Ended("too-slow", f"Nothing was read for {waited_s}; come back with the last id.") from None
        self._spoke_at_s = self._now_s()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _mark(self) -> bytes:
        """Where the reader stands, though nothing was for it: it comes back to here and not to its last event."""
        return f"id: {handlers.cursor(self._epoch, self._position)}\n\n".encode()


def _closing(end: Ended) -> bytes:
    said = json.dumps({"reason": end.reason, "detail": end.detail})
    return f"event: closing\ndata: {said}\n\n".encode()


def _limit_buffers(request: web.Request) -> None:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _last_word(request: web.Request, response: web.StreamResponse, word: bytes) -> None:
    """
    Leave the reason in the connection's buffer and close it.

    Never waits: who does not read would be waited for. After LAST_WORD_S the rest is thrown away.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        return
    if response.chunked or request.version >= (1, 1):
        word = b"%x\r\n%b\r\n0\r\n\r\n" % (len(word), word)
    transport.write(word)
    transport.close()
    asyncio.get_running_loop().call_later(LAST_WORD_S, transport.abort)
