"""The engines that figures are measured on: embedded always, RabbitMQ and PostgreSQL where they are reachable."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from shared.messaging.broker import BrokerAway
from shared.messaging.rabbitmq import channel_to


@dataclass(frozen=True)
class Engine:
    """Where to measure; both addresses are None for the embedded one."""

    name: str
    rabbit: str | None = None
    postgres: str | None = None
    missing: str = ""  # why it cannot be measured here

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """URL of a virtual host of one's own, deleted at the end."""
        name = f"sp-bench-{secrets.token_hex(4)}"
        subprocess.run(["rabbitmqctl", "-q", "add_vhost", name], check=True, capture_output=True)
        try:
            permissions = ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]
            subprocess.run(["rabbitmqctl", "-q", *permissions], check=True, capture_output=True)
            yield f"{str(self.rabbit).rstrip('/')}/{name}"
        finally:
            subprocess.run(["rabbitmqctl", "-q", "delete_vhost", name], check=False, capture_output=True)


def all_engines() -> list[Engine]:
    """Embedded first; the other tells why if it cannot be measured."""
    rabbit = os.environ.get("SIGNPOST_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")
    postgres = os.environ.get("SIGNPOST_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    missing = ""
    try:
        with channel_to(rabbit):
            psycopg.connect(postgres, connect_timeout=2).close()
    except (BrokerAway, psycopg.OperationalError) as error:
        missing = str(error).strip()
    return [
        Engine("embedded (SQLite, in-process broker)"),
        Engine("RabbitMQ and PostgreSQL", rabbit, postgres, missing),
    ]


def available_engines() -> list[Engine]:
    """Those that can be measured here; says so where one cannot."""
    engines = all_engines()
    for engine in engines:
        if engine.missing:
            print(f"NOT MEASURED on {engine.name}: {engine.missing}\n")
    return [engine for engine in engines if not engine.missing]
