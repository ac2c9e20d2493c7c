"""The whole system on one machine: a worker process, and one process for every API, the gateway and the mailbox."""

import asyncio
import contextlib
import fcntl
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import IO

import psutil
import typer

from services.composition import SERVICES
from services.demonstration import Demonstration, DemonstrationFailed, prove_a_plan_change
from services.notifications.mailbox.app import start_mailbox
from services.notifications.settings import NotificationsSettings
from services.sample_district import NotProjected, load_sample_district
from services.web_process import serving_all, stop_signal
from shared.database.migrations import migrate
from shared.settings import EMBEDDED_DEFAULT_HOME, Settings
from shared.telemetry.logs import configure_logs, get_logger
from shared.telemetry.traces import configure_traces

WORKER_STOP_S = 20.0
RESTART_WAIT_S = 1.0
log = get_logger(__name__)


class CannotStart(Exception):
    """Something here is in the way; the text says what, and what would be right."""


def run_here(settings: Settings, *, students: int, port: int) -> int:
    """
    Start everything, load the sample district on the first run, prove that it works, serve until stopped.

    Returns:
        Exit code of the command.
    """
    settings = settings.model_copy(update={"http_port": port, "public_url": f"http://127.0.0.1:{port}"})
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        with _only_one(settings), _log_file(settings, "web") as logs, contextlib.redirect_stderr(logs):
            configure_logs(service="web", level=settings.log_level)
            configure_traces(settings, service="web")
            return asyncio.run(_run(settings, students=students))
    except CannotStart as reason:
        typer.echo(str(reason), err=True)
        return 1


def run_web(settings: Settings) -> None:
    """Every API and the gateway in one process, without worker, sample or proof: the web half of `run`."""
    configure_logs(service="web", level=settings.log_level)
    configure_traces(settings, service="web")
    asyncio.run(_serve_web(settings))


def run_mailbox(settings: Settings) -> None:
    """The local mailbox alone."""
    configure_logs(service="mailbox", level=settings.log_level)
    asyncio.run(_serve_mailbox(settings))


async def _run(settings: Settings, *, students: int) -> int:
    started = time.monotonic()
    stopped = stop_signal()
    _say("Preparing the databases")
    for service in SERVICES:  # one after the other: Alembic keeps its present migration in a global
        await asyncio.to_thread(migrate, settings, service)
    if not settings.is_embedded:
        await asyncio.to_thread(_apply_topology)
    async with AsyncExitStack() as stack:
        mailbox_url = await stack.enter_async_context(_mailbox(settings))
        workers = await stack.enter_async_context(_workers(settings))
        gateway_url = await stack.enter_async_context(
            serving_all(settings, gateway_port=settings.http_port, mailbox_url=mailbox_url)
        )
        waiting = asyncio.create_task(stopped.wait())
        starting = asyncio.create_task(_start(settings, gateway_url, students=students))
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 0
        try:
            shown = starting.result()
        except (DemonstrationFailed, NotProjected) as reason:
            raise CannotStart(f"{reason} The logs are in {settings.home / 'logs'}.") from None
        _announce(settings, shown, gateway_url, mailbox_url, workers.process_id, seconds=time.monotonic() - started)
        await waiting
        _say("Stopping")
    _say("Stopped")
    return 0


