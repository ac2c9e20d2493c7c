"""
The whole system: plan changes per second to their last effect, the time from commit to SMTP, and what each costs.

    python -m benchmarks.system

Writes benchmarks/results/system.md and system.json.
"""

import json
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import psutil
from sqlalchemy import func, select

from benchmarks.engines import Engine, all_engines
from benchmarks.findings import Findings, facts, machine_lines, spread
from benchmarks.plan_changes import CLIENTS, Client, Roster, change, changeable
from services.composition import SERVICES
from services.notifications.notices.tables import messages, notices
from services.plans.plans.tables import plan_revisions
from services.sample_district import load_sample_district
from shared.messaging.relay import outbox_backlog
from shared.testing.databases import postgres_urls
from shared.testing.deployment import Deployment, wait_until

RESULTS = Path(__file__).parent / "results"
STUDENTS = 300
CHANGES = 400
ROUNDS = 3
PACED_PER_S = (20, 50)
PACED_S = 8
STILL_S = 2.0
# As in production, what writes to families has a process of its own; embedded all is one process.
WORKERS = [["plans", "mentorship", "roster", "catalog", "gateway"], ["notifications"]]

ANSWERED, EFFECTED, UNDISTURBED = (
    "changes answered /s",
    "changes to their last effect /s",
    "answered, workers halted /s",
)


def main() -> int:
    """Measure and write the results; 0, or 1 if an engine could not be measured."""
    findings = Findings(facts())
    engines = all_engines()
    findings.missing.update({engine.name: engine.missing for engine in engines if engine.missing})
    for engine in engines:
        if engine.missing:
            continue
        with _deployed(engine) as (deployment, roster):
            client = Client(deployment, roster)
            students = changeable(client, roster)
            for number in range(1, ROUNDS + 1):
                print(f"system, {engine.name}, round {number} of {ROUNDS}", flush=True)
                _round(partial(findings.add, engine.name), deployment, client, students)
    page = _page(findings)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "system.md").write_text(page)
    (RESULTS / "system.json").write_text(json.dumps(asdict(findings), indent=2) + "\n")
    print(f"\n{page}")
    return 1 if findings.missing else 0


@contextmanager
def _deployed(engine: Engine) -> Iterator[tuple[Deployment, Roster]]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signpost-bench-")))
        database_url = stack.enter_context(postgres_urls(engine.postgres, list(SERVICES))) if engine.postgres else None
        amqp_url = stack.enter_context(engine.vhost()) if engine.rabbit else None
        deployment = stack.enter_context(Deployment(home, amqp_url=amqp_url, database_url=database_url))
        deployment.start(workers=WORKERS if engine.rabbit else [[]])
        load_sample_district(deployment.settings, students=STUDENTS, say=lambda text: None)
        yield deployment, Roster.of(deployment)


