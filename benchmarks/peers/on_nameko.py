"""
Stock nameko: its dispatcher and its handler.

As documented: `EventDispatcher` waits for the confirm of each message, the handler acknowledges when it returned.
More workers and prefetch than its ten, as its documentation advises for handlers that wait. Its queues are classic
ones; here the declaration is made a quorum queue's.

What it does not give, beside outbox and inbox: a message whose handler raised is acknowledged and gone; `mandatory`
is off, so that an event nobody is bound to is gone too.
"""

import os

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_selector"
import eventlet

eventlet.monkey_patch()

from typing import Any  # noqa: E402

from eventlet.event import Event as Done  # noqa: E402
from nameko import config  # noqa: E402
from nameko.containers import ServiceContainer  # noqa: E402
from nameko.events import EventDispatcher, EventHandler  # noqa: E402
from nameko.testing.services import dummy  # noqa: E402

from benchmarks.commands import Times, obey, shares  # noqa: E402
from benchmarks.event import payload  # noqa: E402
from benchmarks.peers.shape import WRITE_EFFECT, WRITE_STATE, Connections, amqp_url, run  # noqa: E402

WORKERS = 20
SOURCE, EVENT = "bench_plans", "plan_revised"


class QuorumHandler(EventHandler):
    """The stock handler on a quorum queue."""

    def setup(self) -> None:
        super().setup()
        self.queue.queue_arguments = {"x-queue-type": "quorum"}


class Producer:
    name = SOURCE
    dispatch = EventDispatcher()

    @dummy
    def write(self, count: int) -> str:
        for _ in range(count):
            event = payload()
            connections.write(WRITE_STATE, event)
            self.dispatch(EVENT, event)
        return str(event["plan_id"])


class Consumer:
    name = "bench_consumer"

    @QuorumHandler.decorator(SOURCE, EVENT)
    def on_plan_revised(self, event: dict[str, Any]) -> None:
        connections.write(WRITE_EFFECT, event)
        times.note(event["plan_id"])


def produce() -> None:
    container = ServiceContainer(Producer)
    container.start()
    [entrypoint] = container.entrypoints

    def write(count: int) -> Done:
        """Have a worker write so many; its answer is the last one's id."""
        done = Done()

        def finished(_: Any, result: Any, failure: Any) -> tuple[Any, Any]:
            done.send(result) if failure is None else done.send_exception(*failure)
            return result, failure

        container.spawn_worker(entrypoint, (count,), {}, handle_result=finished)
        return done

    def live(count: int) -> None:
        for written in [write(share) for share in shares(count) if share]:
            written.wait()

    obey(live, lambda: str(write(1).wait()))
    container.stop()


def consume() -> None:
    container = ServiceContainer(Consumer)
    container.start()
    print("ready", flush=True)
    container.wait()


if __name__ == "__main__":
    config.update({"AMQP_URI": amqp_url(), "max_workers": WORKERS, "PREFETCH_COUNT": WORKERS})
    connections = Connections(WORKERS)
    times = Times("effected")
    run(produce=produce, consume=consume)
