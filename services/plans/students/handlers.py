"""Keeping the students projection: a newer version replaces an older one, never the other way round."""

from uuid import UUID

from sqlalchemy import select

from services.plans.students.tables import students
from shared.database.schema import upsert_parts
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.reactions import NotYetKnown

# A withdrawal tells nothing but that; what was told of a student before and arrives after it still holds.
_PARTS = {"version": ("grade", "graduation_year", "home_language"), "enrolled_version": ("enrolled",)}


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
        "enrolled_version": version,
    }
    upsert_parts(uow.session, students, row, parts=_PARTS)


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
        .where(students.c.student_id == student_id, students.c.enrolled_version < version)
        .values(enrolled=False, enrolled_version=version)
    )
