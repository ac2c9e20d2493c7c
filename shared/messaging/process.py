"""A worker process: waits for what it needs, hosts the given services, stops cleanly."""

import gc
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import eventlet
from eventlet import wsgi
from nameko.runners import ServiceRunner

from shared.database.database import Database, DatabaseAway
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.greenlets import Backoff, Stop
from shared.messaging.hosting import EventService, Hosting
from shared.messaging.queue_watch import watch
from shared.messaging.rabbitmq import RabbitBroker, channel_to
from shared.messaging.reactions import Reactions
from shared.messaging.topology import EventLog, Topology
from shared.messaging.wake import signal_path
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.telemetry.metrics import CONTENT_TYPE, render_metrics

# What is under way ends within seconds; past this, something hangs. Below the 30 s that Kubernetes waits.
LONGEST_STOP_S = 20.0
log = get_logger(__name__)


class GroupsMissing(Exception):
    """An embedded worker must host every service: events of one reach the others inside its process alone."""


def run_workers(settings: Settings, services: Sequence[type[EventService]], *, groups: Mapping[str, Reactions]) -> None:
    """
    Host `services` until SIGTERM or SIGINT; what is being handled then is finished first.

    Args:
        groups: The reactions of every service of the deployment, so that all queues exist
            before this process publishes.

    Raises:
        GroupsMissing: Embedded, and `services` are not all of `groups`.
        TopologyMissing: Events would be lost; `signpost topology apply` has not been run, or something is different.
    """
    names = [service.name for service in services]
    if settings.is_embedded and (absent := groups.keys() - names):
        raise GroupsMissing(
            "Without SIGNPOST_AMQP_URL events travel inside one process, so that it must host every service. "
            f"Not hosted here: {', '.join(sorted(absent))}."
        )
    # It logs failures with their text, which may quote personal data; the loops log each failure themselves.
    logging.getLogger("nameko.containers").setLevel(logging.CRITICAL)
    stopping = _stop_on_signals()
    hosting = _hosting(settings, names, groups)
    if settings.worker_http_port is not None:  # before all else: a worker that waits is alive, and not ready
        _serve_health(hosting, settings.http_host, settings.worker_http_port)
    if not _everything_is_there(hosting, stopping):
        return
    hosting.install()
    runner = ServiceRunner()
    for service in services:
        runner.add_service(service)
    _spare_the_collector()
    runner.start()
    if any(database.is_sqlite for database in hosting.databases.values()):
        eventlet.spawn_n(_wake_by_pipe, hosting)
    if settings.amqp_url is not None and settings.worker_http_port is not None:  # else nobody asks for metrics
        eventlet.spawn_n(watch, settings.amqp_url, hosting.topology, names, stopping)
    log.info("worker_started", services=names)
    eventlet.spawn_n(_stop, runner, stopping)
    runner.wait()
    for database in hosting.databases.values():
        database.dispose()
    log.info("worker_stopped", services=names)


def wait_for(what: str, attempt: Callable[[], None], *, of: str, stopping: Stop) -> None:
    """Try until it is there, with backoff, saying in the log what is missing; or until stopped."""
    backoff = Backoff(stopping, first_s=0.5)
    while not stopping.asked():
        try:
            return attempt()
        except (BrokerAway, DatabaseAway) as error:
            log.warning(f"waiting_for_{what}", of=of, missing=str(error), retry_in_s=backoff.next_s)
            backoff.pause()


def _hosting(settings: Settings, names: Sequence[str], groups: Mapping[str, Reactions]) -> Hosting:
    databases = {name: Database.open(settings, name) for name in names}
    topology = Topology.of(settings.exchange, groups, log=EventLog.of(settings))
    if settings.amqp_url is None:
        embedded = EmbeddedBroker(expected=groups)
        return Hosting(settings, databases, lambda: embedded, topology, embedded)
    url = settings.amqp_url

    def broker() -> Broker:
        return RabbitBroker(url, exchange=settings.exchange)

    return Hosting(settings, databases, broker, topology)


def _everything_is_there(hosting: Hosting, stopping: Stop) -> bool:
    """Wait for databases and broker; False if stopped before."""

    def ensure_topology() -> None:
        with channel_to(str(hosting.settings.amqp_url)) as channel:
            hosting.topology.ensure(channel)

    for database in hosting.databases.values():
        wait_for("database", database.ping, of=database.service, stopping=stopping)
    if hosting.embedded is None:
        wait_for("broker", ensure_topology, of="topology", stopping=stopping)
    return not stopping.asked()


def _spare_the_collector() -> None:
    """
    What is loaded by now stays: the garbage collector need not look through it while events are applied.

    Unasked it takes a quarter of a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _stop_on_signals() -> Stop:
    """A stop asked for by the first SIGTERM or SIGINT."""
    stopping = Stop()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A handler alone would be heard only when the hub's present sleep ends; a byte in a pipe ends it.
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def ask() -> None:
        os.read(reading, 1)
        stopping.ask()

    eventlet.spawn_n(ask)
    return stopping


def _stop(runner: ServiceRunner, stopping: Stop) -> None:
    """Stop once asked; what hangs then is killed: nothing of it is acknowledged, so it is delivered again."""
    while not stopping.asked():
        stopping.pause(60)
    with eventlet.Timeout(LONGEST_STOP_S, False):
        return runner.stop()
    log.error("stop_takes_too_long", killed_after_s=LONGEST_STOP_S)
    runner.kill()


def _wake_by_pipe(hosting: Hosting) -> None:
    """Pass on the wake-ups that API processes send through the named pipe."""
    path = signal_path(hosting.settings)
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # Open for writing too, so that the pipe stays open when the last writer has gone.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    while True:
        os.read(descriptor, 65536)  # eventlet's, which waits
        for database in hosting.databases.values():
            database.wake()


def _serve_health(hosting: Hosting, host: str, port: int) -> None:
    """/healthz, /readyz and /metrics of a worker."""

    def answer(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        match environ["PATH_INFO"]:
            case "/healthz":
                status, kind, body = "200 OK", "application/json", b'{"status":"ok"}'
            case "/readyz":
                missing = _missing(hosting)
                status = "503 Service Unavailable" if missing else "200 OK"
                kind, body = "application/json", json.dumps({"missing": missing}).encode()
            case "/metrics":
                status, kind, body = "200 OK", CONTENT_TYPE, render_metrics()
            case _:
                status, kind, body = "404 Not Found", "text/plain", b"not found"
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    listener = eventlet.listen((host, port))
    eventlet.spawn_n(wsgi.server, listener, answer, log_output=False)


def _missing(hosting: Hosting) -> list[str]:
    missing = sorted(hosting.missing)
    for database in hosting.databases.values():
        try:
            database.ping()
        except DatabaseAway:
            missing.append(f"database of {database.service}")
    return missing
