"""
dramatiq on pika: an actor per event, threads.

As documented: `confirm_delivery`, which also sets `mandatory`; eight threads, which prefetch two messages each; its
usual middleware without the Prometheus exporter, which is a process of its own. Its queues are classic ones; here
the declaration is made a quorum queue's.

What it does not give, beside outbox and inbox: it retries a failed actor by publishing a copy, and acknowledges.
"""

import threading
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications, TimeLimit

from benchmarks.commands import Times, by_threads, obey
from benchmarks.event import WRITERS, payload
from benchmarks.peers.shape import QUEUE, WRITE_EFFECT, WRITE_STATE, Connections, amqp_url, run


class QuorumBroker(RabbitmqBroker):
    """The stock broker with quorum queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Retries()]
dramatiq.set_broker(QuorumBroker(url=amqp_url(), confirm_delivery=True, middleware=middleware))
connections = Connections(WRITERS)
times = Times("effected")


@dramatiq.actor(queue_name=QUEUE)
def on_plan_revised(event: dict[str, Any]) -> None:
    connections.write(WRITE_EFFECT, event)
    times.note(event["plan_id"])


def write() -> str:
    event = payload()
    connections.write(WRITE_STATE, event)
    on_plan_revised.send(event)
    return str(event["plan_id"])


def produce() -> None:
    obey(lambda count: by_threads(count, write), write)


def consume() -> None:
    dramatiq.Worker(dramatiq.get_broker(), worker_threads=WRITERS).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    run(produce=produce, consume=consume)
