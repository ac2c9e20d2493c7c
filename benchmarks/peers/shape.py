"""What the peers have in common: where they work, and the rows they write."""

import os
import queue
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

# One statement is a transaction of its own: the least a database can be asked, one round trip.
WRITE_STATE = "INSERT INTO state (event_id, version) VALUES (%s, %s)"
WRITE_EFFECT = "INSERT INTO effects (event_id, version) VALUES (%s, %s)"
TABLES = """
    CREATE TABLE state (event_id uuid PRIMARY KEY, version integer NOT NULL);
    CREATE TABLE effects (event_id uuid PRIMARY KEY, version integer NOT NULL);
    CREATE TABLE waiting (position bigserial PRIMARY KEY, event_id uuid NOT NULL, body bytea NOT NULL)
"""
QUEUE = "bench"


def amqp_url() -> str:
    return os.environ["BENCH_AMQP_URL"]


def database_url() -> str:
    return os.environ["BENCH_DATABASE_URL"]


class Connections:
    """So many open connections, one for each that asks; the one used last is given first."""

    def __init__(self, count: int) -> None:
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(psycopg.connect(database_url(), autocommit=True))

    @contextmanager
    def one(self) -> Iterator[Any]:
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def write(self, statement: str, payload: dict[str, Any]) -> None:
        with self.one() as connection:
            connection.execute(statement, (payload["plan_id"], payload["version"]))


def run(*, produce: Callable[[], None], consume: Callable[[], None]) -> None:
    """Be what the command line says."""
    {"produce": produce, "consume": consume}[sys.argv[1]]()
