"""The whole system: plan changes per second to their last effect, and the time from commit to SMTP."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select

from benchmarks.engines import Engine, available_engines
from services.composition import SERVICES
from services.notifications.notices.tables import messages, notices
from services.plans.plans.tables import plan_revisions, plans
from services.sample_district import load_sample_district
from shared.auth.tables import relationships
from shared.auth.tokens import issue_token
from shared.testing.databases import postgres_urls
from shared.testing.deployment import Deployment, wait_until

STUDENTS = 300
CLIENTS = 8
CHANGES = 400
ROUNDS = 3
PACED_PER_S = 50
PACED_S = 8
WRITTEN_STUDENTS = 80
COURSE = "ENG-250"


@dataclass(frozen=True)
class Round:
    """One measured round."""

    answered_per_s: float
    effected_per_s: float
    p50_ms: float
    p99_ms: float
    late: int


def main() -> None:
    print(f"System: {STUDENTS} students, {CHANGES} plan changes by {CLIENTS} clients through the gateway,")
    print(f"then {PACED_PER_S} changes/s for {PACED_S} s. Median of {ROUNDS} rounds (lowest to highest).\n")
    for engine in available_engines():
        with _deployed(engine) as (deployment, roster):
            rounds = [_round(deployment, roster) for _ in range(ROUNDS)]
        print(f"{engine.name}")
        print(f"  changes answered            {_spread([each.answered_per_s for each in rounds])} /s")
        print(f"  changes to the last effect  {_spread([each.effected_per_s for each in rounds])} /s")
        print(f"  commit to SMTP, p50         {_spread([each.p50_ms for each in rounds])} ms")
        print(f"  commit to SMTP, p99         {_spread([each.p99_ms for each in rounds])} ms")
        print(
            f"  paced changes sent late     {sum(each.late for each in rounds)} of {PACED_PER_S * PACED_S * ROUNDS}\n"
        )


@contextmanager
def _deployed(engine: Engine) -> Iterator[tuple[Deployment, "Roster"]]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signpost-bench-")))
        database_url = stack.enter_context(postgres_urls(engine.postgres, list(SERVICES))) if engine.postgres else None
        amqp_url = stack.enter_context(engine.vhost()) if engine.rabbit else None
        deployment = stack.enter_context(Deployment(home, amqp_url=amqp_url, database_url=database_url))
        deployment.start()
        load_sample_district(deployment.settings, students=STUDENTS, say=lambda text: None)
        yield deployment, Roster.of(deployment)


@dataclass
class Roster:
    """Whose plans are changed, by whom, and the version each is at."""

    students: list[UUID]
    counselor_of: dict[UUID, UUID]
    versions: dict[UUID, int]
    has_course: dict[UUID, bool]

    @classmethod
    def of(cls, deployment: Deployment) -> "Roster":
        with deployment.database("plans") as database, database.reading() as session:
            held = select(relationships.c.student_id, relationships.c.person_id).where(
                relationships.c.kind == "counselor_of"
            )
            counselors = dict(session.execute(held).all())
            rows = session.execute(select(plans.c.student_id, plans.c.version, plans.c.courses)).all()
        chosen = [row for row in rows if row.student_id in counselors]
        return cls(
            [row.student_id for row in chosen],
            counselors,
            {row.student_id: row.version for row in chosen},
            {row.student_id: any(course[0] == COURSE for course in row.courses) for row in chosen},
        )


class Client:
    """Changes plans through the gateway, one request at a time per student."""

    def __init__(self, deployment: Deployment, roster: Roster) -> None:
        self._deployment = deployment
        self._roster = roster
        self._local = threading.local()
        self._tokens = {
            counselor: issue_token(deployment.settings, role="counselor", person_id=counselor)
            for counselor in set(roster.counselor_of.values())
        }

    def toggle(self, student: UUID) -> str:
        """Add or drop one elective; the journey's id."""
        roster = self._roster
        if roster.has_course[student]:
            change: dict[str, Any] = {"action": "drop", "code": COURSE}
        else:
            change = {"action": "add", "code": COURSE, "grade": 12, "term": "S2"}
        answer = self._session.post(
            f"{self._deployment.gateway_url}/v1/students/{student}/plan/changes",
            json={"changes": [change]},
            headers={
                "Authorization": f"Bearer {self._tokens[roster.counselor_of[student]]}",
                "If-Match": f'"{roster.versions[student]}"',
            },
            timeout=30,
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} {answer.text}")
        roster.versions[student] = int(answer.headers["ETag"].strip('"'))
        roster.has_course[student] = not roster.has_course[student]
        return answer.headers["Correlation-Id"]

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _round(deployment: Deployment, roster: Roster) -> Round:
    client = Client(deployment, roster)
    students = _changeable(client, roster)
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = [students[index::CLIENTS] for index in range(CLIENTS)]
        list(clients.map(lambda share: _run(client, share, CHANGES // CLIENTS), shares))
    answered = time.perf_counter()
    _settle(deployment)
    effected = time.perf_counter()
    latencies_ms, late = _paced(deployment, client, students)
    return Round(
        CHANGES / (answered - started),
        CHANGES / (effected - started),
        statistics.median(latencies_ms),
        statistics.quantiles(latencies_ms, n=100)[98],
        late,
    )


def _changeable(client: Client, roster: Roster) -> list[UUID]:
    """Students whose plan takes the elective: nobody who took it years ago, nobody with a full grade 12."""
    able = []
    for student in roster.students:
        try:
            client.toggle(student)
        except RuntimeError:
            continue
        able.append(student)
        if len(able) == WRITTEN_STUDENTS:
            return able
    raise RuntimeError(f"only {len(able)} plans take {COURSE}")


def _run(client: Client, students: Sequence[UUID], count: int) -> None:
    for index in range(count):
        client.toggle(students[index % len(students)])


def _paced(deployment: Deployment, client: Client, students: Sequence[UUID]) -> tuple[list[float], int]:
    """Commit-to-SMTP times in milliseconds at a steady pace, and how many changes were sent over 20 ms late."""
    _settle(deployment)
    journeys: list[str] = []
    late = 0
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        pending = []
        for index in range(PACED_PER_S * PACED_S):
            due = begun + index / PACED_PER_S
            pause = due - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            late += pause < -0.02
            pending.append(clients.submit(client.toggle, students[index % len(students)]))
        journeys = [each.result() for each in pending]
    _settle(deployment)
    return _latencies_ms(deployment, set(journeys)), late


def _latencies_ms(deployment: Deployment, journeys: set[str]) -> list[float]:
    with deployment.database("plans") as database, database.reading() as session:
        rows = session.execute(select(plan_revisions.c.correlation_id, plan_revisions.c.at)).all()
    committed = {str(correlation_id): at for correlation_id, at in rows}
    return [
        (datetime.fromisoformat(mail["received_at"]) - committed[mail["correlation_id"]]).total_seconds() * 1000
        for mail in deployment.messages()
        if mail["kind"] == "email" and mail["correlation_id"] in journeys
    ]


def _settle(deployment: Deployment) -> None:
    """Until every revision has its notices and no message waits: seen three times in a row."""
    settled = messages.c.state.in_(["accepted", "delivered", "failed", "suppressed", "cancelled"])
    seen: list[tuple[int, int]] = []

    def quiet() -> bool:
        with deployment.database("notifications") as database, database.reading() as session:
            told = session.execute(select(func.count()).select_from(notices)).scalar_one()
            open_messages = session.execute(select(func.count()).select_from(messages).where(~settled)).scalar_one()
        seen.append((told, open_messages))
        return len(seen) >= 3 and open_messages == 0 and len(set(seen[-3:])) == 1

    wait_until(quiet, timeout_s=120, what="all notices handed over")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):8.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
