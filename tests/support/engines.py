"""Finds RabbitMQ and PostgreSQL for the tests, or starts private ones from installed binaries."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from amqp.exceptions import AMQPError
from kombu import Connection

from tests.support.waiting import wait_until

# pytest-xdist runs several of us at once; each starts its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
POSTGRES_PORT = 54917 + _WORKER
AMQP_PORT = 56917 + _WORKER


@dataclass(frozen=True)
class Missing:
    """An engine that is not to be had here, and how to get it."""

    what: str
    how: str


@dataclass(frozen=True)
class Rabbit:
    """A reachable RabbitMQ; `node` names it for rabbitmqctl."""

    url: str
    node: str | None

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """URL of a virtual host of one's own, deleted at the end."""
        name = f"sp-test-{secrets.token_hex(4)}"
        self._ctl("add_vhost", name)
        try:
            self._ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
            yield f"{self.url.rstrip('/')}/{name}"
        finally:
            self._ctl("delete_vhost", name)

    @contextmanager
    def user(self, vhost_url: str, *, configure: str = ".*", write: str = ".*", read: str = ".*") -> Iterator[str]:
        """URL of the same virtual host for a user with these permissions in it, deleted at the end."""
        name = f"sp-test-{secrets.token_hex(4)}"
        parts = urlsplit(vhost_url)
        self._ctl("add_user", name, name)
        try:
            self._ctl("set_permissions", "-p", parts.path.removeprefix("/"), name, configure, write, read)
            yield parts._replace(netloc=f"{name}:{name}@{parts.hostname}:{parts.port}").geturl()
        finally:
            self._ctl("delete_user", name)

    def delete_users_of(self, vhost: str) -> None:
        """Users that carry the name of a virtual host in theirs."""
        for user in self._ctl("list_users", "--no-table-headers").splitlines():
            if user.partition("\t")[0].endswith(f"@{vhost}"):
                self._ctl("delete_user", user.partition("\t")[0])

    def _ctl(self, *arguments: str) -> str:
        node = ["-n", self.node] if self.node else []
        command = ["rabbitmqctl", "-q", *node, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def postgres() -> Iterator[str | Missing]:
    """URL of a superuser of a PostgreSQL server."""
    url = os.environ.get("SIGNPOST_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    if _postgres_answers(url):
        yield url
        return
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ.get("PATH", "")]
    initdb = shutil.which("initdb", path=os.pathsep.join(folders))
    if initdb is None:
        yield Missing(
            "PostgreSQL", "install it (Debian: `apt-get install postgresql`) or set SIGNPOST_TEST_POSTGRES_URL"
        )
        return
    with _private_postgres(Path(initdb).parent) as private:
        yield private


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
        yield Rabbit(url, None)
        return
    if shutil.which("rabbitmq-server") is None:
        yield advice
        return
    with _private_rabbitmq() as private:
        yield private


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


@contextmanager
def _private_postgres(binaries: Path) -> Iterator[str]:
    """A server on a port of its own; PostgreSQL refuses to run as root, so root hands it to another user."""
    folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))
    run_as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if run_as:
        shutil.chown(folder, "postgres")
    options = (
        f"-p {POSTGRES_PORT} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
    )
    control = [*run_as, str(binaries / "pg_ctl"), "-s", "-w", "-D", str(folder / "data")]
    try:
        subprocess.run(
            [
                *run_as,
                str(binaries / "initdb"),
                "-D",
                str(folder / "data"),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
        )
        subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], check=True, capture_output=True)
        yield f"postgresql://postgres@127.0.0.1:{POSTGRES_PORT}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def managed_rabbitmq() -> Iterator[tuple[Rabbit, str] | Missing]:
    """A private RabbitMQ with its management API, and the address of that."""
    if shutil.which("rabbitmq-server") is None:
        yield Missing("RabbitMQ", "install it (Debian: `apt-get install rabbitmq-server`)")
        return
    with _private_rabbitmq(AMQP_PORT + 40, management_port=AMQP_PORT + 41) as private:
        yield private, f"http://127.0.0.1:{AMQP_PORT + 41}"


@contextmanager
def _private_rabbitmq(port: int = AMQP_PORT, *, management_port: int | None = None) -> Iterator[Rabbit]:
    """A node with its own name, ports, cookie and data."""
    folder = Path(tempfile.mkdtemp(prefix="sp-mq-"))
    node = f"sptest{secrets.token_hex(3)}@localhost"
    environment = os.environ | {
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(port + 20000 - 40000),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
    }
    url = f"amqp://guest:guest@127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "plugins").write_text("[rabbitmq_management]." if management_port else "[].")
        own = f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n" if management_port else ""
        (folder / "rabbitmq.conf").write_text(f"log.file.level = warning\n{own}")
        if os.geteuid() == 0:  # Debian's start script hands the server to another user
            shutil.chown(folder, "rabbitmq")
        server = subprocess.Popen(
            ["rabbitmq-server"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(server.wait, 30)
        stack.callback(subprocess.run, ["rabbitmqctl", "-q", "-n", node, "stop"], capture_output=True)
        wait_until(lambda: _rabbit_answers(url), timeout_s=90, what="the private RabbitMQ")
        yield Rabbit(url, node)
