"""Keeping the students projection: a newer version replaces an older one, never the other way round."""

from uuid import UUID

from sqlalchemy import select

from services.plans.students.tables import students
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.reactions import NotYetKnown


def record_student(
    student_id: UUID, *, grade: int, graduation_year: int, home_language: str, version: int, uow: UnitOfWork
) -> None:
    row = {
        "student_id": student_id,
        "grade": grade,
        "graduation_year": graduation_year,
        "home_language": home_language,
        "enrolled": True,
        "version": version,
    }
    upsert(uow.session, students, row, key=["student_id"], newer_than="version")


def withdraw_student(student_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    """
    Raises:
        NotYetKnown: The withdrawal overtook the enrolment.
    """
    known = uow.session.execute(select(students.c.version).where(students.c.student_id == student_id)).scalar()
    if known is None:
        raise NotYetKnown("student", student_id)
    uow.session.execute(
        students.update()
        .where(students.c.student_id == student_id, students.c.version < version)
        .values(enrolled=False, version=version)
    )
