"""The sample district in every service: made from a seed, imported as a district's own files would be."""

import csv
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Table, func, select

from services.catalog.commands import load_catalog, load_requirements
from services.catalog.courses.parsing import parse_catalog
from services.catalog.settings import CatalogSettings
from services.composition import SERVICES
from services.demonstration import Cast
from services.mentorship.commands import load_partners
from services.mentorship.partners.rules import parse_partners
from services.mentorship.settings import MentorshipSettings
from services.notifications.people.tables import recipients
from services.plans.catalog.tables import courses
from services.plans.commands import load_plans
from services.plans.plans.tables import plans
from services.plans.settings import PlansSettings
from services.plans.students.tables import students as plan_students
from services.roster.guardianships.court_orders import file_order
from services.roster.imports.handlers import import_roster
from services.sample.writing import write_district
from shared.auth.tables import access_students, relationships
from shared.database.database import Database
from shared.identifiers import stable_id
from shared.messaging.relay import outbox_backlog
from shared.settings import Settings

SEED = 1
# The first student's family is made for showing: one guardian reads English email, the other Spanish SMS.
SHOWN_STUDENT = "st-000001"
FILED_BY = stable_id("operator", "sample")
PROJECTED_S = 600.0
LOOK_AGAIN_S = 0.05


class NotProjected(Exception):
    """The services have not heard of the imported district in time."""


def load_sample_district(settings: Settings, *, students: int, say: Callable[[str], None]) -> None:
    """
    Make and import the sample district, unless an earlier run has done so. Workers must be running.

    Args:
        say: Told each step, for whoever waits.
    """
    if Cast.path(settings).exists():
        return
    folder = settings.home / "sample"
    say(f"Making up a district of {students} students")
    district = json.loads((write_district(folder, students=students, seed=SEED).folder / "district.json").read_text())
    files = {name: folder / path for name, path in district["files"].items()}
    say("Importing its roster, catalog, rules and partners")
    source, people = _load_roster(files, settings)
    course_count = _load_catalog(files, settings)
    listed = parse_partners(files["partners"].read_bytes(), file=files["partners"].name)
    load_partners(listed, settings=settings.specialized(MentorshipSettings))
    say(f"Waiting until every service has heard of {people} people and {course_count} courses")
    _await_projections(settings, students=students, people=people, course_count=course_count)
    say("Taking over the students' four-year plans")
    load_plans(files["plans"], source=source, settings=settings.specialized(PlansSettings), total=students)
    _await_quiet(settings)
    _cast(source=source, settings=settings).write(settings)


def _load_roster(files: dict[str, Path], settings: Settings) -> tuple[str, int]:
    """Import people, caseloads and court orders; the source's name, and how many people there are."""
    with _opened("roster", settings) as database:
        report = import_roster(files["oneroster"], "oneroster", database=database, settings=settings)
        import_roster(files["caseload"], "caseload", database=database, settings=settings)
        with files["restrictions"].open(newline="") as file, database.transaction() as uow:
            for row in csv.DictReader(file):
                file_order(
                    student_id=stable_id("person", report.source, row["student_sourced_id"]),
                    guardian_id=stable_id("person", report.source, row["guardian_sourced_id"]),
                    document=row["document"],
                    barred=True,
                    rights=(),
                    begins_on=None,
                    ends_on=None,
                    by=FILED_BY,
                    today=uow.clock.now().astimezone(ZoneInfo(settings.time_zone)).date(),
                    uow=uow,
                )
    return report.source, report.events["roster.contact.changed.v1"]


def _load_catalog(files: dict[str, Path], settings: Settings) -> int:
    own = settings.specialized(CatalogSettings)
    catalog, rules = files["catalog"], files["requirements"]
    with _opened("catalog", settings) as database:
        read = parse_catalog(catalog.read_bytes(), file=catalog.name, limit=own.max_catalog_bytes)
        load_catalog(read, database=database, settings=own, source=catalog.name)
        load_requirements(rules.read_bytes(), database=database, settings=own, source=rules.name)
    return len(read.courses)


def _await_projections(settings: Settings, *, students: int, people: int, course_count: int) -> None:
    """Wait until what the plans and notices will need has arrived where they are made."""
    wanted = [
        ("plans", plan_students, students),
        ("plans", courses, course_count),
        ("notifications", recipients, people),
    ]
    wanted += [(service, access_students, students) for service in ("plans", "notifications", "mentorship", "gateway")]
    with _opened("roster", settings) as roster:
        links = _count(roster, relationships)
    wanted += [(service, relationships, links) for service in ("plans", "notifications", "gateway")]
    for service, table, count in wanted:
        with _opened(service, settings) as database:
            _wait(lambda: _count(database, table) >= count, f"{count} rows of {table.name} in {service}")  # noqa: B023
    _await_quiet(settings)


def _await_quiet(settings: Settings) -> None:
    """Wait until no service has anything left to publish."""
    for service in SERVICES:
        with _opened(service, settings) as database:
            _wait(lambda: outbox_backlog(database)[0] == 0, f"the outbox of {service}")


def _wait(condition: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + PROJECTED_S
    while not condition():
        if time.monotonic() > deadline:
            raise NotProjected(f"{what}: not within {PROJECTED_S:.0f} s. Is the worker running? See its log.")
        pause.wait(LOOK_AGAIN_S)


def _count(database: Database, table: Table) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def _cast(*, source: str, settings: Settings) -> Cast:
    """The first family, and a course that the student has yet to take and cannot graduate without."""
    student_id = stable_id("person", source, SHOWN_STUDENT)
    with _opened("plans", settings) as database, database.reading() as session:
        document = session.execute(select(plans.c.document).where(plans.c.student_id == student_id)).scalar_one()
        links = session.execute(select(relationships).where(relationships.c.student_id == student_id)).all()
    course = _indispensable(json.loads(document))
    by_kind: dict[str, UUID] = {link.kind: link.person_id for link in links}
    return Cast(
        student_id=student_id,
        counselor_id=by_kind["counselor_of"],
        guardian_id=by_kind["guardian_of"],
        course=course["code"],
        grade=course["grade"],
        term=course["term"],
    )


def _indispensable(plan: dict[str, Any]) -> dict[str, Any]:
    """The last planned course without which its requirement is short; nothing can build on it."""
    lines = {line["id"]: line for line in plan["audit"]["requirements"]}
    for course in reversed(plan["courses"]):
        line = lines.get(course["counts_toward"])
        if (
            course["state"] == "planned"
            and line
            and line["credits_planned"] - course["credits"] < line["credits_needed"]
        ):
            found: dict[str, Any] = course
            return found
    raise LookupError("every planned course of the first student is more than is needed")


@contextmanager
def _opened(service: str, settings: Settings) -> Iterator[Database]:
    database = Database.open(settings, service)
    try:
        yield database
    finally:
        database.dispose()
