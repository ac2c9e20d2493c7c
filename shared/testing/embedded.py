"""All that workers do, without processes: publish and apply until nothing is left to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.clock import Clock, SystemClock
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.messaging.consumer import Consumer
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.relay import Relay, turn_for
from shared.settings import Settings
from shared.testing.databases import embedded_settings

if TYPE_CHECKING:
    from shared.messaging.worker.hosting import EventService


class Embedded:
    """
    The given services on SQLite files (or the databases that `settings` name) and the in-process broker.

        with Embedded(tmp_path, [PlansService, NotificationsService], clock=clock) as signpost:
            with signpost.databases["plans"].transaction() as uow: ...
            signpost.drain()
    """

    def __init__(
        self,
        folder: Path,
        services: "Sequence[type[EventService]]",
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or embedded_settings(folder)
        self._services = services
        self.databases: dict[str, Database] = {}
        self._consumers: list[Consumer] = []
        self._relays: list[Relay] = []
        broker = EmbeddedBroker()
        for service in services:
            migrate(self.settings, service.name)
            database = Database.open(self.settings, service.name, clock=clock or SystemClock())
            self.databases[service.name] = database
            consumer = service.consumer(database, self.settings)
            self._consumers.append(consumer)
            broker.subscribe(service.name, service.reactions(), consumer.apply)
            self._relays.append(Relay(database, broker, batch=self.settings.outbox_batch, turn=turn_for(database)))

    def drain(self, *, periodic: bool = True) -> int:
        """Relay, apply, retry what is due and do periodic work until all is quiet; how much was done."""
        from shared.messaging.worker.hosting import Tick

        total = 0
        while True:
            done = sum(relay.drain() for relay in self._relays)
            done += sum(consumer.retry_due() for consumer in self._consumers)
            if periodic:
                for service in self._services:
                    settings = self.settings.specialized(service.settings_class)
                    tick = Tick(self.databases[service.name], settings)
                    done += sum(each.run(tick) for each in service.periodic())
            if not done:
                return total
            total += done

    def __enter__(self) -> "Embedded":
        return self

    def __exit__(self, *_: object) -> None:
        for relay in self._relays:
            relay.close()
        for database in self.databases.values():
            database.dispose()