def _round(add: Callable[[str, float], None], deployment: Deployment, client: Client, students: Sequence[UUID]) -> None:
    _settle(deployment)
    used, begun = _cpu_s(deployment), time.perf_counter()
    change(client, students, CHANGES)
    add(ANSWERED, CHANGES / (time.perf_counter() - begun))
    add(EFFECTED, CHANGES / (_settle(deployment) - begun))
    for name, seconds in _cpu_s(deployment).items():
        add(f"CPU ms per change, {name}", (seconds - used[name]) / CHANGES * 1000)
    with _workers_halted(deployment):
        begun = time.perf_counter()
        change(client, students, CHANGES // 2)
        add(UNDISTURBED, CHANGES // 2 / (time.perf_counter() - begun))
    for per_s in PACED_PER_S:
        latencies_ms, late = _paced(deployment, client, students, per_s)
        add(f"commit to SMTP at {per_s}/s, p50 ms", statistics.median(latencies_ms))
        add(f"commit to SMTP at {per_s}/s, p99 ms", statistics.quantiles(latencies_ms, n=100)[98])
        add(f"changes sent over 20 ms late at {per_s}/s", late)


def _cpu_s(deployment: Deployment) -> dict[str, float]:
    """Processor seconds used so far: by the APIs and gateway, by all workers, by the mailbox."""
    used: dict[str, float] = {}
    for name in deployment.names:
        times = psutil.Process(deployment.process_id(name)).cpu_times()
        kind = name.partition("-")[0]
        used[kind] = used.get(kind, 0.0) + times.user + times.system
    return used


@contextmanager
def _workers_halted(deployment: Deployment) -> Iterator[None]:
    """Consumers so slow that they stand still; what is written meanwhile waits for them."""
    workers = [deployment.process_id(name) for name in deployment.names if name.startswith("worker")]
    for each in workers:
        psutil.Process(each).send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in workers:
            psutil.Process(each).send_signal(signal.SIGCONT)


def _paced(deployment: Deployment, client: Client, students: Sequence[UUID], per_s: int) -> tuple[list[float], int]:
    """Commit-to-SMTP times in milliseconds at a steady pace, and how many changes were sent over 20 ms late."""
    _settle(deployment)
    late, begun = 0, time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        pending = []
        for index in range(per_s * PACED_S):
            pause = begun + index / per_s - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            late += pause < -0.02
            pending.append(clients.submit(client.toggle, students[index % len(students)]))
        journeys = {each.result() for each in pending}
    _settle(deployment)
    return _latencies_ms(deployment, journeys), late


def _latencies_ms(deployment: Deployment, journeys: set[str]) -> list[float]:
    with deployment.database("plans") as database, database.reading() as session:
        rows = session.execute(select(plan_revisions.c.correlation_id, plan_revisions.c.at)).all()
    committed = {str(correlation_id): at for correlation_id, at in rows}
    return [
        (datetime.fromisoformat(mail["received_at"]) - committed[mail["correlation_id"]]).total_seconds() * 1000
        for mail in deployment.messages()
        if mail["kind"] == "email" and mail["correlation_id"] in journeys
    ]


def _settle(deployment: Deployment) -> float:
    """
    Wait until every change has its notices and no message waits; when the last of them moved.

    Nothing may have moved for a while: workers that were halted take some time to begin.
    """
    settled = messages.c.state.in_(["accepted", "delivered", "failed", "suppressed", "cancelled"])
    seen, moved_at = (0, 0, 0), time.perf_counter()

    def still() -> bool:
        nonlocal seen, moved_at
        with deployment.database("plans") as database:
            unpublished, _ = outbox_backlog(database)
        with deployment.database("notifications") as database, database.reading() as session:
            told = session.execute(select(func.count()).select_from(notices)).scalar_one()
            waiting = session.execute(select(func.count()).select_from(messages).where(~settled)).scalar_one()
        now = (unpublished, told, waiting)
        if now != seen:
            seen, moved_at = now, time.perf_counter()
        return unpublished == waiting == 0 and time.perf_counter() - moved_at > STILL_S

    wait_until(still, timeout_s=180, what="all notices handed over")
    return moved_at


def _page(findings: Findings) -> str:
    lines = [
        "# The whole system, measured",
        "",
        f"Written by `make bench`. Medians of {ROUNDS} rounds, lowest and highest in brackets. {STUDENTS} students;",
        f"{CHANGES} plan changes through the gateway by {CLIENTS} clients, each change one to three messages; then a",
        f"steady pace for {PACED_S} s. One process for all APIs, the gateway and, embedded, the mailbox; clients,",
        "servers and all processes share the machine. Halted workers are stopped by a signal while changes go on:",
        "how much a consumer that stands still slows the API down.",
        "",
        *machine_lines(findings.machine),
        "",
    ]
    for engine, figures in findings.values.items():
        lines += [f"## {engine}", "", "| figure | measured |", "| --- | --- |"]
        lines += [f"| {figure} | {spread(values, 1)} |" for figure, values in figures.items()]
        halted = findings.ratios(engine, UNDISTURBED, engine, ANSWERED)
        lines += [f"| answered with workers halted, over answered with workers at work | {spread(halted, 2)} |", ""]
    lines += [f"Not measured: {what}: {why}" for what, why in findings.missing.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
