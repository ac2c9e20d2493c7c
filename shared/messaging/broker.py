"""The port through which the relay hands events on."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.messaging.message import Message


class BrokerAway(Exception):
    """The broker did not take responsibility for the whole batch; publish it again later."""


class Broker(Protocol):
    """
    Takes a batch of events and returns once it is responsible for every one of them.

    Raises BrokerAway otherwise: some may have got through, none may be taken as published.
    """

    def publish(self, batch: Sequence[Message]) -> None: ...

    def publish_to(self, address: str, batch: Sequence[Message]) -> None:
        """The same to one consumer group alone: to its queue, or embedded to the group of that name."""

    def waiting(self, address: str) -> int:
        """Messages that a consumer group has not taken yet. Raises BrokerAway."""

    def keep_alive(self) -> None:
        """Called every second or so while there is nothing to publish."""

    def close(self) -> None: ...


Deliver = Callable[[Sequence[Message]], None]
