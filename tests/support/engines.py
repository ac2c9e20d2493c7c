"""Finds RabbitMQ and PostgreSQL for the tests, or starts private ones from installed binaries."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from amqp.exceptions import AMQPError
from kombu import Connection

from tests.support import private_postgres, private_rabbitmq


@dataclass(frozen=True)
class Missing:
    """An engine that is not to be had here, and how to get it."""

    what: str
    how: str


@dataclass(frozen=True)
class Rabbit:
    """A reachable RabbitMQ; `control` is its rabbitmqctl."""

    url: str
    control: Callable[..., object]

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """URL of a virtual host of one's own, deleted at the end."""
        name = f"sp-test-{secrets.token_hex(4)}"
        self.control("add_vhost", name)
        try:
            self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
            yield f"{self.url.rstrip('/')}/{name}"
        finally:
            self.control("delete_vhost", name)


@contextmanager
def postgres() -> Iterator[str | Missing]:
    """URL of a superuser of a PostgreSQL server."""
    url = os.environ.get("SIGNPOST_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    if _postgres_answers(url):
        yield url
        return
    with private_postgres.server() as private:
        if private is None:
            yield Missing(
                "PostgreSQL", "install it (Debian: `apt-get install postgresql`) or set SIGNPOST_TEST_POSTGRES_URL"
            )
        else:
            yield private.url


@contextmanager
def rabbitmq() -> Iterator[Rabbit | Missing]:
    """A RabbitMQ server that `rabbitmqctl` can reach, so that tests have virtual hosts of their own."""
    advice = Missing(
        "RabbitMQ", "install it (Debian: `apt-get install rabbitmq-server`) or start it, with `rabbitmqctl` on the PATH"
    )
    url = os.environ.get("SIGNPOST_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")
    if shutil.which("rabbitmqctl") is None:
        yield advice
        return
    if (
        _rabbit_answers(url)
        and subprocess.run(["rabbitmqctl", "-q", "list_vhosts"], capture_output=True).returncode == 0
    ):
        yield Rabbit(url, _control)
        return
    with private_rabbitmq.nodes() as private:
        if private is None:
            yield advice
        else:
            yield Rabbit(private[0].url, private[0].control)


def _control(*arguments: str) -> None:
    subprocess.run(["rabbitmqctl", "-q", *arguments], check=True, capture_output=True, timeout=60)


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _rabbit_answers(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
    except (OSError, AMQPError):
        return False
    return True
