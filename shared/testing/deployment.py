"""The system as processes, for flows, faults and benchmarks: started, killed, started again, stopped."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

from shared.database.database import Database
from shared.settings import Settings

T = TypeVar("T")
STOP_S = 20.0
START_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], T | None], *, timeout_s: float, what: str, interval_s: float = 0.05) -> T:
    """
    The first true value of `condition`.

    Raises:
        AssertionError: It never came true in time; says what was waited for and the last value.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s, last seen {value!r}")
        pause.wait(interval_s)
    return value


@dataclass
class Deployment:
    """
    Processes of one deployment in a folder of its own.

    Embedded without `amqp_url`; otherwise on RabbitMQ and the databases of `database_url`.
    Process names: `web` (every API and the gateway), `mailbox`, `worker` or `worker-<services>`.
    """

    home: Path
    amqp_url: str | None = None
    database_url: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.gateway_port, self.smtp_port, self.mailbox_port = free_port(), free_port(), free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def mailbox_url(self) -> str:
        return f"http://127.0.0.1:{self.mailbox_port}"

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "SIGNPOST_HOME": str(self.home),
            "SIGNPOST_HTTP_PORT": str(self.gateway_port),
            "SIGNPOST_PUBLIC_URL": self.gateway_url,
            "SIGNPOST_MAILBOX_SMTP_PORT": str(self.smtp_port),
            "SIGNPOST_MAILBOX_HTTP_PORT": str(self.mailbox_port),
            "SIGNPOST_RATE_LIMIT_PER_S": "0",
            "SIGNPOST_ANONYMOUS_RATE_LIMIT_PER_S": "0",
            "SIGNPOST_DB_POOL_SIZE": "4",
            # What a killed worker held is looked into soon.
            "SIGNPOST_SEND_LEASE_S": "5",
            "SIGNPOST_SEND_TIMEOUT_S": "2",
        }
        if self.amqp_url:
            own["SIGNPOST_AMQP_URL"] = self.amqp_url
        if self.database_url:
            own["SIGNPOST_DATABASE_URL"] = self.database_url
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGNPOST_")}
        return inherited | own | dict(self.extra)

    @property
    def settings(self) -> Settings:
        """The settings its processes run with, for tokens and for looking into its databases."""
        return Settings.model_validate(
            {
                "home": self.home,
                "amqp_url": self.amqp_url,
                "database_url": self.database_url,
                "http_port": self.gateway_port,
                "public_url": self.gateway_url,
                "db_pool_size": 2,
            }
        )

    def signpost(self, *arguments: str, timeout_s: float = 300) -> str:
        """Run a `signpost` command; its standard output. Raises with what it said if it failed."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "services.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"signpost {' '.join(arguments)} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *, workers: Sequence[Sequence[str]] = ((),)) -> None:
        """
        Migrate, then start the mailbox, the web process and one worker per list of services (empty: all).
        """
        self.signpost("migrate")
        if self.amqp_url:
            self.signpost("topology", "apply")
            self.spawn("mailbox", "services.cli", "dev-mailbox")
        self.spawn("web", "services.cli", "web")
        for services in workers:
            self.spawn("-".join(["worker", *services]), "services.worker_process", *services)
        self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(lambda: self._answers(f"{self.gateway_url}/readyz"), timeout_s=START_S, what="the gateway")
        wait_until(lambda: self._answers(f"{self.mailbox_url}/messages.json"), timeout_s=START_S, what="the mailbox")

    def spawn(self, name: str, module: str, *arguments: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", module, *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def names(self) -> list[str]:
        return list(self._running)

    def process_id(self, name: str) -> int:
        return self._running[name].pid

    def kill_and_restart(self, name: str) -> None:
        """kill -9, then the same command again."""
        process = self._running[name]
        process.kill()
        process.wait()
        assert isinstance(process.args, list)
        self.spawn(name, *map(str, process.args[2:]))

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that do not stop in time."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    def messages(self) -> list[dict[str, Any]]:
        """Everything the mailbox has received."""
        listed: list[dict[str, Any]] = []
        cursor: int | None = None
        while True:
            page = {"limit": 200, **({"before": cursor} if cursor else {})}
            answer = requests.get(f"{self.mailbox_url}/messages.json", params=page, timeout=60)
            answer.raise_for_status()
            listed += answer.json()["items"]
            cursor = answer.json()["next"]
            if cursor is None:
                return listed

    @contextmanager
    def database(self, service: str) -> Iterator[Database]:
        opened = Database.open(self.settings, service)
        try:
            yield opened
        finally:
            opened.dispose()

    def __enter__(self) -> "Deployment":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return requests.get(url, timeout=2).status_code == 200
        except requests.RequestException:
            return False
