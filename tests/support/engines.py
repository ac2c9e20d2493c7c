"""Finds RabbitMQ and PostgreSQL for the tests, or starts private ones from installed binaries."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

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
    """A reachable RabbitMQ; `control` is its rabbitmqctl, `environment` what another rabbitmqctl needs to reach it."""

    url: str
    control: Callable[..., str]
    environment: Mapping[str, str] = field(default_factory=dict)

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
    def user(self, vhost_url: str, *, configure: str = ".*", write: str = ".*", read: str = ".*") -> Iterator[str]:
        """URL of the same virtual host for a user with these permissions in it, deleted at the end."""
        name = f"sp-test-{secrets.token_hex(4)}"
        parts = urlsplit(vhost_url)
        self.control("add_user", name, name)
        try:
            self.control("set_permissions", "-p", parts.path.removeprefix("/"), name, configure, write, read)
            yield parts._replace(netloc=f"{name}:{name}@{parts.hostname}:{parts.port}").geturl()
        finally:
            self.control("delete_user", name)

    def delete_users_of(self, vhost: str) -> None:
        """Users that carry the name of a virtual host in theirs."""
        for user in self.control("list_users", "--no-table-headers").splitlines():
            if user.partition("\t")[0].endswith(f"@{vhost}"):
                self.control("delete_user", user.partition("\t")[0])


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
            yield Rabbit(private[0].url, private[0].control, private[0].reach)


@contextmanager
def managed_rabbitmq() -> Iterator[tuple[Rabbit, str] | Missing]:
    """A private RabbitMQ with its management API, and the address of that."""
    with private_rabbitmq.nodes(management=True) as private:
        if private is None:
            yield Missing("RabbitMQ", "install it (Debian: `apt-get install rabbitmq-server`)")
        else:
            yield Rabbit(private[0].url, private[0].control, private[0].reach), private[0].management_url


def _control(*arguments: str) -> str:
    command = ["rabbitmqctl", "-q", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


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
