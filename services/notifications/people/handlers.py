"""Keeping the projections, and finding who is to be told about a student."""

from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Uuid, and_, bindparam, case, exists, or_, select
from sqlalchemy.orm import Session

from services.notifications.people.tables import recipients, students
from shared.auth.access import person_students
from shared.auth.policy import COUNSELOR, GUARDIAN, SELF
from shared.auth.tables import access_students, relationships
from shared.database.deferred import standing
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster

Audience = Literal["guardian", "student", "counselor"]

RELATION_OF = {"guardian": GUARDIAN, "student": SELF, "counselor": COUNSELOR}
NOTICE_RIGHT: roster.GuardianRight = "notices"


def keep_student(student_id: UUID, sealed_name: str, *, version: int, uow: UnitOfWork) -> None:
    row = {"student_id": student_id, "sealed_name": sealed_name, "version": version}
    upsert(uow.session, students, row, key=["student_id"], newer_than="version")


def keep_contact(contact: roster.ContactChanged, *, version: int, uow: UnitOfWork) -> None:
    row = {
        "person_id": contact.person_id,
        "kind": contact.kind,
        "language": contact.language,
        "time_zone": contact.time_zone,
        "sealed_contact": contact.sealed_contact,
        "version": version,
        "removed": False,
    }
    upsert(uow.session, recipients, row, key=["person_id"], newer_than="version")


def remove_contact(person_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    """Forget how to reach a person; the row stays, so that an older contact arriving late cannot return."""
    row = {
        "person_id": person_id,
        "kind": "",
        "language": "en",
        "time_zone": "UTC",
        "sealed_contact": None,
        "version": version,
        "removed": True,
    }
    upsert(uow.session, recipients, row, key=["person_id"], newer_than="version")


def is_known(session: Session, student_id: UUID) -> bool:
    return session.execute(_VERSION, {"student": student_id}).first() is not None


def addressees(session: Session, student_id: UUID, audience: Audience, *, now: datetime) -> list[UUID]:
    """
    Who is to be told, as far as it can be said now; `may_hear` decides again when a message goes out.

    A counselor is one person: of several the one in charge for longest.
    """
    if audience == "counselor":
        return counselors_in_charge(session, student_id, now=now)[:1]
    rows = session.execute(_RELATED, {"student": student_id, "kind": RELATION_OF[audience], "instant": now}).all()
    if audience == "student":
        return [row.person_id for row in rows]
    return sorted((row.person_id for row in rows if NOTICE_RIGHT in row.rights and not row.is_adult), key=str)


def may_hear(session: Session, person_id: UUID, student_id: UUID, audience: Audience, *, now: datetime) -> bool:
    """
    Whether this person may be told about this student, in the role in which they are addressed.

    Args:
        now: Instant in the district's time zone.
    """
    allowed = person_students(person_id, "notices", "read", now).where(
        relationships.c.student_id == student_id, relationships.c.kind == RELATION_OF[audience]
    )
    return session.execute(allowed.limit(1)).first() is not None


def may_hear_of(notices: Table, *, now: datetime) -> ColumnElement[bool]:
    """The same decision as a column, for many notices in one statement."""
    relation = case(RELATION_OF, value=notices.c.audience)
    person: Any = notices.c.recipient_id
    return (
        person_students(person, "notices", "read", now)
        .where(relationships.c.student_id == notices.c.student_id, relationships.c.kind == relation)
        .correlate(notices)
        .exists()
    )


def counselors_in_charge(session: Session, student_id: UUID, *, now: datetime) -> list[UUID]:
    """A student's counselors, the one in charge for longest first."""
    return list(session.execute(_COUNSELORS, {"student": student_id, **_days(now)}).scalars())


def is_counselor_in_charge(*, now: datetime) -> ColumnElement[bool]:
    """Of a row of `relationships`: whether it makes somebody the student's counselor."""
    return _is_counselor_in_charge(**_days(now))


def _days(now: datetime) -> dict[str, date]:
    # A day of grace at the end: dates are the district's, this clock is UTC; `may_hear` is exact at sending.
    return {"today": now.date(), "yesterday": now.date() - timedelta(days=1)}


def _is_counselor_in_charge(*, today: Any, yesterday: Any) -> ColumnElement[bool]:
    return and_(
        relationships.c.kind == COUNSELOR,
        relationships.c.ended.is_(False),
        or_(relationships.c.begins_on.is_(None), relationships.c.begins_on <= today),
        or_(relationships.c.ends_on.is_(None), relationships.c.ends_on >= yesterday),
        _not_barred(),
    )


def _not_barred() -> ColumnElement[bool]:
    order = relationships.alias("order")
    return ~exists().where(
        and_(
            order.c.person_id == relationships.c.person_id,
            order.c.student_id == relationships.c.student_id,
            order.c.barred,
        )
    )


def _rights_are_the_students(student: Any, instant: Any) -> ColumnElement[bool]:
    return exists().where(access_students.c.student_id == student, access_students.c.rights_transfer_at <= instant)


_STUDENT = bindparam("student", type_=Uuid())
_VERSION = standing(select(students.c.version).where(students.c.student_id == _STUDENT))
_RELATED = standing(
    select(
        relationships.c.person_id,
        relationships.c.rights,
        _rights_are_the_students(_STUDENT, bindparam("instant")).label("is_adult"),
    ).where(
        relationships.c.student_id == _STUDENT,
        relationships.c.kind == bindparam("kind"),
        relationships.c.ended.is_(False),
        _not_barred(),
    )
)
_COUNSELORS = standing(
    select(relationships.c.person_id)
    .where(
        relationships.c.student_id == _STUDENT,
        _is_counselor_in_charge(today=bindparam("today"), yesterday=bindparam("yesterday")),
    )
    .order_by(relationships.c.begins_on.is_not(None), relationships.c.begins_on, relationships.c.person_id)
)
