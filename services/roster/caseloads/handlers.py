"""Settling who is counselor, case manager or teacher of whom."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.roster.caseloads.rules import Assignment, merged_assignments
from services.roster.caseloads.tables import caseload_rows, caseloads, class_memberships
from services.roster.dates import overlap
from services.roster.guardianships.tables import agent_links
from services.roster.imports.applying import Applying
from services.roster.imports.sync import update_rows
from services.roster.people.tables import people, person_roles
from services.roster.students.tables import students
from services.roster.vocabulary import STAFF_ROLES
from shared.database.bulk import insert_many
from shared.events.roster import CaseloadAssigned, CaseloadEnded
from shared.identifiers import stable_id


def assignment_id_of(relation: str, staff_id: UUID, student_id: UUID) -> UUID:
    return stable_id("caseload", relation, str(staff_id), str(student_id))


def settle_caseloads(applying: Applying, student_ids: Sequence[UUID]) -> None:
    """Assign, change and end the assignments of a page of students; a student who has left is nobody's charge."""
    session, tally = applying.uow.session, applying.tally["caseloads"]
    enrolled = session.scalars(
        select(students.c.student_id).where(students.c.student_id.in_(student_ids), students.c.is_enrolled)
    ).all()
    wanted = {
        assignment_id_of(*key): assignment for key, assignment in merged_assignments(_stated(session, enrolled)).items()
    }
    held = select(caseloads).where(caseloads.c.student_id.in_(student_ids)).with_for_update()
    stored = {row["assignment_id"]: dict(row) for row in session.execute(held).mappings()}
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    for assignment_id, assignment in wanted.items():
        row: dict[str, Any] = {"assignment_id": assignment_id, **assignment._asdict(), "is_active": True}
        before = stored.get(assignment_id)
        if before is not None and all(row[name] == before[name] for name in row):
            tally.unchanged += 1
            continue
        if before is not None and before["is_active"]:
            tally.changed += 1
        else:
            tally.added += 1
        row["version"] = 1 if before is None else before["version"] + 1
        (added if before is None else changed).append(row)
        applying.emit(CaseloadAssigned(assignment_id=assignment_id, **assignment._asdict()), version=row["version"])
    for assignment_id, before in stored.items():
        if before["is_active"] and assignment_id not in wanted:
            tally.removed += 1
            ended.append(_end(applying, before))
    insert_many(session, caseloads, added)
    update_rows(session, caseloads, changed)
    update_rows(session, caseloads, ended)


def _end(applying: Applying, before: Mapping[str, Any]) -> dict[str, Any]:
    version = before["version"] + 1
    named = ("assignment_id", "staff_id", "student_id", "relation")
    applying.emit(CaseloadEnded(**{name: before[name] for name in named}), version=version)
    return {"assignment_id": before["assignment_id"], "is_active": False, "version": version}


def _stated(session: Session, student_ids: Sequence[UUID]) -> Iterable[Assignment]:
    yield from _by_links(session, student_ids)
    yield from _by_classes(session, student_ids)
    yield from _by_files(session, student_ids)


def _by_links(session: Session, student_ids: Sequence[UUID]) -> Iterable[Assignment]:
    """Counselors and case managers (OneRoster 1.2 roles) whom a student's record names as agents, or the reverse."""
    for student, staff in (
        (agent_links.c.owner_id, agent_links.c.other_id),
        (agent_links.c.other_id, agent_links.c.owner_id),
    ):
        rows = session.execute(
            select(staff, student, person_roles.c.role, person_roles.c.begins_on, person_roles.c.ends_on)
            .join(person_roles, person_roles.c.person_id == staff)
            .join(people, people.c.person_id == staff)
            .where(
                student.in_(student_ids),
                person_roles.c.role.in_(("counselor", "case_manager")),
                people.c.is_active,
            )
        )
        yield from (Assignment(*row) for row in rows)


def _by_classes(session: Session, student_ids: Sequence[UUID]) -> Iterable[Assignment]:
    """Teachers of the classes the students are in, for the days both are."""
    learning, teaching = class_memberships.alias("learning"), class_memberships.alias("teaching")
    is_staff = select(person_roles.c.person_id).where(person_roles.c.role.in_(STAFF_ROLES))
    rows = session.execute(
        select(
            teaching.c.person_id,
            learning.c.person_id,
            learning.c.begins_on,
            learning.c.ends_on,
            teaching.c.begins_on,
            teaching.c.ends_on,
        )
        .join(teaching, teaching.c.class_id == learning.c.class_id)
        .join(people, people.c.person_id == teaching.c.person_id)
        .where(
            learning.c.person_id.in_(student_ids),
            learning.c.role == "student",
            teaching.c.role == "teacher",
            teaching.c.person_id.in_(is_staff),
            people.c.is_active,
        )
    )
    for staff_id, student_id, *days in rows:
        begins, ends = overlap((days[0], days[1]), (days[2], days[3]))
        if begins is None or ends is None or begins <= ends:
            yield Assignment(staff_id, student_id, "teacher", begins, ends)


def _by_files(session: Session, student_ids: Sequence[UUID]) -> Iterable[Assignment]:
    rows = session.execute(
        select(
            caseload_rows.c.staff_id,
            caseload_rows.c.student_id,
            caseload_rows.c.relation,
            caseload_rows.c.begins_on,
            caseload_rows.c.ends_on,
        )
        .join(people, people.c.person_id == caseload_rows.c.staff_id)
        .where(caseload_rows.c.student_id.in_(student_ids), people.c.is_active)
    )
    return [Assignment(*row) for row in rows]


def list_staff(session: Session, student_id: UUID) -> list[Mapping[str, Any]]:
    """Active assignments of a student with the staff members' sealed names."""
    query = (
        select(caseloads, people.c.sealed_name)
        .join(people, people.c.person_id == caseloads.c.staff_id)
        .where(caseloads.c.student_id == student_id, caseloads.c.is_active)
        .order_by(caseloads.c.relation, caseloads.c.assignment_id)
    )
    return [dict(row) for row in session.execute(query).mappings()]
