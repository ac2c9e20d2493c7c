"""Webhooks: a receiver down for an hour, one that fails now and then, and the worker killed while it sends."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from services.composition import consumer_groups
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import handlers, schemas
from services.gateway.webhooks.tables import deliveries
from shared.clock import SystemClock
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.events.envelope import Envelope
from shared.events.plans import PlanSubmitted
from shared.messaging.message import Message
from shared.messaging.rabbitmq.client import RabbitBroker, channel_to
from shared.messaging.rabbitmq.topology import EventLog, Topology
from shared.testing.databases import postgres_urls
from tests.faults.conftest import Faults
from tests.support.counting import Counts
from tests.support.receivers import Answer, Receiver, receiver
from tests.support.running_pipeline import REPOSITORY
from tests.support.waiting import wait_until
from tests.unit.gateway.webhooks import ADMIN, OWNER, Hooks, hooks_in

PROMISE = "webhooks"
DOWN, FINE = Answer(500), Answer(204)


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hooks]:
    with hooks_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def counted(hooks: Hooks, endpoint: UUID, events: Sequence[str], accepted: Sequence[str]) -> Counts:
    """
    Args:
        accepted: Ids that the receiver said yes to, each time it did.
    """
    states, times = hooks.states(endpoint), Counter(accepted)
    return Counts(
        changes=len(events),
        lost=sum(states[event] != "delivered" or not times[event] for event in events),
        doubled=sum(times.values()) - len(times.keys() & set(events)),
    )


class TestReceiver:
    def test_down_for_an_hour_gets_everything_with_the_same_ids(
        self, faults: Faults, hooks: Hooks, there: Receiver
    ) -> None:
        count = faults.times(24, 1_000)
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        back_at = began + timedelta(hours=1)
        accepted: list[str] = []

        def behave(got: object) -> Answer:
            if hooks.clock.now() < back_at:
                return DOWN
            accepted.append(got.event_id)  # type: ignore[attr-defined]
            return FINE

        there.behave = behave
        events = []
        for _ in range(count):
            events.append(hooks.happens())
            hooks.send_until(hooks.clock.now() + timedelta(hours=1) / count)
        hooks.send_until(began + timedelta(hours=12))

        bodies: dict[str, set[bytes]] = {}
        for got in there.got:
            bodies.setdefault(got.event_id, set()).add(got.body)
        assert all(len(found) == 1 for found in bodies.values()), "an id was sent with another body"
        assert hooks.row(endpoint).state == "active"
        faults.judge(
            PROMISE,
            f"receiver down for an hour, {len(there.got):,} tries",
            counted(hooks, endpoint, events, accepted),
        )

    def test_that_fails_now_and_then_is_never_given_up(self, faults: Faults, hooks: Hooks, there: Receiver) -> None:
        days, every_h = faults.times(7, 28), 6
        endpoint = hooks.endpoint(there.url)
        tries: Counter[str] = Counter()
        accepted: list[str] = []

        def behave(got: object) -> Answer:
            tries[got.event_id] += 1  # type: ignore[attr-defined]
            if tries[got.event_id] % 3:  # type: ignore[attr-defined]
                return DOWN
            accepted.append(got.event_id)  # type: ignore[attr-defined]
            return FINE

        there.behave = behave
        events = []
        for _ in range(days * 24 // every_h):
            events.append(hooks.happens())
            hooks.send_until(hooks.clock.now() + timedelta(hours=every_h))

        assert hooks.row(endpoint).state == "active"
        assert "disabled" not in hooks.changes(endpoint)
        faults.judge(PROMISE, f"two of three tries fail for {days} days", counted(hooks, endpoint, events, accepted))


@dataclass
class GatewayWorker:
    """The gateway's worker in a process of its own, on RabbitMQ and PostgreSQL."""

    settings: GatewaySettings
    database: Database
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        before = self.starts
        names = ("home", "amqp_url", "database_url", "exchange", "webhook_allow_local")
        environment = {f"SIGNPOST_{name.upper()}": str(getattr(self.settings, name)) for name in names}
        with self.log.open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.support.gateway_worker"],
                    cwd=REPOSITORY,
                    env=os.environ | environment,
                    stdout=log,
                    stderr=log,
                )
            )
        wait_until(lambda: self.starts > before, timeout_s=60, what="the gateway's worker")

    def kill(self) -> None:
        self.running[-1].kill()
        self.running[-1].wait()

    @property
    def log(self) -> Path:
        return self.settings.home / "gateway.log"

    @property
    def starts(self) -> int:
        return self.log.read_text().count('"worker_started"') if self.log.exists() else 0

    def endpoint(self, url: str) -> None:
        draft = schemas.EndpointDraft(url=url, events=["plans.plan.*"], owner_id=OWNER.person_id)
        with self.database.transaction() as uow:
            handlers.register(draft, principal=ADMIN, settings=self.settings, uow=uow)

    def happen(self, count: int) -> list[str]:
        """Events of the plans service reach the broker; their ids."""
        batch = [_submitted() for _ in range(count)]
        broker = RabbitBroker(str(self.settings.amqp_url), exchange=self.settings.exchange)
        broker.publish(batch)
        broker.close()
        return [str(message.event_id) for message in batch]

    def delivered(self) -> int:
        with self.database.reading() as session:
            done = select(func.count()).select_from(deliveries).where(deliveries.c.state == "delivered")
            return session.execute(done).scalar_one()

    def close(self) -> None:
        for worker in self.running:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        self.database.dispose()


