"""The sample district as its own files tell it, and requests in the name of its people."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from services.sample.catalog import BY_CODE
from services.sample.reading import read_plans
from shared.auth.tokens import issue_token
from shared.identifiers import stable_id
from shared.testing.deployment import Deployment

SOURCE = "signpost-sample"
ADMINISTRATOR, OPERATOR = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class Person:
    """Somebody of the district, with everything the logs must never say."""

    person_id: UUID
    role: str
    given_name: str
    family_name: str
    language: str
    email: str
    sms: str


@dataclass(frozen=True)
class Planned:
    code: str
    grade: int
    term: str
    is_taken: bool


@dataclass(frozen=True)
class Student(Person):
    """A student with the family, the counselor and the plan of the sample."""

    grade: int
    born_on: date
    goal: str
    counselor: Person
    guardians: tuple[Person, ...]
    barred: tuple[Person, ...]
    courses: tuple[Planned, ...]

    @property
    def is_minor(self) -> bool:
        """True also for the days around the birthday to come, so that no test runs across it."""
        eighteenth = self.born_on.replace(year=self.born_on.year + 18, day=min(self.born_on.day, 28))
        return date.today() + timedelta(days=7) < eighteenth  # noqa: DTZ011 - days do not matter here

    def planned(self, code: str) -> Planned | None:
        return next((each for each in self.courses if each.code == code and not each.is_taken), None)


@dataclass(frozen=True)
class Made:
    """A change that the gateway confirmed."""

    version: int
    correlation_id: UUID
    plan: dict[str, Any]


@dataclass
class SampleDistrict:
    """
    The loaded district. `take` gives each test a student of its own, so that tests do not hear each other's notices.
    """

    deployment: Deployment
    _students: list[Student] = field(default_factory=list)
    _people: list[Person] = field(default_factory=list)
    _taken: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        reading = _Reading(self.deployment.home / "sample")
        self._people = list(reading.people.values())
        self._students = list(reading.students())

    @property
    def people(self) -> list[Person]:
        """Everybody on the roster: students, guardians and staff."""
        return self._people

    def take(self, fits: Callable[[Student], bool] = lambda _: True) -> Student:
        """
        A student, still a minor, of a family that no test has taken yet.

        Ordinary families go first, so that the few special ones are left to the tests that ask for them.
        """
        for student in sorted(self._students, key=_how_special):
            family = {guardian.person_id for guardian in (*student.guardians, *student.barred)}
            if student.is_minor and fits(student) and not family & self._taken:
                self._taken |= family
                return student
        raise LookupError("No family is left that fits: load more students, or ask for less.")

    def call(
        self,
        method: str,
        path: str,
        person: Person | tuple[str, UUID] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
    ) -> requests.Response:
        """A request through the gateway, signed as `person`, or as (role, id); unsigned without."""
        return request(self.deployment, method, path, person, headers=headers, json=json, data=data)

    def read(self, path: str, person: Person | tuple[str, UUID]) -> dict[str, Any]:
        answer = self.call("GET", path, person)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def plan(self, student: Student, *, by: Person | None = None) -> tuple[dict[str, Any], str]:
        """The student's plan and its ETag."""
        answer = self.call("GET", plan_path(student), by or student.counselor)
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["ETag"]

    def change(self, student: Student, *changes: Mapping[str, Any], by: Person | None = None) -> Made:
        """Change the courses of a plan, as its counselor where nobody else is named."""
        return self.send(student, "POST", "/changes", by=by, json={"changes": changes})

    def set_goal(self, student: Student, cluster: str, *, by: Person | None = None) -> Made:
        return self.send(student, "PUT", "/goal", by=by, json={"cluster": cluster})

    def send(self, student: Student, method: str, path: str, *, by: Person | None = None, json: Any = None) -> Made:
        """A change of the plan that must succeed, made at its present version."""
        _, etag = self.plan(student, by=by)
        answer = self.call(
            method, plan_path(student) + path, by or student.counselor, headers={"If-Match": etag}, json=json
        )
        assert answer.status_code == 200, answer.text
        return Made(int(answer.headers["ETag"].strip('"')), UUID(answer.headers["Correlation-Id"]), answer.json())


