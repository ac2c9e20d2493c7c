"""RabbitMQ nodes of one's own, alone or as a cluster: killed, paused and started again at will."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from amqp.exceptions import AMQPError
from kombu import Connection

from shared.testing.deployment import free_port
from tests.support.waiting import wait_until

STARTED_S = 120.0
# Debian's wrapper on the PATH gives up root's rights; these are what it wraps.
_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/rabbitmq/sbin")


@dataclass
class Node:
    """One broker process, with a name, ports and data of its own."""

    name: str
    folder: Path
    binaries: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    management_port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    @property
    def management_url(self) -> str:
        """Of its management API, if it was started with one."""
        return f"http://127.0.0.1:{self.management_port}"

    @property
    def reach(self) -> dict[str, str]:
        """What a rabbitmqctl needs in its environment to talk to this node."""
        shared = {name: self.environment[name] for name in ("HOME", "ERL_EPMD_PORT", "ERL_EPMD_ADDRESS")}
        path = os.pathsep.join([str(self.binaries), os.environ.get("PATH", "")])
        return shared | {"RABBITMQ_NODENAME": self.name, "PATH": path}

    def start(self) -> None:
        """Without waiting until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        with (self.folder / "stdout").open("ab") as log:
            self.server = subprocess.Popen(
                [self.binaries / "rabbitmq-server"],
                env=self.environment | self._own,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_started(self) -> None:
        wait_until(self.answers, timeout_s=STARTED_S, what=f"RabbitMQ {self.name}", interval_s=0.2)

    def answers(self) -> bool:
        """Whether a client can connect."""
        try:
            with Connection(self.url, connect_timeout=5) as connection:
                connection.connect()
        except (OSError, AMQPError):
            return False
        return True

    def kill(self) -> None:
        """kill -9 of the broker, and of what is left of the script around it."""
        assert self.server is not None
        for number in (self._process_id, self.server.pid):
            _send(number, signal.SIGKILL)
        self.server.wait()
        wait_until(lambda: not _accepts(self.port), timeout_s=10, what=f"the port of {self.name} to be free")

    def pause(self) -> None:
        """SIGSTOP: it is there, and does nothing."""
        _send(self._process_id, signal.SIGSTOP)

    def resume(self) -> None:
        _send(self._process_id, signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """What rabbitmqctl says."""
        done = subprocess.run(
            [self.binaries / "rabbitmqctl", "-q", "-n", self.name, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def close(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.resume()
            self.kill()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def _process_id(self) -> int:
        return int(self._pid_file.read_text()) if self._pid_file.exists() else 0

    @property
    def _own(self) -> dict[str, str]:
        return {
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self._pid_file),
        }


@contextmanager
def nodes(count: int = 1, *, management: bool = False) -> Iterator[list[Node] | None]:
    """
    Running nodes, one cluster if there are several; None where RabbitMQ is not installed.

    Args:
        management: With the management API; for one node alone.
    """
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sp-mq-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environment = _environment(folder)
        stack.enter_context(_name_server(environment))
        suffix = secrets.token_hex(3)
        names = [f"sp{number}{suffix}@localhost" for number in range(1, count + 1)]
        members = [Node(name, folder / name.partition("@")[0], binaries, environment) for name in names]
        (folder / "plugins").write_text("[rabbitmq_management]." if management else "[].")
        (folder / "rabbitmq.conf").write_text(_configuration(names) + _managed(members[0]) * management)
        for member in members:
            stack.callback(member.close)
        members[0].start()
        members[0].wait_started()
        for member in members[1:]:  # they find the first one there, and join it
            member.start()
        for member in members[1:]:
            member.wait_started()
        yield members


def leader(members: Sequence[Node], queue: str) -> Node:
    """The node that leads a quorum queue, asked of any that answers."""
    asked = next(member for member in members if member.answers())
    listed = asked.control("list_queues", "--no-table-headers", "name", "leader")
    found = dict(line.split("\t") for line in listed.splitlines() if "\t" in line)
    return next(member for member in members if member.name == found[queue])


def wait_whole(members: Sequence[Node], queue: str) -> None:
    """Until each node has its copy of a quorum queue at work: with two away there would be no majority."""

    def is_whole() -> bool:
        try:
            listed = members[0].control("list_queues", "--no-table-headers", "name", "online")
        except subprocess.SubprocessError:
            return False
        online = next((line for line in listed.splitlines() if line.startswith(f"{queue}\t")), "")
        return all(member.name in online for member in members)

    wait_until(is_whole, timeout_s=STARTED_S, what=f"all copies of {queue}", interval_s=1.0)


def _binaries() -> Path | None:
    found = shutil.which("rabbitmq-server", path=os.pathsep.join([*_FOLDERS, os.environ.get("PATH", "")]))
    return Path(found).parent if found else None


def _environment(folder: Path) -> dict[str, str]:
    """A name server, a cookie and settings that no other node on this machine shares."""
    home = folder / "home"
    home.mkdir()
    cookie = home / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(12))
    cookie.chmod(0o400)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return inherited | {
        "HOME": str(home),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        # Small, and not in a busy loop while it waits: tests of others run beside it.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def _configuration(names: Sequence[str]) -> str:
    lines = [
        "log.file.level = warning",
        "vm_memory_high_watermark.absolute = 600MB",
        "disk_free_limit.absolute = 50MB",
        "net_ticktime = 8",
        "cluster_partition_handling = pause_minority",
        "cluster_formation.peer_discovery_backend = classic_config",
        *(f"cluster_formation.classic_config.nodes.{number} = {name}" for number, name in enumerate(names, start=1)),
    ]
    return "\n".join(lines if len(names) > 1 else lines[:3]) + "\n"


def _managed(node: Node) -> str:
    return f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {node.management_port}\n"


@contextmanager
def _name_server(environment: dict[str, str]) -> Iterator[None]:
    """Erlang's, on a port of its own; left to itself a node would start one that nobody ends."""
    port = int(environment["ERL_EPMD_PORT"])
    found = shutil.which("epmd")
    if found is None:  # then the nodes start their own, out of Erlang's folder
        yield
        return
    server = subprocess.Popen([found], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _accepts(port), timeout_s=10, what="epmd")
        yield
    finally:
        server.kill()
        server.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _send(process_id: int, number: signal.Signals) -> None:
    if process_id <= 0:  # not started yet; the kernel would take it for a whole group
        return
    try:
        os.kill(process_id, number)
    except ProcessLookupError:
        return
