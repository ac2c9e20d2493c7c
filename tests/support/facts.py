"""Events of the roster, the catalog and plans about few subjects, for tests of what is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Table, select

from services.composition import SERVICES, worker_class, worker_classes
from shared.clock import Clock
from shared.database.database import Database
from shared.events import catalog, plans, roster
from shared.events.contract import Event, producer_of
from shared.identifiers import SIGNPOST_NAMESPACE
from shared.messaging.projections import Projection
from shared.messaging.rebuild import Outcome, rebuild
from shared.settings import Settings
from shared.testing.embedded import Embedded

INBOX_DAYS = 90
PROJECTIONS = {
    f"{service}.{each.name}": (service, each)
    for service in SERVICES
    for each in worker_class(service).projections().values()
}


def id_of(*parts: object) -> UUID:
    return uuid5(SIGNPOST_NAMESPACE, "/".join(map(str, ("facts", *parts))))


def fact(kind: str, subject: int, version: int) -> Event:
    """An event of a kind about the subject of that number; what it says follows from its version."""
    student, number = id_of("student", subject % 2), version % 3
    link: dict[str, Any] = {"student_id": student}
    match kind:
        case "enrolled" | "changed":
            contract = roster.StudentEnrolled if kind == "enrolled" else roster.StudentChanged
            return contract(
                student_id=id_of("student", subject),
                school_id=id_of("school"),
                grade=9 + number,
                graduation_year=2030 - number,
                home_language="es" if number else "en",
                sealed_name=f"sealed {version}",
            )
        case "withdrawn":
            return roster.StudentWithdrawn(student_id=id_of("student", subject), withdrawn_on=date(2026, 9, 1))
        case "granted" | "restricted" | "revoked":
            link |= {"guardianship_id": id_of("guardianship", subject), "guardian_id": id_of("guardian", subject)}
            if kind == "granted":
                return roster.GuardianshipGranted(**link, relation="mother", begins_on=date(2020, 1, 1 + number))
            if kind == "restricted":
                return roster.GuardianshipRestricted(**link, barred=bool(number), rights=())
            return roster.GuardianshipRevoked(**link)
        case "assigned" | "ended":
            link |= {"assignment_id": id_of("caseload", subject), "staff_id": id_of("staff", subject)}
            contract_ = roster.CaseloadAssigned if kind == "assigned" else roster.CaseloadEnded
            return contract_(**link, relation="counselor")
        case "contact":
            person = id_of("student", subject)
            zone = "America/Chicago"
            return roster.ContactChanged(
                person_id=person, kind="student", language="en", time_zone=zone, sealed_contact=f"sealed {version}"
            )
        case "contact_removed":
            return roster.ContactRemoved(person_id=id_of("student", subject))
        case "course":
            return catalog.CourseChanged(
                course_id=id_of("course", subject),
                code=f"ENG-{subject}",
                title=f"English {version}",
                department="English",
                credits=Decimal(version),
                grades=(9, 10),
                prerequisites=(("ENG-9", "ENG-8"),),
            )
        case "retired":
            return catalog.CourseRetired(course_id=id_of("course", subject), code=f"ENG-{subject}")
        case "rules":
            return catalog.RequirementsChanged(
                requirement_set_id=id_of("rules", subject),
                key=f"rules/{subject}",
                title=f"Rules {version}",
                unit="credit",
                total=Decimal("22.5"),
                is_default=True,
                requirements=(catalog.Requirement(id="english", title="English", credits=Decimal(4)),),
            )
        case "goal" | "goal_taken_over":
            role: Any = "student" if kind == "goal" else "system"
            plan = id_of("plan", subject)
            cluster = "Finance" if number else "Health Science"
            return plans.GoalSet(plan_id=plan, student_id=id_of("student", subject), cluster=cluster, actor_role=role)
    raise ValueError(kind)


@dataclass
class House:
    """All services, with projections that tests break and rebuild."""

    folder: Path
    settings: Settings
    clock: Clock
    versions: dict[UUID | str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.embedded = Embedded(self.folder, worker_classes(), clock=self.clock, settings=self.settings)
        self.drain = self.embedded.drain

    def database(self, service: str) -> Database:
        return self.embedded.databases[service]

    def tell(self, *facts: tuple[str, int]) -> list[UUID]:
        """Have the producers publish facts, each the next version of its subject; the ids."""
        ids = []
        for kind, subject in facts:
            # Kinds about one subject count its versions together.
            event = fact(kind, subject, 1)
            version = self.versions[event.subject_id] = self.versions.get(event.subject_id, 0) + 1
            event = fact(kind, subject, version)
            with self.database(producer_of(event.event_type)).transaction() as uow:
                ids.append(uow.emit(event, version=version).id)
        return ids

    def tell_of_everything(self) -> None:
        """Something of which each projection has several rows, after which nothing is under way."""
        self.tell(*[("enrolled", each) for each in range(4)])
        self.tell(("changed", 0), ("withdrawn", 1), ("changed", 2), ("withdrawn", 2), ("enrolled", 2))
        self.tell(*[("granted", each) for each in range(3)], ("restricted", 0), ("revoked", 1))
        self.tell(*[("assigned", each) for each in range(3)], ("ended", 2))
        self.tell(*[("contact", each) for each in range(3)], ("contact", 0), ("contact_removed", 1))
        self.tell(*[("course", each) for each in range(3)], ("course", 0), ("retired", 1))
        self.tell(*[("rules", each) for each in range(3)], ("rules", 0))
        self.tell(*[("goal", each) for each in range(3)], ("goal", 0), ("goal_taken_over", 1))
        self.drain()

    def rebuild(self, name: str, **options: Any) -> Outcome:
        service, projection = PROJECTIONS[name]
        sources = {each: self.database(each) for each in projection.producers}
        live = self.database(service)
        return rebuild(projection, live=live, group=service, sources=sources, inbox_days=INBOX_DAYS, **options)

    def contents(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of a projection, by table, in the order of their keys."""
        service, projection = PROJECTIONS[name]
        with self.database(service).reading() as session:
            return {
                table.name: [
                    dict(row) for row in session.execute(select(table).order_by(*table.primary_key)).mappings()
                ]
                for table in projection.tables
            }

    def close(self) -> None:
        self.embedded.__exit__()