def request(
    deployment: Deployment,
    method: str,
    path: str,
    person: Person | tuple[str, UUID] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: bytes | None = None,
) -> requests.Response:
    """
    A request through a deployment's gateway.

    Args:
        path: Or a whole address, such as that of a link.
        person: Who signs it; (role, id) for those who are in no roster; None for an unsigned one.
    """
    signed = dict(headers or {})
    if person is not None:
        role, person_id = (person.role, person.person_id) if isinstance(person, Person) else person
        token = issue_token(deployment.settings, role=role, person_id=person_id)
        signed.setdefault("Authorization", f"Bearer {token}")
    url = path if path.startswith("http") else deployment.gateway_url + path
    return requests.request(method, url, headers=signed, json=json, data=data, timeout=30)


def plan_path(student: Student) -> str:
    return f"/v1/students/{student.person_id}/plan"


def drop(code: str) -> dict[str, Any]:
    return {"action": "drop", "code": code}


def add(code: str, grade: int, term: str | None = None) -> dict[str, Any]:
    return {"action": "add", "code": code, "grade": grade, **({"term": term} if term else {})}


def put_back(dropped: Planned) -> dict[str, Any]:
    return add(dropped.code, dropped.grade, dropped.term)


def _how_special(student: Student) -> tuple[bool, bool, int]:
    return bool(student.barred), any(not guardian.email for guardian in student.guardians), len(student.guardians)


def needs_english_12(student: Student) -> bool:
    """Whether English 12 is still to be taken, and the plan has no more than the four credits of English required."""
    return student.grade < 12 and sum(each.code.startswith("ENG-") for each in student.courses) == 4


def english_12(student: Student) -> Planned:
    """The plan's English course of grade 12."""
    return next(each for each in student.courses if each.code in ("ENG-401", "ENG-402"))


def title_of(code: str) -> str:
    return BY_CODE[code].title


class _Reading:
    """Puts the files of a written district together again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users = {row["sourcedId"]: row for row in self._rows("oneroster/users.csv")}
        self._born = {row["sourcedId"]: row["birthDate"] for row in self._rows("oneroster/demographics.csv")}
        roles = {row["userSourcedId"]: row["role"] for row in self._rows("oneroster/roles.csv")}
        self.people = {key: self._person(row, roles[key]) for key, row in self._users.items()}
        self._counselor_of = {
            row["student_sourced_id"]: self.people[row["staff_sourced_id"]]
            for row in self._rows("caseload.csv")
            if row["relation"] == "counselor"
        }
        self._orders = {
            (row["student_sourced_id"], row["guardian_sourced_id"]) for row in self._rows("restrictions.csv")
        }

    def students(self) -> Iterator[Student]:
        for plan in read_plans(self._folder / "plans.json"):
            key = plan.student_sourced_id
            agents = self._users[key]["agentSourcedIds"].split(",")
            yield Student(
                **vars(self.people[key]),
                grade=plan.grade,
                born_on=date.fromisoformat(self._born[key]),
                goal=plan.goal_cluster,
                counselor=self._counselor_of[key],
                guardians=tuple(self.people[each] for each in agents if (key, each) not in self._orders),
                barred=tuple(self.people[each] for each in agents if (key, each) in self._orders),
                courses=tuple(
                    Planned(each["code"], each["grade"], each["term"], each["state"] == "taken")
                    for each in plan.changes
                ),
            )

    def _person(self, row: Mapping[str, str], role: str) -> Person:
        return Person(
            person_id=stable_id("person", SOURCE, row["sourcedId"]),
            role="guardian" if role == "parent" else role,
            given_name=row["givenName"],
            family_name=row["familyName"],
            language=row["metadata.homeLanguage"],
            email=row["email"],
            sms=row["sms"],
        )

    def _rows(self, name: str) -> list[dict[str, str]]:
        with (self._folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def partners(deployment: Deployment) -> list[dict[str, str]]:
    with (deployment.home / "sample" / "partners.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def catalog_document(deployment: Deployment) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((deployment.home / "sample" / "catalog.json").read_text(encoding="utf-8"))
    return document
