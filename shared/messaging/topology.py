"""Exchange and queues, derived from what the services' code says it reacts to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amqp import Channel
from amqp.exceptions import NotFound, PreconditionFailed

from shared.messaging.reactions import Reactions

# After so many deliveries without an answer a message goes to the group's dead queue: it kills its consumer.
DELIVERY_LIMIT = 20


class TopologyMissing(Exception):
    """An exchange or queue that events rely on is not there, or is not as declared."""


@dataclass(frozen=True)
class Topology:
    """
    One durable topic exchange; per consumer group a quorum queue and a dead queue beside it.

    Every queue exists before anything is published, and is a quorum queue: a classic one
    whose node is down confirms and loses.
    """

    exchange: str
    groups: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, exchange: str, groups: Mapping[str, Reactions]) -> "Topology":
        return cls(exchange, {group: frozenset(reactions) for group, reactions in groups.items()})

    @property
    def dead_exchange(self) -> str:
        return f"{self.exchange}.dead"

    def queue(self, group: str) -> str:
        return f"{self.exchange}.{group}"

    def dead_queue(self, group: str) -> str:
        return f"{self.exchange}.{group}.dead"

    def apply(self, channel: Channel) -> None:
        """
        Declare everything; does nothing where it is already so.

        Raises:
            TopologyMissing: Something of that name exists and is different.
        """
        try:
            channel.exchange_declare(self.exchange, "topic", durable=True, auto_delete=False)
            channel.exchange_declare(self.dead_exchange, "direct", durable=True, auto_delete=False)
            for group, types in self.groups.items():
                self._declare_group(channel, group, types)
        except PreconditionFailed as error:
            raise TopologyMissing(f"{error.reply_text}: delete or migrate it, then apply again") from error

    def check(self, channel: Channel) -> None:
        """
        Declares nothing that is not there.

        Raises:
            TopologyMissing: An exchange or a queue is not there, or is there and different.
        """
        try:
            channel.exchange_declare(self.exchange, "topic", passive=True)
            channel.exchange_declare(self.dead_exchange, "direct", passive=True)
            for group in self.groups:
                for queue in (self.dead_queue(group), self.queue(group)):
                    channel.queue_declare(queue, passive=True)
                self._declare_queues(channel, group)  # a passive declaration does not look at the kind of queue
        except NotFound as error:
            raise TopologyMissing(f"{error.reply_text}: run `signpost topology apply`") from error
        except PreconditionFailed as error:
            raise TopologyMissing(f"{error.reply_text}: delete or migrate it, then apply") from error

    def _declare_group(self, channel: Channel, group: str, types: frozenset[str]) -> None:
        self._declare_queues(channel, group)
        channel.queue_bind(self.dead_queue(group), self.dead_exchange, self.queue(group))
        # Types no longer reacted to stay bound: during an upgrade both versions share the queue, and
        # what one of them cannot read is parked, while what is not delivered would be lost.
        for event_type in sorted(types):
            channel.queue_bind(self.queue(group), self.exchange, event_type)

    def _declare_queues(self, channel: Channel, group: str) -> None:
        dead: dict[str, Any] = {"x-queue-type": "quorum"}
        channel.queue_declare(self.dead_queue(group), durable=True, auto_delete=False, arguments=dead)
        channel.queue_declare(
            self.queue(group),
            durable=True,
            auto_delete=False,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": self.dead_exchange,
                "x-dead-letter-routing-key": self.queue(group),
                # Both together, or the broker silently dead-letters at most once.
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
