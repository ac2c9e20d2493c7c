"""Worker processes of their own: killed at any moment, stopped politely, without their database or broker."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
import requests

from shared.database.database import Database
from shared.messaging.rabbitmq.client import channel_to
from shared.messaging.rabbitmq.topology import Topology
from shared.messaging.relay import outbox_backlog
from shared.messaging.wake import Waker
from shared.messaging.worker.process import GroupsMissing, run_workers
from shared.settings import Settings
from shared.testing.databases import embedded_settings, postgres_urls
from shared.testing.deployment import free_port
from tests.support.chaos import Chaos
from tests.support.ledger import LedgerService, count, emit, groups, noted, open_ledger, prepare, ticks
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Workers:
    """The ledger and the mirror as processes, and their databases as the API sees them."""

    settings: Settings
    environment: Mapping[str, str]
    ledger: Database
    mirror: Database
    waker: Waker
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ledger"],
            cwd=REPOSITORY,
            env=os.environ | self.environment,
            stderr=(self.settings.home / "log").open("ab"),
        )
        self.running.append(worker)
        return worker

    def started(self) -> subprocess.Popen[bytes]:
        """Start one and return once it works."""
        before = self.log().count("worker_started")
        worker = self.start()
        wait_until(lambda: self.log().count("worker_started") > before, timeout_s=15, what="the worker")
        return worker

    def log(self) -> str:
        path = self.settings.home / "log"
        return path.read_text() if path.exists() else ""

    def assert_all_noted_once(self, ids: list[UUID], *, timeout_s: float = 15) -> None:
        for database in (self.ledger, self.mirror):
            wait_until(lambda db=database: len(set(noted(db))) >= len(ids), timeout_s=timeout_s, what=database.service)  # type: ignore[misc]
            found = Counter(noted(database))
            assert found.keys() == set(ids)
            assert max(found.values()) == 1, "applied twice"

    def close(self) -> None:
        for worker in self.running:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        self.waker.close()
        self.ledger.dispose()
        self.mirror.dispose()


@contextmanager
def workers_on(settings: Settings) -> Iterator[Workers]:
    environment = {"SIGNPOST_HOME": str(settings.home)}
    for name in ("amqp_url", "database_url", "worker_http_port"):
        if value := getattr(settings, name):
            environment[f"SIGNPOST_{name.upper()}"] = str(value)
    prepare(settings)
    ledger, waker = open_ledger(settings)
    workers = Workers(settings, environment, ledger, Database.open(settings, "mirror"), waker)
    try:
        yield workers
    finally:
        workers.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Workers]:
    with workers_on(embedded_settings(tmp_path)) as workers:
        yield workers


def with_queues(amqp_url: str) -> str:
    """The virtual host, with the queues of both services in it: workers make none."""
    with channel_to(amqp_url) as channel:
        Topology.of(Settings().exchange, groups()).apply(channel)
    return amqp_url


@pytest.fixture
def broker_url(amqp_url: str) -> str:
    return with_queues(amqp_url)


@pytest.fixture
def real(tmp_path: Path, broker_url: str, postgres_server: str) -> Iterator[Workers]:
    with (
        postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url,
        workers_on(embedded_settings(tmp_path, amqp_url=broker_url, database_url=database_url)) as workers,
    ):
        yield workers


@pytest.fixture(params=["embedded", "real"])
def workers(request: pytest.FixtureRequest) -> Workers:
    found: Workers = request.getfixturevalue(request.param)
    return found


class Writer(threading.Thread):
    """Goes on committing changes, a few events at a time, whatever happens to the workers."""

    def __init__(self, database: Database, *, events: int, per_second: float) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._events = events
        self._pause_s = 5 / per_second
        self.ids: list[UUID] = []

    def run(self) -> None:
        pause = threading.Event()
        while len(self.ids) < self._events:
            self.ids += emit(self._database, 5)
            pause.wait(self._pause_s)


class TestKilledWorkers:
    def test_lose_nothing_and_double_nothing(self, workers: Workers) -> None:
        randomness = random.Random(4)
        writer = Writer(workers.ledger, events=2000, per_second=400)
        pause = threading.Event()
        worker = workers.started()
        writer.start()

        for _ in range(5):
            pause.wait(randomness.uniform(0.05, 0.6))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker = workers.started()
        writer.join()

        workers.assert_all_noted_once(writer.ids)
        assert outbox_backlog(workers.ledger) == (0, 0.0)

    def test_leave_their_turn_to_another(self, real: Workers) -> None:
        first = real.started()
        ids = emit(real.ledger, 10)
        real.assert_all_noted_once(ids)
        real.started()

        first.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        ids += emit(real.ledger, 10)
        real.assert_all_noted_once(ids)

        assert time.monotonic() - begun < 3


class TestStoppedWorkers:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_finish_what_they_have_in_hand(self, workers: Workers, number: signal.Signals) -> None:
        writer = Writer(workers.ledger, events=600, per_second=600)
        worker = workers.started()
        writer.start()
        wait_until(lambda: len(writer.ids) > 200, timeout_s=10, what="some writes")

        worker.send_signal(number)
        begun = time.monotonic()
        assert worker.wait(20) == 0
        assert time.monotonic() - begun < 10
        writer.join()
        assert "killing" not in workers.log()
        workers.started()

        workers.assert_all_noted_once(writer.ids)

    def test_stop_while_they_wait_for_the_broker(self, tmp_path: Path, postgres_server: str) -> None:
        with (
            postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url,
            workers_on(
                embedded_settings(tmp_path, amqp_url="amqp://guest:guest@127.0.0.1:9/", database_url=database_url)
            ) as workers,
        ):
            worker = workers.start()
            wait_until(lambda: "waiting_for_broker" in workers.log(), timeout_s=15, what="the worker to wait")

            worker.send_signal(signal.SIGTERM)

            assert worker.wait(5) == 0


class TestWorkers:
    def test_refuse_to_leave_a_service_out_when_embedded(self, tmp_path: Path) -> None:
        with pytest.raises(GroupsMissing, match="Not hosted here: mirror"):
            run_workers(embedded_settings(tmp_path), [LedgerService], groups=groups())

    def test_hear_of_a_commit_at_once(self, workers: Workers) -> None:
        workers.started()
        workers.assert_all_noted_once(ids := emit(workers.ledger, 1))
        taken: list[float] = []

        for _ in range(15):
            begun = time.monotonic()
            ids += emit(workers.ledger, 1)
            wait_until(lambda: len(noted(workers.mirror)) == len(ids), timeout_s=5, what="it", interval_s=0.002)  # noqa: B023
            taken.append(time.monotonic() - begun)

        assert sorted(taken)[7] < 0.3, "slower than a wake-up; polling would take half a second"

    def test_do_periodic_work(self, workers: Workers) -> None:
        workers.started()

        wait_until(lambda: count(workers.ledger, ticks) == 1, timeout_s=5, what="the tick")

    def test_go_on_when_broker_and_database_come_back(
        self, tmp_path: Path, broker_url: str, postgres_server: str
    ) -> None:
        with (
            Chaos(urlsplit(broker_url).port or 5672) as proxy,
            postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url,
        ):
            settings = embedded_settings(
                tmp_path, amqp_url=proxy.before(broker_url), database_url=database_url, worker_http_port=free_port()
            )
            with workers_on(settings) as workers:
                worker = workers.started()
                ids = emit(workers.ledger, 20)
                workers.assert_all_noted_once(ids)
                wait_until(lambda: missing(settings) == [], timeout_s=5, what="the worker to be ready")

                proxy.fault = "refuse"
                proxy.reset()
                ids += emit(workers.ledger, 20)
                wait_until(lambda: len(missing(settings)) == 4, timeout_s=10, what="the worker to miss its queues")
                proxy.fault = "none"
                workers.assert_all_noted_once(ids)
                wait_until(lambda: missing(settings) == [], timeout_s=15, what="the worker to be ready again")

                cut_sessions(postgres_server, workers)
                ids += emit(workers.ledger, 20)
                workers.assert_all_noted_once(ids)

                assert worker.poll() is None, "it should not need a restart"


def missing(settings: Settings) -> list[str]:
    """What the worker says it is waiting for."""
    found: list[str] = requests.get(f"http://127.0.0.1:{settings.worker_http_port}/readyz", timeout=5).json()["missing"]
    return found


def cut_sessions(server: str, workers: Workers) -> None:
    """End every session in both databases, and what the test itself holds with them."""
    names = [str(each.engine.url.database) for each in (workers.ledger, workers.mirror)]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)", [names])
