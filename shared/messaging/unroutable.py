"""Events that no consumer group takes: kept, counted, and put before the groups again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from amqp import Channel

from shared.messaging.broker import BrokerAway
from shared.messaging.rabbitmq import ANSWER_TIMEOUT_S
from shared.messaging.topology import Topology, waiting_in


@dataclass(frozen=True)
class Rerouted:
    """What became of the unroutable events; `back` are those that still nobody takes, by type."""

    taken: int = 0
    back: Mapping[str, int] = field(default_factory=dict)


def reroute(channel: Channel, topology: Topology) -> Rerouted:
    """
    Publish what lies in the unroutable queue to the consumer groups again, oldest first.

    Each event is acknowledged after the confirm of its copy: stopped in between, it is
    delivered twice and applied once. What still nobody takes ends where it was, at the end.

    Args:
        channel: Of a connection that nothing else uses.

    Raises:
        BrokerAway: What was not confirmed is still in the queue.
        TopologyMissing: The present topology would not take them either.
    """
    topology.check(channel)
    known = frozenset[str]().union(*topology.groups.values())
    taken, back = 0, Counter[str]()
    channel.confirm_select()
    for _ in range(waiting_in(channel, topology.unroutable)):  # and no more: some come back
        message = channel.basic_get(topology.unroutable)
        if message is None:
            break
        event_type: str = message.delivery_info["routing_key"]
        try:
            channel.basic_publish_confirm(
                message, topology.groups_exchange, event_type, confirm_timeout=ANSWER_TIMEOUT_S
            )
        except TimeoutError as error:
            raise BrokerAway(f"no confirm within {ANSWER_TIMEOUT_S} s") from error
        channel.basic_ack(message.delivery_tag)
        if event_type in known:
            taken += 1
        else:
            back[event_type] += 1
    return Rerouted(taken, dict(back))
