"""The event engine: events per second from outbox to effect, and the time from commit to effect."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.engines import Engine, available_engines
from benchmarks.tally import TallyService, applied, emit, fill, prepare
from shared.database.database import Database
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Topology
from shared.messaging.wake import waker_for
from shared.settings import Settings
from shared.testing.databases import embedded_settings, postgres_urls
from shared.testing.deployment import wait_until

EVENTS = 10_000
ROUNDS = 3
PACED_PER_S = 50
PACED_S = 8
LONGEST_S = 120


@dataclass
class Ground:
    """A database and a virtual host for one round."""

    settings: Settings
    database: Database
    environment: dict[str, str]
    times: Path

    def part(self, name: str) -> float:
        """Events per second of one part, in a process of its own."""
        command = [sys.executable, "-m", "benchmarks.engine_parts", name, str(EVENTS)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stderr}")
        measured = EVENTS - self.settings.outbox_batch if name == "relay" else EVENTS  # it is warmed by a batch
        return measured / float(done.stdout)

    @contextmanager
    def worker(self, **environment: str) -> Iterator[None]:
        """The worker process; at the end the times of its effects are complete."""
        command = [sys.executable, "-m", "benchmarks.tally", str(self.times)]
        worker = subprocess.Popen(command, env=self.environment | environment)
        try:
            yield
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)
        finally:
            worker.kill()
            worker.wait()

    def effects(self) -> dict[str, float]:
        """When each event's effect was committed, by event id."""
        return {event: float(at) for event, at in (line.split() for line in self.times.read_text().splitlines())}


def main() -> None:
    print(f"Engine: {EVENTS} events, one relay, one worker, one row per event. Median of {ROUNDS} rounds (low-high).")
    print(f"Latency: {PACED_PER_S} commits/s for {PACED_S} s. Bare: the same drivers in a loop, no framework.\n")
    for engine in available_engines():
        rounds = [_rabbit_round(engine) if engine.rabbit else _embedded_round(engine) for _ in range(ROUNDS)]
        print(engine.name)
        for name in rounds[0]:
            print(f"  {name:<44}{_spread([each[name] for each in rounds])}")
        print()


def _rabbit_round(engine: Engine) -> dict[str, float]:
    figures = {}
    with _ground(engine) as ground:
        fill(ground.database, EVENTS)
        figures["relay, events/s"] = ground.part("relay")
        figures["consume, an upsert per event, events/s"] = _drained(ground)
        fill(ground.database, EVENTS)
        ground.part("relay")
        figures["consume, a statement per event, events/s"] = _drained(ground, TALLY_STATEMENT_PER_EVENT="1")
        fill(ground.database, EVENTS)
        figures["outbox to effect in one process, events/s"] = _drained(ground)
    with _ground(engine) as ground:
        fill(ground.database, EVENTS)
        figures["bare relay, events/s"] = ground.part("bare-relay")
        figures["bare consume, events/s"] = ground.part("bare-consume")
    return figures | _latency(engine)


def _embedded_round(engine: Engine) -> dict[str, float]:
    figures = {}
    with _ground(engine) as ground:
        fill(ground.database, EVENTS)
        figures["outbox to effect in one process, events/s"] = _drained(ground)
    with _ground(engine) as ground:
        fill(ground.database, EVENTS)
        figures["bare outbox to effect, events/s"] = ground.part("bare-embedded")
    return figures | _latency(engine)


def _drained(ground: Ground, **environment: str) -> float:
    """Events per second of a worker between its first and its last commit."""
    target = applied(ground.database) + EVENTS
    with ground.worker(**environment):
        wait_until(lambda: applied(ground.database) == target, timeout_s=LONGEST_S, what="all effects")
    times = sorted(ground.effects().values())
    later = sum(at > times[0] + 0.001 for at in times)
    return later / (times[-1] - times[0])


def _latency(engine: Engine) -> dict[str, float]:
    with _ground(engine) as ground:
        with ground.worker():
            committed = _write_paced(ground)
        effects = ground.effects()
    taken = sorted((effects[event] - at) * 1000 for event, at in committed.items())
    return {
        "commit to effect, p50 ms": statistics.median(taken),
        "commit to effect, p99 ms": taken[int(len(taken) * 0.99)],
    }


def _write_paced(ground: Ground) -> dict[str, float]:
    """Commit at a steady rate while the worker works; when each commit returned, by event id."""
    waker = waker_for(ground.settings, ground.database)
    ground.database.wakers.append(waker.wake)
    committed: dict[str, float] = {}
    for _ in range(10):  # connected and warm
        _commit_one(ground.database)
    wait_until(lambda: applied(ground.database) == 10, timeout_s=30, what="the worker")
    pause, begun = threading.Event(), time.monotonic()
    for each in range(PACED_PER_S * PACED_S):
        pause.wait(max(0.0, begun + each / PACED_PER_S - time.monotonic()))
        event = _commit_one(ground.database)
        committed[event] = time.time()
    wait_until(lambda: applied(ground.database) == len(committed) + 10, timeout_s=30, what="all effects")
    waker.close()
    return committed


def _commit_one(database: Database) -> str:
    with database.transaction() as uow:
        return emit(uow)


@contextmanager
def _ground(engine: Engine) -> Iterator[Ground]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signpost-bench-")))
        where = {}
        if engine.rabbit and engine.postgres:
            where["amqp_url"] = stack.enter_context(engine.vhost())
            where["database_url"] = stack.enter_context(postgres_urls(engine.postgres, ["tally"]))
            with channel_to(where["amqp_url"]) as channel:
                Topology.of("signpost.events", {"tally": TallyService.reactions()}).apply(channel)
        settings = embedded_settings(home, **where)
        environment = os.environ | {f"SIGNPOST_{name.upper()}": value for name, value in where.items()}
        database = prepare(settings)
        stack.callback(database.dispose)
        yield Ground(settings, database, environment | {"SIGNPOST_HOME": str(home)}, home / "times")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):10,.1f}  ({min(values):,.1f}-{max(values):,.1f})"


if __name__ == "__main__":
    main()
