"""The in-process broker: hands a batch straight to every group's consumer."""

from collections.abc import Collection, Mapping, Sequence

from shared.messaging.broker import BrokerAway, Deliver
from shared.messaging.message import Message
from shared.messaging.reactions import Reactions


class EmbeddedBroker:
    """
    Publishes by applying: a batch counts as published once every group has committed it.

    It keeps nothing itself. What is not published stays in the producer's outbox, and what
    is handed over twice is recognised by each group's inbox, so a kill -9 loses nothing.
    """

    def __init__(self, *, expected: Collection[str] = ()) -> None:
        """
        Args:
            expected: Groups without which nothing is published, or they would miss it.
        """
        self._expected = frozenset(expected)
        self._groups: dict[str, tuple[Reactions, Deliver]] = {}

    def subscribe(self, group: str, reactions: Reactions, deliver: Deliver) -> None:
        """
        Args:
            deliver: Returns once the group has committed the batch; raises if it could not.
        """
        self._groups[group] = (reactions, deliver)

    @property
    def groups(self) -> Mapping[str, Reactions]:
        return {group: reactions for group, (reactions, _) in self._groups.items()}

    def publish(self, batch: Sequence[Message]) -> None:
        if absent := self._expected - self._groups.keys():
            raise BrokerAway(f"not subscribed yet: {', '.join(sorted(absent))}")
        for group, (reactions, _) in self._groups.items():
            wanted = [message for message in batch if message.event_type in reactions]
            if wanted:
                self._deliver(group, wanted)

    def publish_to(self, address: str, batch: Sequence[Message]) -> None:
        if address not in self._groups:
            raise BrokerAway(f"not subscribed yet: {address}")
        self._deliver(address, batch)

    def waiting(self, address: str) -> int:
        """Nothing ever waits here: a batch is applied before the next is handed over."""
        return 0

    def keep_alive(self) -> None:
        """Nothing can fall asleep here."""

    def close(self) -> None:
        """Nothing: other relays of the process still publish through it."""

    def _deliver(self, group: str, batch: Sequence[Message]) -> None:
        _, deliver = self._groups[group]
        try:
            deliver(batch)
        except Exception as error:
            raise BrokerAway(f"group {group} could not take the batch: {type(error).__name__}") from error
