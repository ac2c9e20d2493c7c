"""The feed loses nothing that commits late: many writers, several givers of positions, readers all the while."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from services.gateway.feed import tables
from services.gateway.feed.handlers import cursor, give_positions, place_of, read_slice
from services.gateway.feed.rules import reader_for
from services.gateway.journeys import consumers
from services.gateway.journeys.tables import event_log
from shared.auth.access import Principal
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.events.envelope import Envelope
from shared.events.patterns import EVERYTHING
from shared.messaging.reactions import Received
from shared.messaging.worker.periodic import Tick
from shared.settings import Settings
from shared.testing.databases import embedded_settings, postgres_urls
from tests.support.waiting import wait_until
from tests.unit.gateway.feeding import approved, enrolled, hear

WRITERS, TRANSACTIONS, EVENTS = 4, 40, 5
ALL = WRITERS * TRANSACTIONS * EVENTS
OPS = Principal(uuid4(), "ops")
READER = reader_for(OPS.person_id, OPS.role, OPS.scopes, (EVERYTHING,))


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(postgres_urls(server, ["gateway"]))
        settings = embedded_settings(tmp_path, database_url=url)
        migrate(settings, "gateway")
        yield settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings, "gateway")
    yield database
    database.dispose()


class Following:
    """A reader that goes on from its cursor as often as it can."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after: str | None = None
        self.seen: list[int] = []

    def read(self) -> int:
        place = place_of(self._after)
        found = read_slice(self._database, READER, OPS, place, limit=17, zone=ZoneInfo("UTC"))
        self._after = cursor(found.head.epoch, found.upto)
        self.seen += [event.position for event in found.events]
        return len(found.events)


def test_readers_see_every_event_once_in_one_order_while_writers_commit_across_each_other(
    settings: Settings, database: Database
) -> None:
    written, together = threading.Event(), threading.Barrier(WRITERS)
    first, second = Following(database), Following(database)

    def write(_: int) -> None:
        own = Database.open(settings, "gateway")
        together.wait()
        for _ in range(TRANSACTIONS):
            hear(own, *(approved() for _ in range(EVENTS)))
        own.dispose()

    def give() -> None:
        own = Database.open(settings, "gateway")
        tick = Tick(own, settings)
        while give_positions(tick, portion=23) or not written.is_set():
            pass
        own.dispose()

    def follow(reader: Following) -> None:
        wait_until(lambda: reader.read() == 0 and len(reader.seen) >= ALL, timeout_s=60, what="the whole feed")

    with ThreadPoolExecutor(WRITERS + 4) as pool:
        others = [pool.submit(give), pool.submit(give), pool.submit(follow, first), pool.submit(follow, second)]
        try:
            list(pool.map(write, range(WRITERS)))
        finally:
            written.set()
        for other in others:
            other.result()

    assert first.seen == second.seen == list(range(1, ALL + 1))


# SQLite has one writer at a time: there nothing commits late.
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_an_event_that_commits_after_later_ones_is_read_after_them(settings: Settings, database: Database) -> None:
    """The case that a reader of positions given at the insert would lose."""
    tick, reader = Tick(database, settings), Following(database)
    late = Database.open(settings, "gateway")
    with late.transaction() as uow:
        event = approved()
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=1,
            time=late.clock.now(),
            correlation_id=uuid4(),
        )
        consumers.on_any_event(Received(event, envelope), uow=uow)
        hear(database, approved(), enrolled(uuid4()))
        give_positions(tick)
        assert reader.read() == 2
    give_positions(tick)

    assert reader.read() == 1
    with database.reading() as session:
        rows = session.execute(select(event_log.c.feed_position).order_by(event_log.c.position)).scalars().all()
    assert rows == [3, 1, 2], "the row that was inserted first comes last in the feed"
    late.dispose()


def test_a_giver_that_dies_before_its_commit_leaves_the_positions_to_the_next(
    settings: Settings, database: Database
) -> None:
    hear(database, approved(), approved())
    with pytest.raises(RuntimeError), database.transaction() as uow:
        tables.place(uow.session, portion=10)
        raise RuntimeError("killed")

    give_positions(Tick(database, settings))

    with database.reading() as session:
        assert session.execute(select(func.max(event_log.c.feed_position))).scalar() == 2
