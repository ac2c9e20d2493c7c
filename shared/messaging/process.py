"""A worker process: waits for what it needs, hosts the given services, stops cleanly."""

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import eventlet
from eventlet import wsgi
from eventlet.hubs import trampoline
from nameko.runners import ServiceRunner

from shared.database.database import Database, DatabaseAway
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.hosting import EventService, Hosting
from shared.messaging.rabbitmq import RabbitBroker, channel_to
from shared.messaging.reactions import Reactions
from shared.messaging.topology import Topology
from shared.messaging.wake import signal_path
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.telemetry.metrics import CONTENT_TYPE, render_metrics

LONGEST_WAIT_S = 10.0
log = get_logger(__name__)


def run_workers(settings: Settings, services: Sequence[type[EventService]], *, groups: Mapping[str, Reactions]) -> None:
    """
    Host `services` until SIGTERM or SIGINT.

    Args:
        groups: The reactions of every service of the deployment, so that all queues exist
            before this process publishes.
    """
    databases = {service.name: Database.open(settings, service.name) for service in services}
    for database in databases.values():
        wait_for("database", database.ping, of=database.service)
    topology = Topology.of(settings.exchange, groups)
    embedded = EmbeddedBroker() if settings.is_embedded else None
    if embedded is None:
        wait_for("broker", lambda: _apply(topology, settings), of="topology")
    Hosting(settings, databases, _broker_maker(settings, embedded), topology, embedded).install()
    runner = ServiceRunner()
    for service in services:
        runner.add_service(service)
    stopping = _stop_on_signals(runner)
    runner.start()
    if embedded is not None:
        eventlet.spawn_n(_wake_by_pipe, settings, databases, stopping)
    if settings.worker_http_port is not None:
        eventlet.spawn_n(_serve_health, settings, databases)
    log.info("worker_started", services=[service.name for service in services])
    runner.wait()
    log.info("worker_stopped", services=[service.name for service in services])


def wait_for(what: str, attempt: Callable[[], None], *, of: str) -> None:
    """Try until it is there, with backoff, saying in the log what is missing."""
    wait_s = 0.5
    while True:
        try:
            return attempt()
        except (BrokerAway, DatabaseAway) as error:
            log.warning(f"waiting_for_{what}", of=of, missing=str(error), retry_in_s=wait_s)
            eventlet.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _apply(topology: Topology, settings: Settings) -> None:
    with channel_to(str(settings.amqp_url)) as channel:
        topology.apply(channel)


def _broker_maker(settings: Settings, embedded: EmbeddedBroker | None) -> Callable[[], Broker]:
    if embedded is not None:
        return lambda: embedded
    return lambda: RabbitBroker(str(settings.amqp_url), exchange=settings.exchange)


def _stop_on_signals(runner: ServiceRunner) -> Callable[[], bool]:
    """Stop the runner on the first signal; what is being handled is finished first."""
    received: list[int] = []

    def stop(number: int, _: Any) -> None:
        if not received:
            received.append(number)
            eventlet.spawn_n(runner.stop)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return lambda: bool(received)


def _wake_by_pipe(settings: Settings, databases: Mapping[str, Database], stopping: Callable[[], bool]) -> None:
    """Pass on the wake-ups that API processes send through the named pipe."""
    path = signal_path(settings)
    if not path.exists():
        os.mkfifo(path, 0o600)
    # Open for writing too, so that the pipe stays open when the last writer has gone.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    while not stopping():
        trampoline(descriptor, read=True)
        os.read(descriptor, 65536)
        for database in databases.values():
            database.wake()


def _serve_health(settings: Settings, databases: Mapping[str, Database]) -> None:
    """/healthz, /readyz and /metrics of a worker."""

    def answer(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        match environ["PATH_INFO"]:
            case "/healthz":
                status, kind, body = "200 OK", "application/json", b'{"status":"ok"}'
            case "/readyz":
                missing = _missing(databases)
                status = "503 Service Unavailable" if missing else "200 OK"
                kind, body = "application/json", json.dumps({"missing": missing}).encode()
            case "/metrics":
                status, kind, body = "200 OK", CONTENT_TYPE, render_metrics()
            case _:
                status, kind, body = "404 Not Found", "text/plain", b"not found"
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    listener = eventlet.listen((settings.http_host, settings.worker_http_port))
    wsgi.server(listener, answer, log_output=False)


def _missing(databases: Mapping[str, Database]) -> list[str]:
    missing = []
    for database in databases.values():
        try:
            database.ping()
        except DatabaseAway:
            missing.append(f"database of {database.service}")
    return missing
