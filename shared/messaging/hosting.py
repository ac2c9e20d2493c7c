"""What a service's worker is made of: a class that declares reactions and periodic work, one line each."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from shared.auth.projection import ACCESS_REACTIONS
from shared.database.database import Database
from shared.messaging.consumer import Consumer
from shared.messaging.extensions import BatchConsumer, Hosting, PeriodicLoops, RelayLoop, event_batches
from shared.messaging.message import Message
from shared.messaging.periodic import Periodic, Tick, every
from shared.messaging.projections import ACCESS, Projection
from shared.messaging.reactions import Reaction, Reactions, combine, reaction
from shared.settings import Settings

__all__ = ["EventService", "Hosting", "Tick", "every", "reaction"]


class EventService:
    """
    Base of every worker: declare reactions and periodic work as class attributes, one line each.

    `settings_class` is what its periodic work finds in `Tick.settings`.

    Every service also keeps the relationship projection that its authorization reads.
    """

    name: ClassVar[str]
    settings_class: ClassVar[type[Settings]] = Settings

    consumer_of_batches = BatchConsumer()
    relay = RelayLoop()
    loops = PeriodicLoops()

    @event_batches
    def apply_batch(self, batch: Sequence[Message], *, given_up: bool = False) -> None:
        """
        Args:
            given_up: The broker could not get these messages handled; they are recorded, not applied.
        """
        consumer: Consumer = self.consumer_of_batches  # type: ignore[assignment]  # nameko injects what it provides
        if given_up:
            consumer.record_given_up(batch)
        else:
            consumer.apply(batch)

    @classmethod
    def reactions(cls) -> Reactions:
        access = [reaction(contract, apply) for contract, apply in ACCESS_REACTIONS.items()]
        return combine([*access, *_declared(cls, Reaction)])

    @classmethod
    def periodic(cls) -> list[Periodic]:
        return _declared(cls, Periodic)

    @classmethod
    def projections(cls) -> Mapping[str, Projection]:
        """What of this service's tables is made of events alone, by name."""
        return {each.name: each for each in (ACCESS, *_declared(cls, Projection))}

    @classmethod
    def consumer(cls, database: Database, settings: Settings) -> Consumer:
        return Consumer(database, group=cls.name, reactions=cls.reactions(), max_attempts=settings.max_attempts)


def _declared(cls: type, kind: type[Any]) -> list[Any]:
    """Class attributes of one kind, alone or in tuples, in the order of declaration."""
    found = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    values = [each for value in found.values() for each in (value if isinstance(value, tuple) else (value,))]
    return [value for value in values if isinstance(value, kind)]
