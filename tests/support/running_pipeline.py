"""The pipeline of fault tests as processes, and what became of the changes made in it."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch
from uuid import UUID, uuid4

import psutil
import psycopg
from sqlalchemy import func, select

from shared.database.database import Database, DatabaseAway
from shared.messaging.rabbitmq import topology
from shared.messaging.rabbitmq.client import channel_to
from shared.messaging.relay import outbox_backlog
from shared.messaging.tables import inbox
from shared.messaging.wake import NotifyWaker
from shared.settings import Settings
from shared.testing.databases import embedded_settings
from shared.testing.deployment import free_port
from tests.support.counting import Arrivals, Change, Counts, count
from tests.support.pipeline import (
    DELIVERY_LIMIT_VARIABLE,
    SERVICES,
    arrivals,
    changes,
    groups,
    prepare,
    record_change,
    standings,
)
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
STARTED_S = 180.0
API = "api"


@dataclass
class Pipeline:
    """
    Processes by name: `api`, and workers named after the services they host, such as `mirror` or `ledger 2`.

    `server` is a superuser's URL of the PostgreSQL server.
    """

    settings: Settings
    server: str
    databases: dict[str, Database]
    extra: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    answered: dict[UUID, UUID] = field(default_factory=dict)  # subjects by event, of changes confirmed to a client

    # Processes

    def start(self, *names: str, **environment: str) -> None:
        """Start processes and return once all of them work."""
        seen = {name: self._starts(name) for name in names}
        for name in names:
            self.spawn(name, environment)
        for name in names:
            self.wait_started(name, after=seen[name])

    def kill(self, name: str) -> None:
        """kill -9, without starting it again."""
        self.processes[name].kill()
        self.processes[name].wait()

    def kill_and_restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def stop(self, name: str) -> float:
        """SIGTERM; seconds until the process was done."""
        begun = time.monotonic()
        self.processes[name].send_signal(signal.SIGTERM)
        status = self.processes[name].wait(60)
        assert status == 0, f"{name} exited {status}"
        return time.monotonic() - begun

    def stop_and_restart(self, name: str) -> float:
        """The same, and the process started again."""
        taken_s = self.stop(name)
        self.start(name)
        return taken_s

    def has_died(self, name: str) -> bool:
        return self.processes[name].poll() is not None

    def wait_started(self, name: str, *, after: int) -> None:
        def started() -> bool:
            assert self.processes[name].poll() is None, f"{name} ended: {self.log(name)[-2000:]}"
            return self._starts(name) > after if name != API else _listens(self.settings.http_port)

        wait_until(started, timeout_s=STARTED_S, what=f"{name} to work", interval_s=0.02)

    def holder(self, service: str, names: Sequence[str]) -> str:
        """Which of these workers publishes the service's outbox: the one that has the lock."""

        def found() -> str | None:
            ports = self._ports_of_lock(service)
            for name in names:
                connections = psutil.Process(self.processes[name].pid).net_connections("tcp")
                if any(each.laddr.port in ports for each in connections):
                    return name
            return None

        return wait_until(found, timeout_s=20, what=f"a relay of {service}")

    def log(self, name: str) -> str:
        path = self.settings.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def spawn(self, name: str, environment: Mapping[str, str]) -> None:
        """Start a process without waiting for anything."""
        assert name not in self.processes or self.has_died(name), f"{name} is running"
        parts = [part for part in name.split() if not part.isdigit()]
        with (self.settings.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.support.pipeline", *parts],
                cwd=REPOSITORY,
                env={**os.environ, **self._environment, **self.extra, **environment},
                stdout=log,
                stderr=log,
            )

    @property
    def _environment(self) -> dict[str, str]:
        names = ("home", "amqp_url", "database_url", "exchange", "http_port", "db_pool_size")
        return {f"SIGNPOST_{name.upper()}": str(getattr(self.settings, name)) for name in names}

    def _starts(self, name: str) -> int:
        return self.log(name).count('"worker_started"')

    def _ports_of_lock(self, service: str) -> set[int]:
        database = self.databases[service].engine.url.database
        held = (
            "SELECT a.client_port FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            "JOIN pg_stat_activity a ON a.pid = l.pid "
            "WHERE l.locktype = 'advisory' AND l.granted AND d.datname = %s"
        )
        with psycopg.connect(self.server, autocommit=True) as admin:
            return {row[0] for row in admin.execute(held, [database])}

    # What is in the databases

    def make(self, subjects: Sequence[UUID]) -> set[UUID]:
        """Change each of these once, in one transaction, without the API; the events' ids."""
        with self.databases["ledger"].transaction() as uow:
            return {record_change(subject, uow=uow).event_id for subject in subjects}

    def committed(self) -> list[Change]:
        with self.databases["ledger"].reading() as session:
            return [Change(*row) for row in session.execute(select(changes).order_by(changes.c.at))]

    def arrived(self, service: str, *, alone: bool = True) -> Arrivals:
        with self.databases[service].reading() as session:
            columns = (arrivals.c.change_id, arrivals.c.subject_id, arrivals.c.version, arrivals.c.at)
            applied = [Change(*row) for row in session.execute(select(*columns).order_by(arrivals.c.position))]
            rows = session.execute(select(standings.c.subject_id, standings.c.version))
            final = {row.subject_id: row.version for row in rows}
        return Arrivals(service, applied, alone, final)

    def left_behind(self) -> int:
        """Rows that wait in an outbox or were not applied."""
        return sum(self.unpublished().values()) + sum(self.unapplied().values())

    def unpublished(self) -> Counter[str]:
        return Counter({name: outbox_backlog(database)[0] for name, database in self.databases.items()})

    def unapplied(self) -> Counter[str]:
        """Parked and dead events, by state."""
        found: Counter[str] = Counter()
        statement = select(inbox.c.state).where(inbox.c.state != "applied")
        for database in self.databases.values():
            with database.reading() as session:
                found.update(session.execute(statement).scalars())
        return found

    def wait_arrived(self, wanted: Collection[UUID], *services: str, timeout_s: float = 30.0) -> None:
        """Until these changes, by event id, were applied in the services; by default in both."""

        def arrived() -> bool:
            return all(set(wanted) <= {each.event_id for each in self.arrived(name).applied} for name in services)

        services = services or SERVICES
        wait_until(arrived, timeout_s=timeout_s, what=f"{len(wanted)} changes in {', '.join(services)}")

    def wait_settled(self, *, timeout_s: float = 60.0, but: int = 0) -> float:
        """
        Until every change is applied in both services and nothing waits; seconds it took.

        Args:
            but: So many changes will not be applied.
        """
        begun = time.monotonic()

        def settled() -> bool:
            try:
                expected = self._rows("ledger", changes) - but
                done = all(self._rows(name, arrivals) >= expected for name in SERVICES)
                return done and not sum(self.unpublished().values()) and not self.unapplied()["parked"]
            except DatabaseAway:
                return False

        wait_until(settled, timeout_s=timeout_s, what="every change to be applied")
        return time.monotonic() - begun

    def counts(self, *, alone: bool = True, of: Collection[UUID] = ()) -> Counts:
        """
        Args:
            alone: One worker took all of mirror's events; ledger's own are always shared.
            of: Count the changes of these subjects alone.
        """

        def chosen(found: Sequence[Change]) -> list[Change]:
            return [each for each in found if not of or each.subject_id in of]

        arrived = [self.arrived("mirror", alone=alone), self.arrived("ledger", alone=False)]
        return count(
            chosen(self.committed()),
            [replace(group, applied=chosen(group.applied)) for group in arrived],
            answered=[event for event, subject in self.answered.items() if not of or subject in of],
            left_behind=self.left_behind(),
        )

    def cut_sessions(self) -> None:
        """End every session in the databases, those of the test too."""
        names = [str(database.engine.url.database) for database in self.databases.values()]
        with psycopg.connect(self.server, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)", [names])

    def _rows(self, service: str, table: object) -> int:
        with self.databases[service].reading() as session:
            return session.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for database in self.databases.values():
            database.dispose()


