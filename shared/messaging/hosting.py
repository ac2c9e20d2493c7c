"""How nameko hosts a service's worker: our own entrypoint and loops on its containers."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import eventlet
from eventlet.event import Event as Done
from nameko import config
from nameko.extensions import DependencyProvider, Entrypoint

from shared.auth.projection import ACCESS_REACTIONS
from shared.database.database import Database, DatabaseAway
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.consumer import Consumer
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.message import Message
from shared.messaging.rabbitmq import RabbitSource
from shared.messaging.reactions import Reaction, Reactions, combine, reaction
from shared.messaging.relay import Relay, turn_for
from shared.messaging.topology import Topology
from shared.messaging.wake import channel_of
from shared.settings import Settings
from shared.telemetry.logs import get_logger

__all__ = ["EventService", "Tick", "every", "reaction"]

CONFIG_KEY = "SIGNPOST"
POLL_S = 1.0
LONGEST_WAIT_S = 10.0
log = get_logger(__name__)


@dataclass(frozen=True)
class Tick:
    """What a periodic function is given."""

    database: Database
    settings: Settings

    @property
    def clock(self) -> Any:
        return self.database.clock


@dataclass(frozen=True)
class Periodic:
    """Work found in the database: looked for at intervals, and at once after a batch was applied."""

    interval_s: float
    run: Callable[[Tick], int]


def every(interval_s: float, run: Callable[[Tick], int]) -> Periodic:
    """
    Declare periodic work of a worker.

    Args:
        run: Does a portion of the work and returns how much; called again at once while it
            returns more than 0. Must claim rows in the database, as every replica calls it.
    """
    return Periodic(interval_s, run)


@dataclass
class Hosting:
    """What a worker process is given from outside, by service name."""

    settings: Settings
    databases: dict[str, Database]
    broker: Callable[[], Broker]
    topology: Topology
    embedded: EmbeddedBroker | None = None
    applied: dict[str, list[Callable[[], None]]] = field(default_factory=lambda: defaultdict(list))

    def install(self) -> None:
        """Make this what nameko's containers find when they start."""
        config[CONFIG_KEY] = self

    @staticmethod
    def installed() -> "Hosting":
        hosting: Hosting = config[CONFIG_KEY]
        return hosting

    def has_applied(self, service: str) -> None:
        """Tell a service's periodic work that a batch may have made some."""
        for wake in self.applied[service]:
            wake()


class Wake:
    """A signal between greenlets: many sets before a wait count as one."""

    def __init__(self) -> None:
        self._done = Done()

    def set(self) -> None:
        if not self._done.ready():
            self._done.send()

    def wait(self, timeout_s: float) -> None:
        with eventlet.Timeout(timeout_s, False):
            self._done.wait()
        if self._done.ready():
            self._done = Done()


class AppliedBatches(DependencyProvider):
    """Gives the service its consumer: inbox, reactions and follow-on events in one transaction."""

    def get_dependency(self, worker_ctx: Any) -> Consumer:
        return self.consumer

    def setup(self) -> None:
        hosting, service = Hosting.installed(), self.container.service_cls
        self.consumer: Consumer = service.consumer(hosting.databases[service.name], hosting.settings)


