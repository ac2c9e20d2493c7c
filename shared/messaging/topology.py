"""Exchanges and queues, derived from what the services' code says it reacts to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amqp import Channel
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed

from shared.messaging.reactions import Reactions
from shared.settings import Settings

# After so many deliveries without an answer a message goes to the group's dead queue: it kills its consumer.
DELIVERY_LIMIT = 20
ALL = "#"


class TopologyMissing(Exception):
    """An exchange, a queue or a binding that events rely on is not there, or is not as declared."""


@dataclass(frozen=True, order=True)
class Binding:
    """What leads from an exchange to a queue, or to another exchange, for the types that fit `key`."""

    source: str
    destination: str
    key: str
    to_exchange: bool = False

    def __str__(self) -> str:
        return f"{self.destination} to {self.source} for {self.key!r}"


@dataclass(frozen=True)
class EventLog:
    """How much of the stream of all events is kept; what is older or more than that is forgotten."""

    days: int
    max_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "EventLog | None":
        if not settings.event_stream:
            return None
        return cls(settings.event_stream_days, settings.event_stream_max_mb * 1024 * 1024)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"x-queue-type": "stream", "x-max-age": f"{self.days}D", "x-max-length-bytes": self.max_bytes}


@dataclass(frozen=True)
class Topology:
    """
    One durable topic exchange for publishers and, behind it, one for the consumer groups.

    Behind the outer exchange lie the stream of all events, the integrators' queues and the
    inner exchange. Behind that lie a quorum queue per consumer group with a dead queue beside it
    and, for what no group takes, the unroutable queue: an integrator who takes everything cannot
    hide that no group does.

    Every queue exists before anything is published, and is a quorum queue: a classic one
    whose node is down confirms and loses.

    Source: docs/decisions/0012-topology-and-amqp-integrators.md
    """

    exchange: str
    groups: Mapping[str, frozenset[str]]
    log: EventLog | None = None

    @classmethod
    def of(cls, exchange: str, groups: Mapping[str, Reactions], *, log: EventLog | None = None) -> "Topology":
        return cls(exchange, {group: frozenset(reactions) for group, reactions in groups.items()}, log)

    @property
    def groups_exchange(self) -> str:
        return f"{self.exchange}.groups"

    @property
    def dead_exchange(self) -> str:
        return f"{self.exchange}.dead"

    @property
    def unroutable(self) -> str:
        """Both the alternate exchange of the groups' and the queue behind it."""
        return f"{self.exchange}.unroutable"

    @property
    def stream(self) -> str:
        return f"{self.exchange}.stream"

    def queue(self, group: str) -> str:
        return f"{self.exchange}.{group}"

    def dead_queue(self, group: str) -> str:
        return f"{self.exchange}.{group}.dead"

    @property
    def exchanges(self) -> Mapping[str, tuple[str, dict[str, Any]]]:
        """Kind and arguments by name."""
        return {
            self.exchange: ("topic", {}),
            self.dead_exchange: ("direct", {}),
            self.unroutable: ("fanout", {}),
            self.groups_exchange: ("topic", {"alternate-exchange": self.unroutable}),
        }

    @property
    def queues(self) -> Mapping[str, dict[str, Any]]:
        """Arguments by name."""
        found = {self.unroutable: _quorum()}
        for group in self.groups:
            found[self.dead_queue(group)] = _quorum()
            found[self.queue(group)] = _quorum(
                {
                    "x-delivery-limit": DELIVERY_LIMIT,
                    "x-dead-letter-exchange": self.dead_exchange,
                    "x-dead-letter-routing-key": self.queue(group),
                    # Both together, or the broker silently dead-letters at most once.
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                }
            )
        return found | ({self.stream: self.log.arguments} if self.log else {})

    @property
    def bindings(self) -> list[Binding]:
        """In the order in which they may be made: nothing leads to the inner exchange until all behind it is bound."""
        found = [Binding(self.unroutable, self.unroutable, "")]
        for group, types in self.groups.items():
            found.append(Binding(self.dead_exchange, self.dead_queue(group), self.queue(group)))
            # Types no longer reacted to stay bound: during an upgrade both versions share the queue, and
            # what one of them cannot read is parked, while what is not delivered would be lost.
            found += [Binding(self.groups_exchange, self.queue(group), each) for each in sorted(types)]
        if self.log:
            found.append(Binding(self.exchange, self.stream, ALL))
        return [*found, Binding(self.exchange, self.groups_exchange, ALL, to_exchange=True)]

    @property
    def outdated_bindings(self) -> list[Binding]:
        """As releases before the inner exchange made them. With new ones beside them RabbitMQ delivers once."""
        return [
            Binding(self.exchange, self.queue(group), each)
            for group in self.groups
            for each in sorted(self.groups[group])
        ]

    def apply(self, channel: Channel) -> None:
        """
        Declare and bind everything; does nothing where it is already so.

        Bindings that have been replaced are removed last, so that there is a way to every queue at any moment.

        Raises:
            TopologyMissing: Something of that name exists and is different, or the broker's user may not do it.
        """
        with explained(else_="delete or migrate it, then apply again"):
            self._declare(channel)
            for binding in self.bindings:
                bind(channel, binding)
            for binding in self.outdated_bindings:
                channel.queue_unbind(binding.destination, binding.source, binding.key)
            if self.log is None and is_there(channel, self.stream):
                channel.queue_unbind(self.stream, self.exchange, ALL)

    def check(self, channel: Channel) -> None:
        """
        Compare exchanges and queues with what they must be; makes none. Bindings cannot be looked at over AMQP.

        Raises:
            TopologyMissing: An exchange or a queue is not there, or is there and different.
        """
        with explained(else_="delete or migrate it, then apply"):
            for exchange, (kind, _) in self.exchanges.items():
                channel.exchange_declare(exchange, kind, passive=True)
            for queue in self.queues:
                channel.queue_declare(queue, passive=True)
            self._declare(channel)  # a passive declaration does not look at kinds and arguments

    def ensure(self, channel: Channel) -> None:
        """
        Check, then make every binding that may be missing: afterwards no event of a known type can be lost.

        Raises:
            TopologyMissing: As `check`; or the broker's user may not bind, so that nobody can tell.
        """
        self.check(channel)
        with explained(else_="delete or migrate it, then apply"):
            for binding in self.bindings:
                bind(channel, binding)

    def _declare(self, channel: Channel) -> None:
        for exchange, (kind, arguments) in self.exchanges.items():
            channel.exchange_declare(exchange, kind, durable=True, auto_delete=False, arguments=arguments)
        for queue, arguments in self.queues.items():
            declare(channel, queue, arguments)


