"""
One part of the engine, or the bare loop on the same drivers, in a process of its own.

    python -m benchmarks.engine_parts relay|bare-relay|bare-consume|bare-embedded EVENTS

Prints the seconds it took. `relay` runs under eventlet as in a worker, the bare loops do not.
"""

import sys

if sys.argv[1:2] == ["relay"]:
    import shared.messaging.patched  # noqa: F401  (before anything that opens a socket)

import json
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import amqp
import psycopg
from amqp import Channel
from sqlalchemy.engine import make_url

from benchmarks.tally import TallyService
from shared.database.database import Database
from shared.messaging.rabbitmq import RabbitBroker, connect
from shared.messaging.relay import Relay, turn_for
from shared.messaging.topology import Topology
from shared.settings import Settings

TAKE = (
    "SELECT position, event_id, type, subject, subject_version, occurred_at, correlation_id, body FROM outbox "
    "WHERE published_at IS NULL ORDER BY position LIMIT 500"
)
BATCH = 200


def relay(settings: Settings, events: int) -> float:
    database = Database.open(settings, "tally")
    broker = RabbitBroker(str(settings.amqp_url), exchange=settings.exchange)
    one_relay = Relay(database, broker, batch=settings.outbox_batch, turn=turn_for(database))
    done = one_relay.publish_batch()  # connected and warm
    begun = time.perf_counter()
    done += one_relay.drain()
    seconds = time.perf_counter() - begun
    assert done == events, done
    return seconds


def bare_relay(settings: Settings, events: int) -> float:
    with psycopg.connect(_plain(settings), autocommit=True) as database:
        connection = connect(str(settings.amqp_url))
        channel: Channel = connection.default_channel
        channel.confirm_select()
        confirmed: list[int] = [0]
        sent = 0

        def on_ack(tag: int, multiple: bool) -> None:
            confirmed[0] = max(confirmed[0], tag) if multiple else confirmed[0] + 1

        channel.events["basic_ack"].add(on_ack)
        begun = time.perf_counter()
        while rows := database.execute(TAKE).fetchall():
            for row in rows:
                channel._basic_publish(_message(row), settings.exchange, row[2], mandatory=True)
            sent += len(rows)
            while confirmed[0] < sent:
                connection.drain_events(timeout=6)
            positions = [row[0] for row in rows]
            database.execute("UPDATE outbox SET published_at = now() WHERE position = ANY(%s)", [positions])
        connection.collect()
        assert sent == events, sent
        return time.perf_counter() - begun


def bare_consume(settings: Settings, events: int) -> float:
    queue = Topology.of(settings.exchange, {"tally": TallyService.reactions()}).queue("tally")
    with psycopg.connect(_plain(settings)) as database:
        connection = connect(str(settings.amqp_url))
        channel: Channel = connection.default_channel
        received: list[amqp.Message] = []
        channel.basic_qos(0, 2 * BATCH, False)
        channel.basic_consume(queue, callback=received.append)
        done, begun = 0, time.perf_counter()
        while done < events:
            while len(received) < min(BATCH, events - done):
                connection.drain_events(timeout=6)
            batch, received[:] = received[:BATCH], received[BATCH:]
            with database.cursor() as cursor:
                _apply(cursor.executemany, "%s", [_read(message) for message in batch])
            database.commit()
            channel.basic_ack(batch[-1].delivery_tag, multiple=True)
            done += len(batch)
        connection.collect()
        return time.perf_counter() - begun


def bare_embedded(settings: Settings, events: int) -> float:
    database = sqlite3.connect(settings.home / "tally.sqlite3", isolation_level=None)
    database.execute("PRAGMA synchronous=NORMAL")
    done, begun = 0, time.perf_counter()
    while rows := database.execute(TAKE).fetchall():
        database.execute("BEGIN IMMEDIATE")
        _apply(database.executemany, "?", [(row[1], row[2], json.loads(row[7])) for row in rows])
        database.execute("COMMIT")
        database.execute("BEGIN IMMEDIATE")
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        database.executemany("UPDATE outbox SET published_at = ? WHERE position = ?", [(now, row[0]) for row in rows])
        database.execute("COMMIT")
        done += len(rows)
    assert done == events, done
    return time.perf_counter() - begun


def _apply(run: Callable[[str, list[Any]], Any], mark: str, batch: list[tuple[Any, str, Any]]) -> None:
    now = str(datetime.now(UTC).replace(tzinfo=None))
    run(
        "INSERT INTO inbox (consumer, event_id, type, state, received_at, attempts) "
        f"VALUES ('tally', {mark}, {mark}, 'applied', {mark}, 1) ON CONFLICT DO NOTHING",
        [(event_id, event_type, now) for event_id, event_type, _ in batch],
    )
    run(
        f"INSERT INTO effects (event_id, version) VALUES ({mark}, {mark})",
        [(event_id, event["version"]) for event_id, _, event in batch],
    )


def _message(row: Any) -> amqp.Message:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(row[1]),
        "ce-source": "/signpost/plans",
        "ce-type": row[2],
        "ce-subject": row[3],
        "ce-time": row[5].isoformat(),
        "ce-dataschema": f"/schemas/{row[2]}.json",
        "ce-subjectversion": row[4],
        "ce-correlationid": str(row[6]),
    }
    return amqp.Message(
        bytes(row[7]), content_type="application/json", delivery_mode=2, message_id=str(row[1]), type=row[2],
        application_headers=headers,
    )  # fmt: skip


def _read(message: amqp.Message) -> tuple[UUID, str, Any]:
    headers = message.headers
    return UUID(headers["ce-id"]), headers["ce-type"], json.loads(message.body)


def _plain(settings: Settings) -> str:
    url = make_url(settings.database_url_for("tally")).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


PARTS = {"relay": relay, "bare-relay": bare_relay, "bare-consume": bare_consume, "bare-embedded": bare_embedded}

if __name__ == "__main__":
    print(PARTS[sys.argv[1]](Settings(), int(sys.argv[2])))
