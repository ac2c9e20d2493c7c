"""Settling who is guardian of whom, and the court orders that take from it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.roster.guardianships.rules import CourtOrder, GuardianLink, Standing, merged_links, rights_of, standing
from services.roster.guardianships.tables import agent_links, court_orders, guardianships
from services.roster.imports.applying import Applying
from services.roster.imports.sync import update_rows
from services.roster.people.tables import people, person_roles
from services.roster.students.tables import students
from services.roster.vocabulary import GUARDIAN
from shared.database.bulk import insert_many
from shared.events.roster import GuardianshipGranted, GuardianshipRevoked
from shared.identifiers import stable_id


def guardianship_id_of(guardian_id: UUID, student_id: UUID) -> UUID:
    return stable_id("guardianship", str(guardian_id), str(student_id))


def settle_guardianships(applying: Applying, student_ids: Sequence[UUID]) -> None:
    """
    Grant, change and revoke the guardianships of a page of students.

    A student who has left keeps guardians as they were: the record stays, and with it their right to read it.
    """
    session = applying.uow.session
    enrolled = session.scalars(
        select(students.c.student_id).where(students.c.student_id.in_(student_ids), students.c.is_enrolled)
    ).all()
    links = merged_links(guardian_links(session, enrolled))
    wanted = {guardianship_id_of(*pair): link for pair, link in links.items()}
    held = select(guardianships).where(guardianships.c.student_id.in_(enrolled)).with_for_update()
    stored = {row["guardianship_id"]: dict(row) for row in session.execute(held).mappings()}
    orders = orders_of(session, enrolled)
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for guardianship_id, link in wanted.items():
        left = standing(orders.get(guardianship_id, ()), applying.today)
        row = _row(guardianship_id, link, left)
        before = stored.get(guardianship_id)
        if before is not None and before["is_active"] and all(row[name] == before[name] for name in row):
            applying.tally["guardianships"].unchanged += 1
            continue
        row["version"] = 1 if before is None else before["version"] + 1
        (added if before is None else changed).append(row)
        _count_granted(applying, before)
        applying.emit(_granted(row), version=row["version"])
    insert_many(session, guardianships, added)
    update_rows(session, guardianships, changed)
    update_rows(session, guardianships, _revoked(applying, stored, wanted))
    _report_new_beside_orders(applying, added, stored, orders, wanted)


def guardian_links(session: Session, student_ids: Sequence[UUID]) -> Iterable[GuardianLink]:
    """What the sources say of these students' guardians, whichever of the two records names the other."""
    for student, guardian in (
        (agent_links.c.owner_id, agent_links.c.other_id),
        (agent_links.c.other_id, agent_links.c.owner_id),
    ):
        rows = session.execute(
            select(
                guardian,
                student,
                func.coalesce(agent_links.c.relation, person_roles.c.relation),
                person_roles.c.begins_on,
                person_roles.c.ends_on,
            )
            .join(person_roles, person_roles.c.person_id == guardian)
            .join(people, people.c.person_id == guardian)
            .where(student.in_(student_ids), person_roles.c.role == GUARDIAN, people.c.is_active)
        )
        yield from (GuardianLink(*row) for row in rows)


def orders_of(session: Session, student_ids: Sequence[UUID]) -> dict[UUID, list[CourtOrder]]:
    """Every order about these students that is not lifted, by guardianship."""
    orders: dict[UUID, list[CourtOrder]] = defaultdict(list)
    rows = session.execute(
        select(court_orders).where(court_orders.c.student_id.in_(student_ids), court_orders.c.state != "lifted")
    ).mappings()
    for row in rows:
        orders[row["guardianship_id"]].append(court_order(dict(row)))
    return orders


def court_order(row: Mapping[str, Any]) -> CourtOrder:
    return CourtOrder(
        order_id=row["order_id"],
        barred=row["barred"],
        rights=rights_of(row["rights"]),
        begins_on=row["begins_on"],
        ends_on=row["ends_on"],
        state=row["state"],
        filed_by=row["filed_by"],
        is_confirmed=row["confirmed_by"] is not None,
        lift_asked_by=row["lift_asked_by"],
    )


def count_active(session: Session, source: str) -> int:
    """Guardianships of the students a source has enrolled."""
    query = (
        select(func.count())
        .select_from(guardianships)
        .join(students, students.c.student_id == guardianships.c.student_id)
        .where(students.c.source == source, students.c.is_enrolled, guardianships.c.is_active)
    )
    return session.scalar(query) or 0


def _row(guardianship_id: UUID, link: GuardianLink, left: Standing) -> dict[str, Any]:
    return {
        "guardianship_id": guardianship_id,
        "guardian_id": link.guardian_id,
        "student_id": link.student_id,
        "relation": link.relation,
        "begins_on": link.begins_on,
        "ends_on": link.ends_on,
        "barred": left.barred,
        "rights": list(left.rights),
        "is_active": True,
    }


def _count_granted(applying: Applying, before: Mapping[str, Any] | None) -> None:
    counts = applying.tally["guardianships"]
    if before is not None and before["is_active"]:
        counts.changed += 1
    else:
        counts.added += 1


def _granted(row: Mapping[str, Any]) -> GuardianshipGranted:
    return GuardianshipGranted(
        guardianship_id=row["guardianship_id"],
        guardian_id=row["guardian_id"],
        student_id=row["student_id"],
        relation=row["relation"],
        rights=rights_of(row["rights"]),
        barred=row["barred"],
        begins_on=row["begins_on"],
        ends_on=row["ends_on"],
    )


def _revoked(
    applying: Applying, stored: Mapping[UUID, Mapping[str, Any]], wanted: Mapping[UUID, GuardianLink]
) -> list[dict[str, Any]]:
    rows = []
    for guardianship_id, before in stored.items():
        if not before["is_active"] or guardianship_id in wanted:
            continue
        version = before["version"] + 1
        applying.tally["guardianships"].removed += 1
        event = GuardianshipRevoked(
            guardianship_id=guardianship_id, guardian_id=before["guardian_id"], student_id=before["student_id"]
        )
        applying.emit(event, version=version)
        rows.append({"guardianship_id": guardianship_id, "is_active": False, "version": version})
    return rows


def _report_new_beside_orders(
    applying: Applying,
    added: Sequence[Mapping[str, Any]],
    stored: Mapping[UUID, Mapping[str, Any]],
    orders: Mapping[UUID, Sequence[CourtOrder]],
    wanted: Mapping[UUID, GuardianLink],
) -> None:
    """
    Warn of a new guardian of a student whose restricted guardian the source no longer names.

    A source that gives somebody a new id makes a new person of them, on whom no order was filed.
    """
    restricted = {
        stored[guardianship_id]["student_id"]
        for guardianship_id, filed in orders.items()
        if guardianship_id in stored
        and guardianship_id not in wanted
        and any(order.withholds(applying.today) for order in filed)
    }
    for row in added:
        if row["student_id"] in restricted:
            applying.findings.warning(
                applying.package_name,
                None,
                "",
                f"guardian {row['guardian_id']} of student {row['student_id']}",
                "a check by a person: a court order restricts a guardian this source no longer names; the new one may "
                "be the same person",
            )
