"""Where one thing is measured in one round: databases, a virtual host and files of its own, gone afterwards."""

import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.clients import Client
from benchmarks.engines import Engine
from benchmarks.event import payload
from benchmarks.peers.shape import TABLES
from benchmarks.pipeline import SERVICES, count_effects, groups, prepare
from shared.database.database import Database
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Topology
from shared.settings import Settings
from shared.testing.databases import embedded_settings, postgres_urls
from shared.testing.deployment import wait_until

LONGEST_S = 180


@dataclass
class Ground:
    """Clients are started on it; `effects` counts what the consuming ones have committed."""

    home: Path
    environment: dict[str, str]
    effects: Callable[[], int]

    def client(self, name: str, *arguments: str) -> Client:
        return Client(name, arguments, self.environment)

    def wait_for_effects(self, target: int, *clients: Client, interval_s: float = 0.02) -> None:
        """
        Raises:
            ClientFailed: One of the clients ended before.
        """

        def there() -> bool:
            for client in clients:
                client.check()
            return self.effects() >= target

        wait_until(there, timeout_s=LONGEST_S, what=f"{target} effects", interval_s=interval_s)

    @property
    def all_noted(self) -> bool:
        return _times(self.home / "committed").keys() <= _times(self.home / "effected").keys()

    def latencies_ms(self) -> list[float]:
        """From each commit that was noted to the commit of its effect, ascending."""
        committed, effected = _times(self.home / "committed"), _times(self.home / "effected")
        return sorted((effected[event] - at) * 1000 for event, at in committed.items())


@dataclass
class OwnGround(Ground):
    """One of the product's."""

    settings: Settings
    ledger: Database
    tally: Database

    def consumers(self) -> int:
        """How many workers take events of the tally now."""
        topology = Topology.of(self.settings.exchange, {"tally": {}})
        with channel_to(str(self.settings.amqp_url)) as channel:
            count: int = channel.queue_declare(topology.queue("tally"), passive=True).consumer_count
        return count


@dataclass
class BareGround(Ground):
    """A peer's, with its tables in one database."""

    fill: Callable[[int], None]


@contextmanager
def own_ground(engine: Engine) -> Iterator[OwnGround]:
    """Where the product runs."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signpost-bench-")))
        where = {}
        if engine.rabbit and engine.postgres:
            where["amqp_url"] = stack.enter_context(engine.vhost())
            where["database_url"] = stack.enter_context(postgres_urls(engine.postgres, list(SERVICES)))
            with channel_to(where["amqp_url"]) as channel:
                Topology.of("signpost.events", groups()).apply(channel)
        settings = embedded_settings(home, **where)
        databases = {name: prepare(settings, name) for name in SERVICES}
        for database in databases.values():
            stack.callback(database.dispose)
        own = {f"SIGNPOST_{name.upper()}": value for name, value in where.items()} | {"SIGNPOST_HOME": str(home)}
        tally = databases["tally"]
        environment = _without_ours() | own | _notes(home)
        yield OwnGround(home, environment, lambda: count_effects(tally), settings, databases["ledger"], tally)


@contextmanager
def peer_ground(engine: Engine) -> Iterator[BareGround]:
    """Where a peer runs, on RabbitMQ and PostgreSQL."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signpost-bench-")))
        amqp_url = stack.enter_context(engine.vhost())
        url = make_url(stack.enter_context(postgres_urls(str(engine.postgres), ["peer"])).replace("{service}", "peer"))
        database_url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        database = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        database.execute(TABLES)
        own = {"BENCH_AMQP_URL": amqp_url, "BENCH_DATABASE_URL": database_url}

        def effects() -> int:
            row = database.execute("SELECT count(*) FROM effects").fetchone()
            return int(row[0]) if row else 0

        def fill(events: int) -> None:
            with database.cursor() as cursor, cursor.copy("COPY waiting (event_id, body) FROM STDIN") as copy:
                for event in (payload() for _ in range(events)):
                    copy.write_row((event["plan_id"], _body(event)))

        yield BareGround(home, _without_ours() | own | _notes(home), effects, fill)


@contextmanager
def bare_embedded_ground() -> Iterator[BareGround]:
    """A SQLite file with the peers' tables."""
    with TemporaryDirectory(prefix="signpost-bench-") as folder:
        home = Path(folder)
        path = home / f"bare-{secrets.token_hex(2)}.sqlite3"
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        for statement in TABLES.split(";"):
            database.execute(statement.replace("bigserial", "integer"))

        def effects() -> int:
            return int(database.execute("SELECT count(*) FROM effects").fetchone()[0])

        def fill(events: int) -> None:
            database.execute("BEGIN")
            rows = ((event["plan_id"], _body(event)) for event in (payload() for _ in range(events)))
            database.executemany("INSERT INTO waiting (event_id, body) VALUES (?, ?)", rows)
            database.execute("COMMIT")

        yield BareGround(home, os.environ | {"BENCH_SQLITE": str(path)}, effects, fill)
        database.close()


def _body(event: dict[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _notes(home: Path) -> dict[str, str]:
    return {"BENCH_COMMITTED": str(home / "committed"), "BENCH_EFFECTED": str(home / "effected")}


def _without_ours() -> dict[str, str]:
    """The environment as if nobody had set anything for Signpost."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SIGNPOST_", "BENCH_"))}


def _times(path: Path) -> dict[str, float]:
    """Times by event; a line that is still being written is left for later."""
    lines = [line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {event: float(at) for event, at in lines}
