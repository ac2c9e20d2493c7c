"""What periodic work is given."""

from typing import Protocol

from shared.clock import Clock
from shared.database.database import Database
from shared.settings import Settings


class Ticking(Protocol):
    """As shared.messaging.worker.hosting.Tick, which only a worker imports: it brings eventlet along."""

    @property
    def database(self) -> Database: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...
