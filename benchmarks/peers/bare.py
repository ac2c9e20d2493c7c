"""
The same drivers in a loop, psycopg and py-amqp, with no outbox, inbox, envelope or validation.

`live`: eight threads, each commits a row, publishes and waits for the confirm. `drain`: reads 500 rows at a time
from a table, publishes them and waits once for the confirms of all. `consume`: up to 200 messages, one transaction,
one acknowledgement.

What it does not give: anything but durable rows and messages. An event can be lost or applied twice, one that is
malformed stops it for good, and nobody marks what was published.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

import amqp
import psycopg

from benchmarks.commands import Times, by_threads, obey
from benchmarks.event import payload
from benchmarks.peers.shape import QUEUE, WRITE_EFFECT, WRITE_STATE, amqp_url, database_url, run
from shared.messaging.rabbitmq import _has_more, connect

TAKE = "SELECT position, event_id, body FROM waiting WHERE position > %s ORDER BY position LIMIT 500"
BATCH = 200


class Writer(threading.local):
    """A thread's connections to database and broker."""

    def __init__(self) -> None:
        self.database = psycopg.connect(database_url(), autocommit=True)
        self.broker = connect(amqp_url())
        self.channel = declared(self.broker)
        self.channel.confirm_select()

    def write(self) -> str:
        event = payload()
        self.database.execute(WRITE_STATE, (event["plan_id"], event["version"]))
        self.channel.basic_publish_confirm(_message(event["plan_id"], json.dumps(event).encode()), "", QUEUE)
        return str(event["plan_id"])


def produce() -> None:
    writer = Writer()
    obey(lambda count: by_threads(count, lambda: writer.write()), lambda: writer.write(), drain=_drain)


def _drain(count: int) -> None:
    with psycopg.connect(database_url(), autocommit=True) as database:
        broker = connect(amqp_url())
        channel = declared(broker)
        channel.confirm_select()
        confirmed, sent, position = [0], 0, 0

        def on_ack(tag: int, multiple: bool) -> None:
            confirmed[0] = max(confirmed[0], tag) if multiple else confirmed[0] + 1

        channel.events["basic_ack"].add(on_ack)
        while rows := database.execute(TAKE, [position]).fetchall():
            for position, event_id, body in rows:  # noqa: B007 (the last one is where the next batch begins)
                channel._basic_publish(_message(str(event_id), body), "", QUEUE)
            sent += len(rows)
            while confirmed[0] < sent:
                broker.drain_events(timeout=6)
        assert sent == count, sent
        broker.collect()


def consume() -> None:
    times = Times("effected")
    received: list[Any] = []
    with psycopg.connect(database_url()) as database:
        broker = connect(amqp_url())
        channel = declared(broker)
        channel.basic_qos(0, 2 * BATCH, False)
        channel.basic_consume(QUEUE, callback=received.append)
        print("ready", flush=True)
        while True:
            broker.drain_events()
            while len(received) < BATCH and _has_more(broker.connection):
                broker.drain_events()
            batch, received[:] = received[:BATCH], received[BATCH:]
            while batch:
                _apply(database.cursor().executemany, WRITE_EFFECT, batch)
                database.commit()
                channel.basic_ack(batch[-1].delivery_tag, multiple=True)
                for message in batch:
                    times.note(message.properties["message_id"])
                batch, received[:] = received[:BATCH], received[BATCH:]


def _apply(run: Callable[[str, list[Any]], Any], statement: str, batch: list[Any]) -> None:
    events = [json.loads(message.body) for message in batch]
    run(statement, [(event["plan_id"], event["version"]) for event in events])


def declared(broker: Any) -> Any:
    channel = broker.default_channel
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    return channel


def _message(event_id: str, body: bytes) -> amqp.Message:
    return amqp.Message(bytes(body), content_type="application/json", delivery_mode=2, message_id=event_id)


if __name__ == "__main__":
    run(produce=produce, consume=consume)
