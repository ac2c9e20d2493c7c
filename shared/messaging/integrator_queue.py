"""The queue of an integrator who consumes from the broker: filtered, bounded, and ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amqp import Channel

from shared.messaging.topology import DELIVERY_LIMIT, Binding, bind, declare, explained, is_there
from shared.settings import Settings


@dataclass(frozen=True)
class IntegratorQueue:
    """
    A quorum queue bound to the publishers' exchange for some types of events.

    What exceeds its size or age is dropped, the oldest first: a forgotten integrator must not fill
    the broker, nor hold up publishers. So is what its consumer gave back too often.
    """

    exchange: str
    name: str
    types: frozenset[str]
    days: int
    max_bytes: int

    @classmethod
    def of(cls, settings: Settings, name: str, types: Iterable[str]) -> "IntegratorQueue":
        max_bytes = settings.integrator_queue_max_mb * 1024 * 1024
        return cls(settings.exchange, name, frozenset(types), settings.integrator_queue_days, max_bytes)

    @staticmethod
    def prefix(exchange: str) -> str:
        """What the names of all these queues begin with."""
        return f"{exchange}.integrator."

    @property
    def queue(self) -> str:
        return f"{self.prefix(self.exchange)}{self.name}"

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-overflow": "drop-head",
            "x-max-length-bytes": self.max_bytes,
            "x-message-ttl": self.days * 24 * 3600 * 1000,
        }

    @property
    def bindings(self) -> frozenset[Binding]:
        return frozenset(Binding(self.exchange, self.queue, each) for each in self.types)

    def apply(self, channel: Channel, *, known: Iterable[str]) -> None:
        """
        Declare and bind it; may be repeated.

        Args:
            known: Every type there is. The queue is unbound from those that are not its own.

        Raises:
            TopologyMissing: It is there with other limits, which cannot be changed.
        """
        with explained(else_=f"remove {self.name} and add it again, or put the limits back"):
            declare(channel, self.queue, self.arguments)
            for each in sorted(self.bindings):
                bind(channel, each)
            for event_type in sorted(set(known) - self.types):
                channel.queue_unbind(self.queue, self.exchange, event_type)

    def check(self, channel: Channel) -> None:
        """
        Raises:
            TopologyMissing: It is not there, or there with other limits.
        """
        with explained(else_=f"remove {self.name} and add it again, or put the limits back"):
            channel.queue_declare(self.queue, passive=True)
            declare(channel, self.queue, self.arguments)

    def delete(self, channel: Channel) -> None:
        """Does nothing if there is none."""
        channel.queue_delete(self.queue)

    def reading(self, channel: Channel) -> tuple[int, int] | None:
        """Events that wait in it, and consumers that are connected; None if it is not there."""
        if not is_there(channel, self.queue):
            return None
        found = channel.queue_declare(self.queue, passive=True)
        return found.message_count, found.consumer_count