def declare_queues(settings: Settings, *, delivery_limit: str | None) -> None:
    """What `signpost topology apply` does for a deployment."""
    limit = int(delivery_limit or topology.DELIVERY_LIMIT)
    with patch.object(topology, "DELIVERY_LIMIT", limit), channel_to(str(settings.amqp_url)) as channel:
        topology.Topology.of(settings.exchange, groups(), log=topology.EventLog.of(settings)).apply(channel)


@contextmanager
def pipeline(
    folder: Path, *, server: str, amqp_url: str, database_url: str, extra: Mapping[str, str] | None = None
) -> Iterator[Pipeline]:
    """
    A pipeline with its tables made and nothing started.

    Args:
        amqp_url: Of a virtual host; queues are named after an exchange of the pipeline's own.
    """
    settings = embedded_settings(
        folder,
        amqp_url=amqp_url,
        database_url=database_url,
        exchange=f"faults.{uuid4().hex[:8]}",
        http_port=free_port(),
        db_pool_size=6,
    )
    folder.mkdir(parents=True, exist_ok=True)
    prepare(settings)
    declare_queues(settings, delivery_limit=(extra or {}).get(DELIVERY_LIMIT_VARIABLE))
    with ExitStack() as stack:
        databases = {name: Database.open(settings, name) for name in SERVICES}
        waker = NotifyWaker(databases["ledger"])
        stack.callback(waker.close)
        databases["ledger"].wakers.append(waker.wake)
        opened = Pipeline(settings, server, databases, extra or {})
        stack.callback(opened.close)
        try:
            yield opened
        except BaseException:
            for name in opened.processes:
                print(f"--- {name}\n{opened.log(name)[-3000:]}")
            raise


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status in (200, 503)
    except OSError:
        return False
    finally:
        connection.close()