class EventBatches(Entrypoint):
    """
    Fires its method with each batch of messages, and acknowledges once the method returned.

    While the database is away the batch stays unacknowledged and is tried again with
    backoff: nothing is requeued, nothing more is fetched.
    """

    def setup(self) -> None:
        self.hosting = Hosting.installed()
        self.group: str = self.container.service_name
        self.stopping = False
        self.loops: list[Any] = []
        if self.hosting.embedded is not None:
            self.hosting.embedded.subscribe(self.group, self.container.service_cls.reactions(), self.deliver)

    def start(self) -> None:
        if self.hosting.embedded is None:
            for queue in (self.hosting.topology.queue(self.group), self.hosting.topology.dead_queue(self.group)):
                self._loop(partial(self._consume, queue))
        self._loop(self._retry_parked)

    def stop(self) -> None:
        """Take nothing more; return once what was taken is committed and acknowledged."""
        self.stopping = True
        for loop in self.loops:
            loop.wait()

    def _loop(self, run: Callable[[], None]) -> None:
        self.loops.append(self.container.spawn_managed_thread(run))

    def deliver(self, batch: Sequence[Message]) -> None:
        """Have a nameko worker apply the batch. Raises DatabaseAway."""
        done = Done()

        def finished(worker_ctx: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
            if exc_info:
                done.send_exception(exc_info[1])
            else:
                done.send(result)
            return result, None  # the failure is ours to handle; nameko would end the container

        self.container.spawn_worker(self, (batch,), {}, handle_result=finished)
        done.wait()
        self.hosting.has_applied(self.group)

    def _consume(self, queue: str) -> None:
        settings = self.hosting.settings
        source = RabbitSource(str(settings.amqp_url), queue=queue, batch=settings.consumer_batch)
        wait_s = 0.5
        while not self.stopping:
            try:
                source.run(lambda batch: self._deliver_patiently(batch, source), stopping=lambda: self.stopping)
            except BrokerAway as error:
                log.warning("broker_away", queue=queue, error=str(error), retry_in_s=wait_s)
                eventlet.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _deliver_patiently(self, batch: Sequence[Message], source: RabbitSource) -> None:
        wait_s = 0.2
        while True:
            try:
                return self.deliver(batch)
            except DatabaseAway as error:
                if self.stopping:
                    raise BrokerAway("stopping while the database is away") from error
                log.warning("database_away", consumer=self.group, waiting=len(batch), retry_in_s=wait_s)
                eventlet.sleep(wait_s)
                source.keep_alive()
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _retry_parked(self) -> None:
        service = self.container.service_cls
        consumer: Consumer = service.consumer(self.hosting.databases[service.name], self.hosting.settings)
        while not self.stopping:
            eventlet.sleep(POLL_S)
            try:
                if consumer.retry_due():
                    self.hosting.has_applied(self.group)
            except DatabaseAway as error:
                log.warning("database_away", consumer=self.group, error=str(error))


event_batches = EventBatches.decorator


class RelayLoop(DependencyProvider):
    """Publishes the outbox: woken by commits here and elsewhere, polling as the net."""

    def setup(self) -> None:
        self.hosting = Hosting.installed()
        self.database = self.hosting.databases[self.container.service_name]
        self.wake = Wake()
        self.stopping = False
        self.database.wakers.append(self.wake.set)

    def start(self) -> None:
        self.container.spawn_managed_thread(self._run)
        if not self.database.is_sqlite:
            self.container.spawn_managed_thread(self._listen)

    def stop(self) -> None:
        self.stopping = True
        self.wake.set()

    def _run(self) -> None:
        relay = Relay(
            self.database,
            self.hosting.broker(),
            batch=self.hosting.settings.outbox_batch,
            turn=turn_for(self.database),
        )
        wait_s = 0.2
        while not self.stopping:
            try:
                relay.drain()
                wait_s = 0.2
            except (BrokerAway, DatabaseAway) as error:
                log.warning("relay_waits", service=self.database.service, error=str(error), retry_in_s=wait_s)
                eventlet.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S / 2)
                continue
            self.wake.wait(POLL_S)
        relay.close()

    def _listen(self) -> None:
        """Wait for PostgreSQL's NOTIFY on a connection of its own."""
        while not self.stopping:
            try:
                connection = self.database.engine.raw_connection()
            except Exception as error:
                log.warning("listen_failed", service=self.database.service, error=type(error).__name__)
                eventlet.sleep(POLL_S)
                continue
            try:
                driver: Any = connection.driver_connection
                driver.autocommit = True
                driver.execute(f"LISTEN {channel_of(self.database.service)}")
                while not self.stopping:
                    # The hub waits for the socket; psycopg then only reads what is there.
                    with eventlet.Timeout(POLL_S * 5, False):
                        eventlet.hubs.trampoline(driver.fileno(), read=True)
                    for _ in driver.notifies(timeout=0):
                        self.wake.set()
            except Exception as error:
                log.warning("listen_broken", service=self.database.service, error=type(error).__name__)
                eventlet.sleep(POLL_S)
            finally:
                connection.invalidate()


class PeriodicLoops(DependencyProvider):
    """Runs the service's periodic work."""

    def setup(self) -> None:
        self.hosting = Hosting.installed()
        self.stopping = False
        self.database = self.hosting.databases[self.container.service_name]

    def start(self) -> None:
        for periodic in self.container.service_cls.periodic():
            self.container.spawn_managed_thread(partial(self._run, periodic))

    def stop(self) -> None:
        self.stopping = True

    def _run(self, periodic: Periodic) -> None:
        service: type[EventService] = self.container.service_cls
        tick = Tick(self.database, self.hosting.settings.specialized(service.settings_class))
        wake = Wake()
        self.hosting.applied[self.database.service].append(wake.set)
        while not self.stopping:
            try:
                while periodic.run(tick) and not self.stopping:
                    eventlet.sleep(0)
            except DatabaseAway as error:
                log.warning("database_away", service=self.database.service, error=str(error))
                eventlet.sleep(POLL_S)
            except Exception:
                log.exception("periodic_failed", service=self.database.service)
                eventlet.sleep(POLL_S)
            wake.wait(periodic.interval_s)


class EventService:
    """
    Base of every worker: declare reactions and periodic work as class attributes, one line each.

    `settings_class` is what its periodic work finds in `Tick.settings`.

    Every service also keeps the relationship projection that its authorization reads.
    """

    name: ClassVar[str]
    settings_class: ClassVar[type[Settings]] = Settings

    consumer_of_batches = AppliedBatches()
    relay = RelayLoop()
    loops = PeriodicLoops()

    @event_batches
    def apply_batch(self, batch: Sequence[Message]) -> None:
        consumer: Consumer = self.consumer_of_batches  # type: ignore[assignment]  # nameko injects what it provides
        consumer.apply(batch)

    @classmethod
    def reactions(cls) -> Reactions:
        access = [reaction(contract, apply) for contract, apply in ACCESS_REACTIONS.items()]
        return combine([*access, *_declared(cls, Reaction)])

    @classmethod
    def periodic(cls) -> list[Periodic]:
        return _declared(cls, Periodic)

    @classmethod
    def consumer(cls, database: Database, settings: Settings) -> Consumer:
        return Consumer(database, group=cls.name, reactions=cls.reactions(), max_attempts=settings.max_attempts)


def _declared(cls: type, kind: type[Any]) -> list[Any]:
    """Class attributes of one kind, alone or in tuples, in the order of declaration."""
    found = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    values = [each for value in found.values() for each in (value if isinstance(value, tuple) else (value,))]
    return [value for value in values if isinstance(value, kind)]
