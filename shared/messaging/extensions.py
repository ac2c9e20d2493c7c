"""What nameko runs for a service: its consumer of batches, its relay and its periodic work."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

import eventlet
from eventlet.event import Event as Done
from eventlet.hubs import trampoline
from nameko import config
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import DependencyProvider, Entrypoint

from shared.database.database import Database, DatabaseAway
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.consumer import Consumer
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.greenlets import Backoff, Stop, Wake
from shared.messaging.message import Message
from shared.messaging.periodic import Periodic, Tick
from shared.messaging.rabbitmq import RabbitSource
from shared.messaging.relay import Relay, turn_for
from shared.messaging.replays import Replayer
from shared.messaging.retention import RETENTION
from shared.messaging.topology import Topology
from shared.messaging.wake import NotifyWaker, channel_of
from shared.settings import Settings
from shared.telemetry.logs import fault, get_logger

CONFIG_KEY = "SIGNPOST"
POLL_S = 1.0
BUSY_S = 0.05  # until a replay looks again whether its group has room
KEEP_ALIVE_S = 5.0
log = get_logger(__name__)


@dataclass
class Hosting:
    """What a worker process is given from outside, by service name."""

    settings: Settings
    databases: dict[str, Database]
    broker: Callable[[], Broker]
    topology: Topology
    embedded: EmbeddedBroker | None = None
    applied: dict[str, list[Callable[[], None]]] = field(default_factory=lambda: defaultdict(list))
    missing: set[str] = field(default_factory=set)  # what the loops are waiting for, for /readyz

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


class BatchConsumer(DependencyProvider):
    """Gives the service its consumer: inbox, reactions and follow-on events in one transaction."""

    def setup(self) -> None:
        hosting, service = Hosting.installed(), self.container.service_cls
        self.consumer: Consumer = service.consumer(hosting.databases[service.name], hosting.settings)

    def get_dependency(self, worker_ctx: Any) -> Consumer:
        return self.consumer


class EventBatches(Entrypoint):
    """
    Fires its method with each batch of messages, and acknowledges once the method returned.

    While the database is away the batch stays unacknowledged and is tried again with
    backoff: nothing is requeued, nothing more is fetched.
    """

    def setup(self) -> None:
        self.hosting = Hosting.installed()
        self.group: str = self.container.service_name
        self.stopping = Stop()
        self.loops: list[Any] = []
        if self.hosting.embedded is not None:
            self.hosting.embedded.subscribe(self.group, self.container.service_cls.reactions(), self.deliver)

    def start(self) -> None:
        if self.hosting.embedded is None:
            topology = self.hosting.topology
            self._loop(partial(self._consume, topology.queue(self.group), given_up=False))
            self._loop(partial(self._consume, topology.dead_queue(self.group), given_up=True))
        self._loop(self._retry_parked)

    def stop(self) -> None:
        """Take nothing more; return once what was taken is committed and acknowledged."""
        self.stopping.ask()
        for loop in self.loops:
            loop.wait()

    def _loop(self, run: Callable[[], None]) -> None:
        self.loops.append(self.container.spawn_managed_thread(run, identifier=self.group))

    def deliver(
        self, batch: Sequence[Message], *, given_up: bool = False, meanwhile: Callable[[], None] | None = None
    ) -> None:
        """
        Have a nameko worker apply the batch.

        Args:
            meanwhile: Called every few seconds until it is done.

        Raises:
            DatabaseAway: Nothing of what remains was committed.
        """
        done = Done()

        def finished(worker_ctx: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
            if exc_info:
                done.send_exception(exc_info[1])
            else:
                done.send(result)
            return result, None  # the failure is ours to handle; nameko would end the container

        self.container.spawn_worker(self, (batch,), {"given_up": given_up}, handle_result=finished)
        while not done.ready():
            with eventlet.Timeout(KEEP_ALIVE_S, False):
                done.wait()
            if meanwhile is not None and not done.ready():
                meanwhile()
        done.wait()
        self.hosting.has_applied(self.group)

    def _consume(self, queue: str, *, given_up: bool) -> None:
        settings, backoff = self.hosting.settings, Backoff(self.stopping)
        missing = f"queue {queue}"

        def subscribed() -> None:
            backoff.reset()
            self.hosting.missing.discard(missing)

        while not self.stopping.asked():
            source = RabbitSource(str(settings.amqp_url), queue=queue, batch=settings.consumer_batch)
            take = partial(self._deliver_patiently, keep_alive=source.keep_alive, given_up=given_up)
            try:
                source.run(take, stopping=self.stopping.asked, subscribed=subscribed)
            except ContainerBeingKilled:
                return
            except BrokerAway as error:
                self.hosting.missing.add(missing)
                log.warning("broker_away", queue=queue, error=str(error), retry_in_s=backoff.next_s)
                backoff.pause()

    def _deliver_patiently(self, batch: Sequence[Message], *, keep_alive: Callable[[], None], given_up: bool) -> None:
        backoff = Backoff(self.stopping)
        while True:
            try:
                return self.deliver(batch, given_up=given_up, meanwhile=keep_alive)
            except (BrokerAway, ContainerBeingKilled):
                raise
            except DatabaseAway as error:
                waiting = {"waiting": len(batch), "retry_in_s": backoff.next_s}
                log.warning("database_away", consumer=self.group, error=str(error), **waiting)
            except Exception as error:  # a fault of ours: neither lose the batch nor spin
                log.error("batch_failed", consumer=self.group, waiting=len(batch), **fault(error))
            backoff.pause()
            if self.stopping.asked():
                raise BrokerAway("stopping with a batch that could not be committed")
            keep_alive()

    def _retry_parked(self) -> None:
        service = self.container.service_cls
        consumer: Consumer = service.consumer(self.hosting.databases[service.name], self.hosting.settings)
        backoff = Backoff(self.stopping, first_s=POLL_S)
        while not self.stopping.asked():
            try:
                while consumer.retry_due(limit=10) and not self.stopping.asked():
                    self.hosting.has_applied(self.group)
            except DatabaseAway as error:
                log.warning("database_away", consumer=self.group, error=str(error), retry_in_s=backoff.next_s)
                backoff.pause()
            except Exception as error:
                log.error("retrying_parked_failed", consumer=self.group, **fault(error))
                backoff.pause()
            else:
                backoff.reset()
                self.stopping.pause(POLL_S)


event_batches = EventBatches.decorator


class RelayLoop(DependencyProvider):
    """Publishes the outbox: woken by commits here and elsewhere, polling as the net."""

    def setup(self) -> None:
        hosting = Hosting.installed()
        self.database = hosting.databases[self.container.service_name]
        self.broker = hosting.broker()
        self.relay = Relay(
            self.database, self.broker, batch=hosting.settings.outbox_batch, turn=turn_for(self.database)
        )
        topology = hosting.topology
        self.replayer = Replayer(
            self.database,
            self.broker,
            address=topology.queue if hosting.embedded is None else str,
            reacts=topology.groups,
        )
        self.look_for_replays_at = 0.0
        self.wake = Wake()
        self.stopping = Stop()
        self.notifier = None if self.database.is_sqlite else NotifyWaker(self.database)
        self.database.wakers.append(self._committed)

    def start(self) -> None:
        self.loop = self.container.spawn_managed_thread(self._run, identifier="relay")
        if not self.database.is_sqlite:
            self.container.spawn_managed_thread(self._listen, identifier="listen")

    def stop(self) -> None:
        """Return once the batch under way is confirmed and marked, or has failed."""
        self.stopping.ask()
        self.wake.set()
        self.loop.wait()

    def _committed(self) -> None:
        """This process wrote events; while another's relay is the active one, that one must hear of it."""
        if self.notifier is None or self.relay.is_active:
            self.wake.set()
        else:
            self.notifier.wake()

    def _run(self) -> None:
        backoff = Backoff(self.stopping)
        while not self.stopping.asked():
            try:
                self.relay.drain(stopping=self.stopping.asked)
                if self._replayed():
                    continue
                if not self.wake.wait(BUSY_S if self.replayer.is_busy else POLL_S):
                    self.broker.keep_alive()
                backoff.reset()
            except (BrokerAway, DatabaseAway) as error:
                waiting = {"service": self.database.service, "retry_in_s": backoff.next_s}
                log.warning("relay_waits", error=str(error), **waiting)
                backoff.pause()
            except Exception as error:
                log.error("relay_failed", service=self.database.service, **fault(error))
                backoff.pause()
        self.relay.close()

    def _replayed(self) -> int:
        """Hand over a portion of a replay, between what is new; looked for at most once a second."""
        if not self.relay.is_active or (not self.replayer.is_busy and monotonic() < self.look_for_replays_at):
            return 0
        self.look_for_replays_at = monotonic() + POLL_S
        try:
            return self.replayer.hand_over()
        except BrokerAway as error:  # a group whose queue is missing must not hold up what is new
            self.replayer.is_busy, self.look_for_replays_at = False, monotonic() + KEEP_ALIVE_S
            log.warning("replay_waits", service=self.database.service, error=str(error), retry_in_s=KEEP_ALIVE_S)
            return 0

    def _listen(self) -> None:
        """Wait for PostgreSQL's NOTIFY on a connection of its own."""
        backoff = Backoff(self.stopping)
        while not self.stopping.asked():
            try:
                connection = self.database.engine.raw_connection()
                try:
                    driver: Any = connection.driver_connection
                    driver.autocommit = True
                    driver.execute(f"LISTEN {channel_of(self.database.service)}")
                    backoff.reset()
                    self._pass_on(driver)
                finally:
                    connection.invalidate()  # it listens, and must not serve anybody else
            except Exception as error:
                log.warning("listen_broken", service=self.database.service, error=type(error).__name__)
                backoff.pause()

    def _pass_on(self, driver: Any) -> None:
        while not self.stopping.asked():
            self.wake.set()  # the first time for what was sent before this connection listened
            # The hub waits for the socket; psycopg then only reads what is there.
            for _ in driver.notifies(timeout=0):
                pass
            trampoline(driver.fileno(), read=True)