def wrong(outcome: Outcome) -> Sequence[int]:
    """Rows that were missing, different and without an event, of all tables together."""
    found = outcome.differences
    return (
        sum(each.missing for each in found),
        sum(each.different for each in found),
        sum(each.unfounded for each in found),
    )


def altered_column(table: Table) -> str:
    """One that is neither key nor version, of a type that can be given another value."""
    chosen = [each.name for each in table.c if not each.primary_key and each.name in _ALTERED]
    return chosen[0]


_ALTERED: dict[str, Any] = {
    "home_language": "xx",
    "grade": 1,
    "title": "altered",
    "cluster": "altered",
    "sealed_name": "altered",
    "sealed_contact": "altered",
    "language": "xx",
    "kind": "altered",
    "enrolled": False,
}


def corrupt(house: House, name: str) -> None:
    """Of each table of a projection delete a row, alter one, and add one that no event supports."""
    service, projection = PROJECTIONS[name]
    with house.database(service).transaction() as uow:
        for table in projection.tables:
            [key] = table.primary_key
            first, second = uow.session.execute(select(table).order_by(key).limit(2)).mappings().all()
            uow.session.execute(table.delete().where(key == first[key.name]))
            column = altered_column(table)
            uow.session.execute(table.update().where(key == second[key.name]).values({column: _ALTERED[column]}))
            uow.session.execute(table.insert().values({**second, key.name: id_of("phantom", table.name)}))


def projection_named(name: str) -> Projection:
    return PROJECTIONS[name][1]
