"""Students as they are read, names opened."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from services.roster.students.schemas import SchoolDocument, StudentDocument
from services.roster.students.tables import schools, students
from shared.auth.access import Principal, visible_students
from shared.auth.tables import relationships
from shared.problems import NotFound
from shared.sealing import Sealer


def read_student(session: Session, student_id: UUID, *, sealer: Sealer) -> StudentDocument:
    """
    Raises:
        NotFound: There is no such student.
    """
    row = session.execute(_students().where(students.c.student_id == student_id)).mappings().first()
    if row is None:
        raise NotFound
    return _document(dict(row), sealer)


def list_students(
    session: Session,
    principal: Principal,
    *,
    now: datetime,
    sealer: Sealer,
    limit: int,
    after: UUID | None = None,
    grade: int | None = None,
) -> list[StudentDocument]:
    """Enrolled students the caller may see, in a stable order."""
    query = _students().where(
        students.c.student_id.in_(visible_students(principal, "student", "read", now)), students.c.is_enrolled
    )
    conditions: list[ColumnElement[bool]] = []
    if after is not None:
        conditions.append(students.c.student_id > after)
    if grade is not None:
        conditions.append(students.c.grade == grade)
    rows = session.execute(query.where(*conditions).order_by(students.c.student_id).limit(limit)).mappings()
    return [_document(dict(row), sealer) for row in rows]


def relations_to(
    session: Session, principal: Principal, student_ids: Iterable[UUID], *, now: datetime
) -> Mapping[UUID, Sequence[str]]:
    """How the caller is related to each student, today."""
    today = now.date()
    rows = session.execute(
        select(relationships.c.student_id, relationships.c.kind).where(
            relationships.c.person_id == principal.person_id,
            relationships.c.student_id.in_(list(student_ids)),
            ~relationships.c.ended,
            relationships.c.begins_on.is_(None) | (relationships.c.begins_on <= today),
            relationships.c.ends_on.is_(None) | (relationships.c.ends_on >= today),
        )
    )
    relations: dict[UUID, list[str]] = defaultdict(list)
    for student_id, kind in rows:
        relations[student_id].append(kind)
    return {student_id: sorted(kinds) for student_id, kinds in relations.items()}


def _students() -> Select[Any]:
    return select(students, schools.c.name.label("school_name")).outerjoin(
        schools, schools.c.school_id == students.c.school_id
    )


def _document(row: Mapping[str, Any], sealer: Sealer) -> StudentDocument:
    name = sealer.open(row["sealed_name"])
    return StudentDocument(
        student_id=row["student_id"],
        given_name=name["given_name"],
        family_name=name["family_name"],
        school=SchoolDocument(school_id=row["school_id"], name=row["school_name"] or ""),
        grade=row["grade"],
        graduation_year=row["graduation_year"],
        home_language=row["home_language"],
        rights_transfer_at=row["rights_transfer_at"],
        is_enrolled=row["is_enrolled"],
        version=row["version"],
    )
