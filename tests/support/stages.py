"""The same engine on two grounds: embedded with SQLite, and RabbitMQ with PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sqlalchemy import text

from shared.database.database import Database, DatabaseAway
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import PlanApproved
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.consumer import Consumer
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.message import Message
from shared.messaging.rabbitmq.client import RabbitBroker, RabbitSource, channel_to
from shared.messaging.rabbitmq.topology import Topology
from shared.messaging.reactions import Reactions, Received, combine, reaction
from shared.messaging.relay import Relay, turn_for
from shared.messaging.tables import inbox
from shared.settings import Settings
from tests.support.chaos import Chaos
from tests.support.ledger import count, note_approval, noted, prepare

GROUP = "mirror"
BATCH = 50
Fault = Callable[[Received[PlanApproved], UnitOfWork], None]


@dataclass
class Stage:
    """
    `ledger` writes events, `mirror` notes them. Tests say when the relay and the consumer move.

    `before_noting` is called within each reaction and may raise.
    """

    settings: Settings
    ledger: Database
    mirror: Database
    before_noting: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.consumer = self.consumer_on(self.mirror)
        self.relay = self.relay_through(self.broker())

    @property
    def reactions(self) -> Reactions:
        return combine([reaction(PlanApproved, self._note)])

    def consumer_on(self, database: Database, *, max_attempts: int = 3) -> Consumer:
        return Consumer(database, group=GROUP, reactions=self.reactions, max_attempts=max_attempts)

    def relay_through(self, broker: Broker) -> Relay:
        return Relay(self.ledger, broker, batch=BATCH, turn=turn_for(self.ledger))

    def broker(self) -> Broker:
        raise AssertionError("a ground says which")

    def receive(self, *, until: Callable[[], bool]) -> None:
        """Have the consumer take what the broker holds for its group."""

    def break_broker(self) -> None:
        raise AssertionError("a ground says how")

    def repair_broker(self) -> None:
        raise AssertionError("a ground says how")

    def lose_database(self, received: Received[PlanApproved], uow: UnitOfWork) -> None:
        """A fault for `before_noting`: the session ends under the handler."""

    def settle(self, recorded: int) -> None:
        """Publish all, and have the consumer take messages until it has recorded so many."""
        self.relay.drain()
        self.receive(until=lambda: self.recorded() >= recorded)

    def noted(self) -> Sequence[object]:
        return noted(self.mirror)

    def recorded(self) -> int:
        return count(self.mirror, inbox)

    def close(self) -> None:
        self.relay.close()
        self.ledger.dispose()
        self.mirror.dispose()

    def _note(self, received: Received[PlanApproved], *, uow: UnitOfWork) -> None:
        for fault in self.before_noting:
            fault(received, uow)
        note_approval(received, uow=uow)


class EmbeddedStage(Stage):
    def __post_init__(self) -> None:
        self.broken = False
        super().__post_init__()

    def broker(self) -> Broker:
        embedded = EmbeddedBroker(expected=[GROUP])
        embedded.subscribe(GROUP, self.reactions, self._deliver)
        return embedded

    def break_broker(self) -> None:
        self.broken = True

    def repair_broker(self) -> None:
        self.broken = False

    def lose_database(self, received: Received[PlanApproved], uow: UnitOfWork) -> None:
        raise DatabaseAway("the disk is full")

    def _deliver(self, batch: Sequence[Message]) -> None:
        if self.broken:
            raise BrokerAway("told to")
        self.consumer.apply(batch)


class RabbitStage(Stage):
    def __post_init__(self) -> None:
        self.proxy = Chaos(urlsplit(self.url).port or 5672).__enter__()
        self.topology = Topology.of(self.settings.exchange, {GROUP: self.reactions})
        with channel_to(self.url) as channel:
            self.topology.apply(channel)
        super().__post_init__()

    @property
    def url(self) -> str:
        return str(self.settings.amqp_url)

    def broker(self) -> Broker:
        return RabbitBroker(self.proxy.before(self.url), exchange=self.settings.exchange)

    def source(self, queue: str | None = None) -> RabbitSource:
        return RabbitSource(self.url, queue=queue or self.topology.queue(GROUP), batch=BATCH)

    def receive(self, *, until: Callable[[], bool]) -> None:
        self.source().run(self.consumer.apply, stopping=until)

    def break_broker(self) -> None:
        self.proxy.fault = "refuse"
        self.proxy.reset()

    def repair_broker(self) -> None:
        self.proxy.fault = "none"

    def lose_database(self, received: Received[PlanApproved], uow: UnitOfWork) -> None:
        uow.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def held(self, queue: str) -> int:
        """Messages in a queue that nobody has in hand."""
        with channel_to(self.url) as channel:
            messages: int = channel.queue_declare(queue, passive=True).message_count
        return messages

    def close(self) -> None:
        super().close()
        self.proxy.__exit__()


@contextmanager
def staged(kind: type[Stage], settings: Settings) -> Iterator[Stage]:
    prepare(settings)
    stage = kind(settings, Database.open(settings, "ledger"), Database.open(settings, GROUP))
    try:
        yield stage
    finally:
        stage.close()
