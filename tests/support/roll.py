"""Who is who in the test district, and the roster rows and events that say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.roster.caseloads.handlers import assignment_id_of
from services.roster.caseloads.tables import caseloads
from services.roster.guardianships.court_orders import file_order
from services.roster.guardianships.handlers import guardianship_id_of
from services.roster.guardianships.tables import guardianships
from services.roster.imports.tables import roster_imports
from services.roster.people.tables import people
from services.roster.students.tables import schools, students
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster
from shared.events.roster import FULL_GUARDIAN_RIGHTS, GuardianRight, SealedContact
from shared.identifiers import stable_id
from shared.sealing import Sealer
from shared.settings import Settings

# `idle` mentors nobody.
MENTORS = ("clinic", "hospital", "hospice", "idle", "builders")


@dataclass(frozen=True)
class Family:
    """A student with those who have to do with them; the mentor is the one approved."""

    school: str
    counselor: str
    mentor: str
    guardians: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()  # relation and person


ADULT, BIRTHDAY = "eve", "dawn"
FAMILIES = {
    "ana": Family(
        "north",
        "kim",
        "clinic",
        ("gus", "una", "reader", "hearer", "bob", "zed", "zip", "zoe", "gil"),
        (
            ("counselor", "kex"),
            ("counselor", "kol"),
            ("counselor", "kap"),
            ("teacher", "tea"),
            ("case_manager", "cam"),
        ),
    ),
    "bea": Family("north", "kay", "hospital", ("gil",)),
    "cal": Family("north", "kay", "hospital", ("gca", "kab"), (("counselor", "kab"),)),
    "dan": Family("south", "kit", "hospice", ("gda",)),
    "pat": Family("south", "kit", "hospice", ("kap",)),
    ADULT: Family("north", "kim", "clinic", ("gev",)),
    BIRTHDAY: Family("north", "kim", "clinic", ("gdo",)),
}
STAFF = ("kim", "kay", "kit", "kex", "kol", "kap", "kab", "tea", "cam")
# Filed once everything has happened: guardian, student, whether barred, what is left.
ORDERS: Sequence[tuple[str, str, bool, tuple[GuardianRight, ...]]] = (
    ("bob", "ana", True, ()),
    ("gil", "bea", True, ()),
    ("kab", "cal", True, ()),
    ("reader", "ana", False, ("plan.read",)),
    ("hearer", "ana", False, ("notices",)),
)
FILED_BY = "registrar"


def id_of(name: str) -> UUID:
    return stable_id("person", "sis", name)


def address_of(name: str) -> str:
    return f"{name}@example.org"


class RollBook:
    """Writes the district into the roster as an import would leave it, with the events an import emits."""

    def __init__(self, database: Database, settings: Settings, *, coming_of_age: datetime, now: datetime) -> None:
        self._database = database
        self._sealer = Sealer.from_settings(settings)
        self._today = now.date()
        self._transfers = {ADULT: now - timedelta(days=90), BIRTHDAY: coming_of_age}

    def open(self) -> None:
        """Everybody, in good standing."""
        with self._database.transaction() as uow:
            for name in ("north", "south"):
                row = {
                    "school_id": _school_id(name),
                    "source": "sis",
                    "sourced_id": name,
                    "name": name,
                    "type": "school",
                }
                uow.session.execute(schools.insert().values(**row))
            for name in STAFF:
                self._person(uow, name, "staff")
            for name, family in FAMILIES.items():
                self._person(uow, name, "student")
                self._student(uow, name, family)
            for name in {guardian for family in FAMILIES.values() for guardian in family.guardians} - set(STAFF):
                self._person(uow, name, "guardian")
            for name, family in FAMILIES.items():
                for guardian in family.guardians:
                    self._guardian(uow, guardian, name)
                self._assign(uow, "counselor", family.counselor, name)
                for relation, person in family.others:
                    # Later than the counselor in charge, who is therefore given the tasks.
                    self._assign(uow, relation, person, name, begins_on=self._today)

    def note_import(self) -> None:
        """An import that was applied, to be found among the imports."""
        row = {
            "import_id": stable_id("import", "sis"),
            "kind": "oneroster",
            "source": "sis",
            "file_name": "roster.zip",
            "digest": "0" * 64,
            "state": "applied",
            "report": {},
        }
        with self._database.transaction() as uow:
            uow.session.execute(roster_imports.insert().values(imported_at=uow.clock.now(), **row))

    def take_away(self) -> None:
        """Court orders, links that end, and links that their dates end or have not begun."""
        for guardian, student, barred, rights in ORDERS:
            self.order(guardian, student, barred=barred, rights=rights)
        yesterday, tomorrow = self._today - timedelta(days=1), self._today + timedelta(days=1)
        with self._database.transaction() as uow:
            self._guardian(uow, "zip", "ana", version=2, ends_on=yesterday)
            self._guardian(uow, "zoe", "ana", version=2, begins_on=tomorrow)
            self._assign(uow, "counselor", "kol", "ana", version=2, ends_on=yesterday)
            self._revoke(uow, "zed", "ana")
            self._end(uow, "counselor", "kex", "ana")

    def order(self, guardian: str, student: str, *, barred: bool, rights: Sequence[GuardianRight] = ()) -> None:
        with self._database.transaction() as uow:
            file_order(
                student_id=id_of(student),
                guardian_id=id_of(guardian),
                document="Docket 12",
                barred=barred,
                rights=rights,
                begins_on=None,
                ends_on=None,
                by=id_of(FILED_BY),
                today=self._today,
                uow=uow,
            )

    def _person(self, uow: UnitOfWork, name: str, kind: str) -> None:
        contact = SealedContact(given_name=name.title(), family_name="Canary", email=address_of(name))
        sealed = self._sealer.seal(contact)
        row = {
            "person_id": id_of(name),
            "source": "sis",
            "sourced_id": name,
            "kind": kind,
            "sealed_contact": sealed,
            "sealed_name": self._name(name),
            "name_digest": name,
            "contact_digest": name,
            "language": "en",
            "is_active": True,
            "version": 1,
        }
        uow.session.execute(people.insert().values(**row))
        event = {"person_id": id_of(name), "kind": kind, "language": "en", "time_zone": "America/Chicago"}
        uow.emit(roster.ContactChanged.model_validate(event | {"sealed_contact": sealed}), version=1)

    def _student(self, uow: UnitOfWork, name: str, family: Family) -> None:
        state: dict[str, Any] = {
            "student_id": id_of(name),
            "school_id": _school_id(family.school),
            "grade": 9,
            "graduation_year": 2030,
            "home_language": "en",
            "rights_transfer_at": self._transfers.get(name),
            "sealed_name": self._name(name),
        }
        own = {"source": "sis", "name_digest": name, "is_enrolled": True, "version": 1}
        uow.session.execute(students.insert().values(**state, **own))
        uow.emit(roster.StudentEnrolled.model_validate(state), version=1)

    def _guardian(
        self,
        uow: UnitOfWork,
        guardian: str,
        student: str,
        *,
        version: int = 1,
        begins_on: date | None = None,
        ends_on: date | None = None,
    ) -> None:
        link = {
            "guardianship_id": guardianship_id_of(id_of(guardian), id_of(student)),
            "guardian_id": id_of(guardian),
            "student_id": id_of(student),
            "relation": "parent",
            "rights": list(FULL_GUARDIAN_RIGHTS),
            "barred": False,
            "begins_on": begins_on,
            "ends_on": ends_on,
        }
        _replace(uow, guardianships, "guardianship_id", link | {"is_active": True, "version": version})
        uow.emit(roster.GuardianshipGranted.model_validate(link), version=version)

    def _revoke(self, uow: UnitOfWork, guardian: str, student: str) -> None:
        link = {
            "guardianship_id": guardianship_id_of(id_of(guardian), id_of(student)),
            "guardian_id": id_of(guardian),
            "student_id": id_of(student),
        }
        _end(uow, guardianships, "guardianship_id", link["guardianship_id"])
        uow.emit(roster.GuardianshipRevoked.model_validate(link), version=2)

    def _assign(
        self,
        uow: UnitOfWork,
        relation: str,
        person: str,
        student: str,
        *,
        version: int = 1,
        begins_on: date | None = None,
        ends_on: date | None = None,
    ) -> None:
        link = {
            "assignment_id": assignment_id_of(relation, id_of(person), id_of(student)),
            "staff_id": id_of(person),
            "student_id": id_of(student),
            "relation": relation,
            "begins_on": begins_on,
            "ends_on": ends_on,
        }
        _replace(uow, caseloads, "assignment_id", link | {"is_active": True, "version": version})
        uow.emit(roster.CaseloadAssigned.model_validate(link), version=version)

    def _end(self, uow: UnitOfWork, relation: str, person: str, student: str) -> None:
        link = {
            "assignment_id": assignment_id_of(relation, id_of(person), id_of(student)),
            "staff_id": id_of(person),
            "student_id": id_of(student),
            "relation": relation,
        }
        _end(uow, caseloads, "assignment_id", link["assignment_id"])
        uow.emit(roster.CaseloadEnded.model_validate(link), version=2)

    def _name(self, name: str) -> str:
        return self._sealer.seal({"given_name": name.title(), "family_name": "Canary"})


def _school_id(name: str) -> UUID:
    return stable_id("school", "sis", name)


def _replace(uow: UnitOfWork, table: Any, key: str, row: dict[str, Any]) -> None:
    uow.session.execute(table.delete().where(table.c[key] == row[key]))
    uow.session.execute(table.insert().values(**row))


def _end(uow: UnitOfWork, table: Any, key: str, value: Any) -> None:
    uow.session.execute(table.update().where(table.c[key] == value).values(is_active=False, version=2))