def declare(channel: Channel, queue: str, arguments: Mapping[str, Any]) -> None:
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=dict(arguments))


def bind(channel: Channel, binding: Binding) -> None:
    """Does nothing where it is bound already."""
    make: Callable[..., Any] = channel.exchange_bind if binding.to_exchange else channel.queue_bind
    make(binding.destination, binding.source, binding.key)


def waiting_in(channel: Channel, queue: str) -> int:
    """
    Messages in a queue that nobody has in hand.

    Raises:
        NotFound: There is no such queue; the channel is closed.
    """
    messages: int = channel.queue_declare(queue, passive=True).message_count
    return messages


def is_there(channel: Channel, queue: str) -> bool:
    """Looks on a channel of its own: asking for what is not there closes the channel."""
    with channel.connection.channel() as asking:
        try:
            asking.queue_declare(queue, passive=True)
        except NotFound:
            return False
        return True


def _quorum(arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"x-queue-type": "quorum", **(arguments or {})}


@contextmanager
def explained(*, else_: str) -> Iterator[None]:
    """Raise TopologyMissing with what to do, in place of the broker's refusals."""
    try:
        yield
    except NotFound as error:
        raise TopologyMissing(f"{error.reply_text}: run `signpost topology apply`") from error
    except PreconditionFailed as error:
        raise TopologyMissing(f"{error.reply_text}: {else_}") from error
    except AccessRefused as error:
        needed = r"give it configure, write and read on ^signpost\.events"
        raise TopologyMissing(f"{error.reply_text}: whether events would be lost cannot be told; {needed}") from error