@contextmanager
def gateway_worker(home: Path, server: str, amqp_url: str) -> Iterator[GatewayWorker]:
    with ExitStack() as stack:
        where = {
            "home": home,
            "amqp_url": amqp_url,
            "database_url": stack.enter_context(postgres_urls(server, ["gateway"])),
            "exchange": f"faults.{uuid4().hex[:8]}",
            "webhook_allow_local": True,
        }
        settings = GatewaySettings.model_validate(where)
        migrate(settings, "gateway")
        with channel_to(amqp_url) as channel:
            Topology.of(settings.exchange, consumer_groups(), log=EventLog.of(settings)).apply(channel)
        worker = GatewayWorker(settings, Database.open(settings, "gateway"))
        stack.callback(worker.close)
        yield worker
        print(worker.log.read_text()[-4000:])


class TestKilledWorker:
    def test_loses_no_delivery_and_repeats_only_with_the_same_id(
        self, faults: Faults, tmp_path: Path, there: Receiver, postgres_server: str, vhost: str
    ) -> None:
        kills, portion = faults.times(1, 20), 100
        events: list[str] = []
        with gateway_worker(tmp_path, postgres_server, vhost) as worker:
            worker.start()
            worker.endpoint(there.url)
            for number in range(kills):
                faults.say(f"kill {number + 1} of {kills}, {worker.delivered()} of {len(events)} delivered")
                release = threading.Event()
                asked = len(there.got)
                there.behave = lambda _, until=release: Answer(until=until)  # type: ignore[misc]
                events += worker.happen(portion)
                wait_until(lambda: len(there.got) >= asked + 5, timeout_s=60, what="deliveries to be under way")  # noqa: B023
                worker.kill()  # the receiver has read them, and nobody hears what it answers
                release.set()
                there.behave = lambda _: FINE
                worker.start()
                # One loss each: after a second the schedule waits for five minutes.
                wait_until(lambda: worker.delivered() == len(events), timeout_s=120, what="every delivery")  # noqa: B023

            times = Counter(there.ids)
            assert set(times) == set(events), "an id that no event has"
            repeated = sum(times.values()) - len(times)
            assert repeated > 0, "nothing was under way when it was killed"
            faults.judge(
                PROMISE,
                f"worker killed {kills} times while sending; {repeated} repeated, each with its id",
                Counts(changes=len(events), lost=len(set(events) - times.keys())),
            )


def _submitted() -> Message:
    event = PlanSubmitted(plan_id=uuid4(), student_id=uuid4(), version=2, actor_id=uuid4())
    envelope = Envelope(
        id=uuid4(),
        type=event.event_type,
        subject=event.subject_id,
        subject_version=2,
        time=SystemClock().now(),
        correlation_id=uuid4(),
    )
    return Message(headers=envelope.headers(), body=event.model_dump_json(exclude_none=True).encode())
