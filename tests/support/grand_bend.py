"""A deployment with a real roster and a real catalog: Grand Bend's families at Watertown's courses."""

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select

from services.notifications.notices.tables import messages, notices
from services.notifications.people.tables import recipients
from services.plans.catalog.tables import courses, requirement_sets
from services.plans.students.tables import students
from shared.auth.tables import access_students, relationships
from shared.auth.tokens import issue_token
from shared.sealing import Sealer
from shared.testing.deployment import Deployment, wait_until
from tests.support.watertown import catalog_courses, complete_university_plan

COUNSELORS = 3
DRAINED_S = 120.0
# Added and dropped again in turn; the first is needed to graduate, the others are not.
TOGGLED = (("8410", 10, "S2"), ("1101", 10, "S1"), ("1105", 10, "S2"), ("14001", 11, "YEAR"))


@dataclass
class Made:
    """One plan change that the gateway confirmed."""

    student_id: UUID
    version: int
    correlation_id: UUID
    code: str


@dataclass
class GrandBend:
    """The loaded district, and the changes made in it."""

    deployment: Deployment
    data: Path
    folder: Path
    counselor_of: dict[UUID, UUID] = field(default_factory=dict)
    guardians_of: dict[UUID, list[UUID]] = field(default_factory=dict)
    reachable: set[UUID] = field(default_factory=set)
    barred: set[tuple[UUID, UUID]] = field(default_factory=set)
    made: list[Made] = field(default_factory=list)
    versions: dict[UUID, int] = field(default_factory=dict)

    def load(self) -> None:
        """Import roster, caseloads, catalog and rules, and wait until every service has heard of all of it."""
        signpost = self.deployment.signpost
        signpost("import", "edfi", str(self.data / "edfi_grand_bend"))
        signpost("import", "caseload", str(self._caseload()))
        signpost("import", "catalog", str(self.data / "course_catalog_watertown_sd"))
        signpost("import", "requirements", str(self.data / "requirements" / "watertown_sd_local.yaml"))
        for service in ("plans", "notifications", "gateway", "mentorship"):
            self._wait_rows(service, access_students, 960)
            self._wait_rows(service, relationships, 960 + 1872 + 960)
        self._wait_rows("plans", students, 960)
        self._wait_rows("plans", courses, 121)
        self._wait_rows("plans", requirement_sets, 3)  # later ones would audit the plans again, to a new version
        self._wait_rows("notifications", recipients, 960 + 1872 + COUNSELORS)
        self._read_relationships()

    def choose(self, count: int, *, seed: int = 1) -> list[UUID]:
        """Minors of grades 9 to 12 with at least one guardian, the same for the same seed on the same day."""
        with self.deployment.database("plans") as database, database.reading() as session:
            tomorrow = database.clock.now() + timedelta(days=1)
            rows = session.execute(
                select(students.c.student_id)
                .join(access_students, access_students.c.student_id == students.c.student_id)
                .where(students.c.grade.between(9, 12), access_students.c.rights_transfer_at > tomorrow)
                .order_by(students.c.student_id)
            ).scalars()
            eligible = [student for student in rows if self.guardians_of.get(student)]
        return random.Random(seed).sample(eligible, count)

    def bar(self, chosen: Sequence[UUID]) -> None:
        """A court order against the first guardian of each."""
        for student in chosen:
            guardian = sorted(self.guardians_of[student])[0]
            self.call(
                "POST",
                f"/v1/students/{student}/guardians/{guardian}/restriction",
                role="district_admin",
                person=UUID(int=1),
                json={"document": "Order 17", "barred": True},
            ).raise_for_status()
            self.barred.add((guardian, student))
        for service in ("notifications", "gateway", "plans"):
            wait_until(
                lambda service=service: self._count(service, relationships, relationships.c.barred) == len(self.barred),  # type: ignore[misc]
                timeout_s=30,
                what=f"court orders in {service}",
            )

    def begin_plan(self, student: UUID) -> None:
        """The counselor enters a complete university plan, in one change."""
        additions = complete_university_plan(catalog_courses(self.data))
        self.change(student, additions)

    def toggle(self, student: UUID, turn: int) -> None:
        """Drop an elective, or add it back: even turns drop, odd ones add."""
        code, grade, term = TOGGLED[(turn // 2) % len(TOGGLED)]
        if turn % 2 == 0:
            self.change(student, [{"action": "drop", "code": code}])
        else:
            self.change(student, [{"action": "add", "code": code, "grade": grade, "term": term}])

    def change(self, student: UUID, changes: list[dict[str, Any]]) -> Made:
        """
        One plan change through the gateway, repeated with the same key until it is answered.

        A process may be killed while it works on it: a client then asks again, as a phone does.
        """
        key = f"change-{student}-{len(self.made)}-{self.versions.get(student, 0)}"
        path = f"/v1/students/{student}/plan/changes"

        def attempt() -> list[requests.Response]:  # a refusal is an answer too, though requests calls it false
            headers = {"If-Match": f'"{self.versions.get(student, 0)}"', "Idempotency-Key": key}
            try:
                answer = self.call("POST", path, student=student, json={"changes": changes}, headers=headers)
            except requests.RequestException:
                return []
            return [] if answer.status_code in (502, 503, 504) else [answer]

        [answer] = wait_until(attempt, timeout_s=60, what=f"an answer to {key}")
        assert answer.status_code == 200, answer.text
        version = int(answer.headers["ETag"].strip('"'))
        self.versions[student] = version
        made = Made(student, version, UUID(answer.headers["Correlation-Id"]), changes[0]["code"])
        self.made.append(made)
        return made

    def call(
        self,
        method: str,
        path: str,
        *,
        student: UUID | None = None,
        role: str = "counselor",
        person: UUID | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> requests.Response:
        """A request through the gateway; by the student's counselor where nobody else is named."""
        person = person or self.counselor_of[student]  # type: ignore[index]
        token = issue_token(self.deployment.settings, role=role, person_id=person)
        return requests.request(
            method,
            self.deployment.gateway_url + path,
            headers={"Authorization": f"Bearer {token}", **(headers or {})},
            json=json,
            timeout=15,
        )

    def expected_notices(self) -> set[tuple[UUID, UUID]]:
        """(correlation id, guardian) of every change and everyone who must hear of it and can be reached."""
        return {(journey, guardian) for journey, guardian in self._entitled() if guardian in self.reachable}

    def _entitled(self) -> set[tuple[UUID, UUID]]:
        return {
            (made.correlation_id, guardian)
            for made in self.made
            for guardian in self.guardians_of[made.student_id]
            if (guardian, made.student_id) not in self.barred
        }

    def wait_delivered(self, *, timeout_s: float = DRAINED_S) -> None:
        """Until every message of the ledger has reached its end and as many notices exist as must."""
        expected = len(self._entitled())

        def done() -> bool:
            settled = messages.c.state.in_(["accepted", "delivered", "failed", "suppressed", "cancelled"])
            with self.deployment.database("notifications") as database, database.reading() as session:
                guardians = session.execute(
                    select(func.count()).select_from(notices).where(notices.c.template == "plan_revised")
                ).scalar_one()
                open_messages = session.execute(select(func.count()).select_from(messages).where(~settled)).scalar_one()
            return guardians >= expected and open_messages == 0

        wait_until(done, timeout_s=timeout_s, what=f"{expected} notices handed over", interval_s=0.2)

    def _caseload(self) -> Path:
        """Grand Bend's files name no counselors: three are made up, and every student is given to one."""
        import xml.etree.ElementTree as ElementTree

        tree = ElementTree.parse(self.data / "edfi_grand_bend" / "Student.xml")
        namespace = {"e": "http://ed-fi.org/5.2.0"}
        path = self.folder / "caseload.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["student_sourced_id", "staff_sourced_id", "relation", "given_name", "family_name", "email"]
            )
            for index, student in enumerate(tree.getroot().findall(".//e:StudentUniqueId", namespace)):
                number = index % COUNSELORS
                writer.writerow(
                    [
                        student.text,
                        f"counselor-{number}",
                        "counselor",
                        f"Counselor{number}",
                        "Made-Up",
                        f"c{number}@example.org",
                    ]
                )
        return path

    def _read_relationships(self) -> None:
        with self.deployment.database("notifications") as database, database.reading() as session:
            for row in session.execute(select(relationships)):
                if row.kind == "counselor_of":
                    self.counselor_of[row.student_id] = row.person_id
                elif row.kind == "guardian_of":
                    self.guardians_of.setdefault(row.student_id, []).append(row.person_id)
            sealer = Sealer.from_settings(self.deployment.settings)
            for row in session.execute(select(recipients).where(recipients.c.kind == "guardian")):
                contact = sealer.open(row.sealed_contact)
                if contact["email"] or contact["phone"]:
                    self.reachable.add(row.person_id)

    def _wait_rows(self, service: str, table: Any, count: int) -> None:
        wait_until(
            lambda: self._count(service, table) >= count,
            timeout_s=DRAINED_S,
            what=f"{count} rows of {table.name} in {service}",
            interval_s=0.2,
        )

    def _count(self, service: str, table: Any, *conditions: Any) -> int:
        with self.deployment.database(service) as database, database.reading() as session:
            return session.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
