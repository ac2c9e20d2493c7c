"""Plan changes through the gateway, as clients make them, for measuring the whole system."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import select

from services.plans.plans.tables import plans
from shared.auth.tables import relationships
from shared.auth.tokens import issue_token
from shared.testing.deployment import Deployment

CLIENTS = 8
WRITTEN_STUDENTS = 80
COURSE = "ENG-250"


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


def changeable(client: Client, roster: Roster) -> list[UUID]:
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


def change(client: Client, students: Sequence[UUID], count: int) -> None:
    """Make so many changes with eight clients at once, each of which waits for its answers."""

    def make(share: Sequence[UUID]) -> None:
        for index in range(count // CLIENTS):
            client.toggle(share[index % len(share)])

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(make, [students[index::CLIENTS] for index in range(CLIENTS)]))
