"""One poller for all streams of this process: reads what is new once, and tells everybody who waits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from services.gateway.feed import handlers, tables
from services.gateway.feed.rules import Head, Insight, Logged
from services.gateway.feed.tables import Window
from shared.database.database import Database, DatabaseAway
from shared.telemetry.logs import get_logger

T = TypeVar("T")
BATCH = 500
BATCHES_KEPT = 8
# Who may see what is decided when a batch is read. A reader that comes to it later reads, and is authorized, anew.
FRESH_S = 2.0
AWAY_S = 1.0
log = get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """All events of (after, upto], and who may see them."""

    after: int
    upto: int
    events: Sequence[Logged]
    insight: Insight
    read_at_s: float

    def continues(self, position: int, *, now_s: float) -> bool:
        return self.after <= position < self.upto and now_s - self.read_at_s < FRESH_S


class Hub:
    """
    Knows how far the feed reaches, and holds its newest events for the streams that keep up.

    What it holds is shared and bounded; a stream that falls behind reads from the database,
    through the few threads of this hub.
    """

    def __init__(
        self,
        database: Database,
        *,
        zone: ZoneInfo,
        poll_s: float,
        threads: int = 2,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self.zone = zone
        self.position = 0
        self.closing = False
        self._poll_s = poll_s
        self._clock_s = clock_s
        self._batches: deque[Batch] = deque(maxlen=BATCHES_KEPT)
        self._moved = asyncio.Event()
        self._wanted = asyncio.Event()
        self._streams = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="feed")
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._polling = asyncio.create_task(self._poll())

    def stop_streams(self) -> None:
        """Have every stream say goodbye."""
        self.closing = True
        self._tell()

    async def close(self) -> None:
        self.stop_streams()
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
        self._pool.shutdown(wait=False)

    async def run(self, function: Callable[[], T]) -> T:
        """Read from the database in one of the hub's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    async def join(self) -> Head:
        """Count a stream in; where the feed ends now. Each `join` needs its `leave`."""
        self._streams += 1
        try:
            head = await self.run(lambda: handlers.read_head(self.database))
        except BaseException:
            self.leave()
            raise
        if self._streams == 1 or head.position < self.position:  # nobody kept up with it until now
            self._batches.clear()
            self.position = head.position
        self._wanted.set()
        return head

    def leave(self) -> None:
        self._streams -= 1
        if not self._streams:
            self._wanted.clear()

    def batch_after(self, position: int) -> Batch | None:
        """The newest events behind a position, if they are at hand and were authorized just now."""
        now_s = self._clock_s()
        return next((batch for batch in reversed(self._batches) if batch.continues(position, now_s=now_s)), None)

    async def moved(self, position: int, *, timeout_s: float) -> None:
        """Wait until there is more than this, or for so long."""
        if self.position <= position and not self.closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._moved.wait()

    async def _poll(self) -> None:
        while True:
            await self._wanted.wait()
            pause_s = self._poll_s
            try:
                batch = await self.run(lambda: self._next(self.position))
            except DatabaseAway as error:
                log.warning("database_away", service="gateway", error=str(error))
                batch, pause_s = None, AWAY_S
            except Exception:
                log.exception("feed_unread")
                batch, pause_s = None, AWAY_S
            if batch is not None and batch.after == self.position:
                self._batches.append(batch)
                self.position = batch.upto
                self._tell()
            else:
                await asyncio.sleep(pause_s)

    def _next(self, position: int) -> Batch | None:
        now = self.database.clock.now().astimezone(self.zone)
        with self.database.reading() as session:
            head = tables.read_head(session)
            if head.position <= position:
                return None
            window = Window(position, min(head.position, position + BATCH))
            events = tables.events_in(session, window, limit=BATCH)
            insight = handlers.insight_into(session, events, now)
        return Batch(window.after, window.upto, events, insight, self._clock_s())

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
