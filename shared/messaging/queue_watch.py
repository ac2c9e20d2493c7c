"""How much waits in the broker, told to whoever reads the metrics."""

from collections.abc import Collection

from amqp import Channel

from shared.messaging.broker import BrokerAway
from shared.messaging.greenlets import Backoff, Stop
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Topology, waiting_in
from shared.telemetry.metrics import QUEUE_LENGTH, UNROUTABLE

WATCH_S = 15.0  # below twice the heartbeat, so that looking keeps the connection


def watch(url: str, topology: Topology, groups: Collection[str], stopping: Stop) -> None:
    """
    Keep the gauges of queues up to date until stopped; they stand still while the broker is away.

    Args:
        groups: Those whose queues this process takes from.
    """
    backoff = Backoff(stopping)
    while not stopping.asked():
        try:
            with channel_to(url) as channel:
                while not stopping.asked():
                    _look(channel, topology, groups)
                    backoff.reset()
                    stopping.pause(WATCH_S)
        except BrokerAway:  # the relay and the consumers say so in the log
            backoff.pause()


def _look(channel: Channel, topology: Topology, groups: Collection[str]) -> None:
    UNROUTABLE.set(waiting_in(channel, topology.unroutable))
    for group in groups:
        QUEUE_LENGTH.labels(group).set(waiting_in(channel, topology.queue(group)))