class PeriodicLoops(DependencyProvider):
    """Runs the service's periodic work."""

    def setup(self) -> None:
        self.hosting = Hosting.installed()
        self.database = self.hosting.databases[self.container.service_name]
        self.stopping = Stop()
        self.wakes: list[Wake] = []
        self.loops: list[Any] = []

    def start(self) -> None:
        for periodic in [*self.container.service_cls.periodic(), RETENTION]:
            wake = Wake()
            self.wakes.append(wake)
            if periodic.after_batches:
                self.hosting.applied[self.database.service].append(wake.set)
            self.loops.append(self.container.spawn_managed_thread(partial(self._run, periodic, wake), "periodic"))

    def stop(self) -> None:
        """Return once every portion under way is done."""
        self.stopping.ask()
        for wake in self.wakes:
            wake.set()
        for loop in self.loops:
            loop.wait()

    def _run(self, periodic: Periodic, wake: Wake) -> None:
        tick = Tick(self.database, self.hosting.settings.specialized(self.container.service_cls.settings_class))
        backoff = Backoff(self.stopping, first_s=POLL_S)
        while not self.stopping.asked():
            try:
                while periodic.run(tick) and not self.stopping.asked():
                    eventlet.sleep(0)
            except DatabaseAway as error:
                log.warning("database_away", service=self.database.service, error=str(error))
                backoff.pause()
            except Exception as error:
                log.error("periodic_failed", service=self.database.service, **fault(error))
                backoff.pause()
            else:
                backoff.reset()
                wake.wait(periodic.interval_s)
        if periodic.finish is not None:
            self._finish(periodic.finish, tick)

    def _finish(self, finish: Callable[[Tick], None], tick: Tick) -> None:
        try:
            finish(tick)
        except Exception as error:  # what is left is found by the next worker, as after a kill
            log.error("periodic_unfinished", service=self.database.service, **fault(error))
