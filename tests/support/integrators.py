"""A broker with the whole topology, a gateway that knows integrators, and a service whose relay publishes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from services.composition import consumer_groups
from services.gateway.integrators import handlers
from services.gateway.integrators.rules import Credentials
from services.gateway.settings import GatewaySettings
from shared.auth.access import Principal
from shared.database.database import Database
from shared.events.contract import Event
from shared.events.plans import PlanApproved, PlanSubmitted
from shared.messaging.rabbitmq import RabbitBroker, channel_to
from shared.messaging.relay import Relay, turn_for
from shared.messaging.topology import EventLog, Topology, waiting_in
from shared.testing.databases import embedded_settings, sqlite_database
from tests.support import engines
from tests.support.ledger import prepare

ADMINISTRATOR = Principal(UUID(int=1), "district_admin")


class Broker:
    """Events go in by `publish`; integrators are added and watched by the rest."""

    def __init__(self, folder: Path, url: str) -> None:
        basic = embedded_settings(folder, amqp_url=url, event_stream=True, integrator_queue_max_mb=1)
        self.settings = basic.specialized(GatewaySettings)
        self.topology = Topology.of(basic.exchange, consumer_groups(), log=EventLog.of(basic))
        self.apply()
        self.gateway = sqlite_database("gateway", folder)
        prepare(basic)
        self.ledger = Database.open(basic, "ledger")
        self.relay = Relay(
            self.ledger, RabbitBroker(url, exchange=basic.exchange), batch=500, turn=turn_for(self.ledger)
        )

    @property
    def url(self) -> str:
        return str(self.settings.amqp_url)

    @property
    def environment(self) -> dict[str, str]:
        """For commands on this deployment."""
        return {
            "SIGNPOST_HOME": str(self.settings.home),
            "SIGNPOST_AMQP_URL": self.url,
            "SIGNPOST_EVENT_STREAM": "true",
            "SIGNPOST_INTEGRATOR_QUEUE_MAX_MB": "1",
        }

    def apply(self) -> None:
        with channel_to(self.url) as channel:
            self.topology.apply(channel)

    def publish(self, *facts: Event) -> list[str]:
        """Through the outbox and the relay; their ids. Versions count up from 1."""
        with self.ledger.transaction() as uow:
            ids = [str(uow.emit(fact, version=number).id) for number, fact in enumerate(facts, 1)]
        self.relay.drain()
        self.relay.close()  # until the next time nobody keeps its connection alive
        return ids

    def add(self, name: str, *events: str, reads_stream: bool = False) -> Credentials:
        return handlers.add(
            name,
            events,
            reads_stream=reads_stream,
            principal=ADMINISTRATOR,
            database=self.gateway,
            settings=self.settings,
        )

    def held(self, queue: str) -> int:
        with channel_to(self.url) as channel:
            return waiting_in(channel, queue)

    def close(self) -> None:
        self.relay.close()
        self.ledger.dispose()
        self.gateway.dispose()


def approvals(number: int, plan_id: UUID | None = None) -> Sequence[Event]:
    """Approvals and submissions of a plan in turn."""
    named = {"plan_id": plan_id or uuid4(), "student_id": uuid4(), "actor_id": uuid4()}
    kinds = (PlanApproved, PlanSubmitted)
    return [kinds[each % 2](**named, version=each + 1) for each in range(number)]


@contextmanager
def broker_on(rabbit: engines.Rabbit, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """In a virtual host of its own; the users that were made for it are deleted with it."""
    for name, value in rabbit.environment.items():  # for rabbitmqctl
        monkeypatch.setenv(name, value)
    with rabbit.vhost() as url:
        try:
            broker = Broker(folder, url)
            try:
                yield broker
            finally:
                broker.close()
        finally:
            rabbit.delete_users_of(urlsplit(url).path.removeprefix("/"))


def taken(credentials: Credentials, number: int) -> list[str]:
    """Ids of so many messages, in order of delivery, fetched and acknowledged as the integrator."""
    with channel_to(credentials.url) as channel:
        found = []
        for _ in range(number):
            message = channel.basic_get(credentials.queue)
            assert message is not None, f"{len(found)} of {number}"
            channel.basic_ack(message.delivery_tag)
            found.append(message.headers["ce-id"])
        assert channel.basic_get(credentials.queue) is None
    return found


def signpost(broker: Broker, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A `signpost` command on this deployment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGNPOST_")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "services.cli", *arguments],
        env=inherited | broker.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
