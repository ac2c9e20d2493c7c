"""
Celery: a task per event, threads.

As documented for quorum queues and at-least-once: `task_default_queue_type`, `confirm_publish`, `task_acks_late`,
`task_reject_on_worker_lost`, results ignored, a high prefetch multiplier for short tasks, no gossip. The pool is
threads, which waits for the database with less ado than processes do.

What it does not give, beside outbox and inbox: a task that raised is acknowledged, unless it retries by itself.
"""

from typing import Any

from celery import Celery
from celery.signals import worker_ready

from benchmarks.commands import Times, by_threads, obey
from benchmarks.event import WRITERS, payload
from benchmarks.peers.shape import WRITE_EFFECT, WRITE_STATE, Connections, amqp_url, run

app = Celery("bench", broker=amqp_url())
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    broker_pool_limit=WRITERS,
    task_default_queue="bench",
    task_default_queue_type="quorum",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=16,
    worker_enable_remote_control=False,
    worker_redirect_stdouts=False,
)
connections = Connections(WRITERS)
times = Times("effected")


@app.task(name="on_plan_revised")
def on_plan_revised(event: dict[str, Any]) -> None:
    connections.write(WRITE_EFFECT, event)
    times.note(event["plan_id"])


def write() -> str:
    event = payload()
    connections.write(WRITE_STATE, event)
    on_plan_revised.delay(event)
    return str(event["plan_id"])


def produce() -> None:
    obey(lambda count: by_threads(count, write), write)


def consume() -> None:
    worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
    quiet = ["--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "--pool=threads", f"--concurrency={WRITERS}", *quiet])


if __name__ == "__main__":
    run(produce=produce, consume=consume)