def _apply_topology() -> None:
    """In a process of its own, for it knows every worker, and this one must not load any."""
    command = [sys.executable, "-W", "ignore", "-m", "services.cli", "topology", "apply"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotStart(done.stderr.strip())


async def _start(settings: Settings, gateway_url: str, *, students: int) -> Demonstration:
    await asyncio.to_thread(load_sample_district, settings, students=students, say=_say)
    _say("Changing a plan and waiting for the notice it causes")
    return await prove_a_plan_change(settings, gateway_url)


async def _serve_web(settings: Settings) -> None:
    stopped = stop_signal()
    async with AsyncExitStack() as stack:
        mailbox_url = await stack.enter_async_context(_mailbox(settings)) if settings.is_embedded else None
        url = await stack.enter_async_context(
            serving_all(settings, gateway_port=settings.http_port, mailbox_url=mailbox_url)
        )
        log.info("web_started", url=url)
        await stopped.wait()


async def _serve_mailbox(settings: Settings) -> None:
    stopped = stop_signal()
    async with _mailbox(settings) as url:
        typer.echo(f"Mail and SMS are kept and shown at {url}")
        await stopped.wait()


class Worker:
    """The worker process; started again should it die."""

    def __init__(self, settings: Settings, logs: IO[str]) -> None:
        self._logs = logs
        self._environment = _environment(settings)
        self._process = self._spawn()
        self._stopping = False

    @property
    def process_id(self) -> int:
        return self._process.pid

    async def supervise(self) -> None:
        while True:
            code = await asyncio.to_thread(self._process.wait)
            if self._stopping:
                return
            log.error("worker_died", exit_code=code)
            await asyncio.sleep(RESTART_WAIT_S)
            self._process = self._spawn()

    def stop(self) -> None:
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(WORKER_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "services.worker_process"]
        # A session of its own: Ctrl-C reaches this process alone, which then stops the worker in order.
        return subprocess.Popen(command, env=self._environment, stderr=self._logs, start_new_session=True)  # noqa: S603


@asynccontextmanager
async def _workers(settings: Settings) -> AsyncIterator[Worker]:
    with _log_file(settings, "worker") as logs:
        worker = Worker(settings, logs)
        supervising = asyncio.create_task(worker.supervise())
        try:
            yield worker
        finally:
            await asyncio.to_thread(worker.stop)
            await supervising


@asynccontextmanager
async def _mailbox(settings: Settings) -> AsyncIterator[str]:
    own = settings.specialized(NotificationsSettings)
    try:
        mailbox = await start_mailbox(own)
    except OSError as error:
        raise CannotStart(
            f"The mailbox needs ports {own.mailbox_smtp_port} and {own.mailbox_http_port}: {error.strerror}. "
            "Choose others with SIGNPOST_MAILBOX_SMTP_PORT and SIGNPOST_MAILBOX_HTTP_PORT."
        ) from None
    try:
        yield mailbox.url
    finally:
        await mailbox.stop()


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    with (settings.home / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"Signpost already runs with {settings.home}. Stop it, or set SIGNPOST_HOME to another folder."
            ) from None
        _check_port_free(settings.http_port)
        yield


def _check_port_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(f"Port {port} is in use. Choose another: signpost run --port {port + 1}") from None


def _log_file(settings: Settings, name: str) -> IO[str]:
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{name}.log").open("a", buffering=1)


def _environment(settings: Settings) -> dict[str, str]:
    """The worker's environment: ours, and what this run decided by itself."""
    own = {
        "SIGNPOST_HOME": str(settings.home.resolve()),
        "SIGNPOST_PUBLIC_URL": settings.public_url,
    }
    return os.environ | own


def _announce(
    settings: Settings, shown: Demonstration, gateway_url: str, mailbox_url: str, worker_pid: int, *, seconds: float
) -> None:
    engine = "embedded: SQLite, in-process broker, local mailbox" if settings.is_embedded else "RabbitMQ and databases"
    lines = [
        f"ready {gateway_url}  ({engine}; {seconds:.1f} s)",
        "",
        f"A plan was changed; its notice was delivered {shown.seconds * 1000:.0f} ms later: see the mailbox. Then try:",
        "",
        *(f"  {line}" for line in _curl_lines(settings, shown, gateway_url)),
        "",
        f"  Mailbox   {mailbox_url}",
        f"  API       {gateway_url}/docs",
        f"  Logs      {settings.home / 'logs'}",
        f"  Memory    {_memory_mb(worker_pid):.0f} MB in all",
        "",
        "Ctrl-C stops it.",
    ]
    typer.echo("\n".join(lines))


def _curl_lines(settings: Settings, shown: Demonstration, gateway_url: str) -> list[str]:
    """What a newcomer pastes next: the plan, what the change led to, and the counselor's tasks."""
    home = "" if settings.home == EMBEDDED_DEFAULT_HOME else f"SIGNPOST_HOME={shlex.quote(str(settings.home))} "
    token = f"{home}{shlex.quote(sys.argv[0])} token --as counselor:{shown.cast.counselor_id}"
    paths = (f"/v1/students/{shown.cast.student_id}/plan", f"/v1/journeys/{shown.correlation_id}", "/v1/tasks")
    return [f'curl -s -H "Authorization: Bearer $({token})" {gateway_url}{path}' for path in paths]


def _memory_mb(worker_pid: int) -> float:
    """Resident memory of this process and the worker, in megabytes of 10^6 bytes."""
    processes = [psutil.Process(), psutil.Process(worker_pid)]
    resident: int = sum(process.memory_info().rss for process in processes)
    return resident / 1e6


def _say(text: str) -> None:
    typer.echo(text)
