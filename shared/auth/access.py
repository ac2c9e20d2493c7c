"""One decision and one filter: which students a person may act on, from the service's own projection."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, and_, bindparam, cast, exists, not_, or_, select
from sqlalchemy.orm import Session

from shared.auth.policy import GUARDIAN, guardian_right_for, relations_granting
from shared.auth.tables import access_students, disclosure_log, relationships


@dataclass(frozen=True)
class Principal:
    """
    Who is asking, as the token says.

    For a student's record only the relationships of `person_id` count; `role` decides
    for district_admin, ops and integrator, who have no relationship to a student.
    """

    person_id: UUID
    role: str
    scopes: frozenset[str] = field(default_factory=frozenset)


def visible_students(principal: Principal, resource: str, action: str, now: datetime) -> Select[tuple[UUID]]:
    """
    The filter: ids of the students on whom `principal` may do `action`, for use in an IN clause.

    Args:
        now: Instant in the district's time zone; its date decides about begun and ended relations.
    """
    return person_students(principal.person_id, resource, action, now)


def person_students(person_id: UUID, resource: str, action: str, now: datetime) -> Select[tuple[UUID]]:
    """Like `visible_students`, for a person who is not asking but, say, about to be written to."""
    return _students(person_id, resource, action, now, now.date())


def persons_allowed(
    resource: str, action: str, student_ids: Collection[UUID], now: datetime
) -> Select[tuple[UUID, UUID]]:
    """
    The filter the other way round: everybody who may do `action`, with the student.

    For sending what happened to many readers at once, where asking for each would cost too much.
    """
    anybody = _students(relationships.c.person_id, resource, action, now, now.date())
    return anybody.where(relationships.c.student_id.in_(student_ids)).with_only_columns(
        relationships.c.person_id, relationships.c.student_id
    )


def _students(person: Any, resource: str, action: str, instant: Any, today: Any) -> Select[tuple[UUID]]:
    own = relationships
    order = relationships.alias("order")
    guardian_keeps_right = and_(
        cast(own.c.rights, String).like(f'%"{guardian_right_for(resource, action)}"%'),
        # From the eighteenth birthday the rights are the student's (34 CFR 99.5).
        not_(
            exists().where(
                access_students.c.student_id == own.c.student_id, access_students.c.rights_transfer_at <= instant
            )
        ),
    )
    return select(own.c.student_id).where(
        own.c.person_id == person,
        own.c.kind.in_(relations_granting(resource, action)),
        not_(own.c.ended),
        or_(own.c.begins_on.is_(None), own.c.begins_on <= today),
        or_(own.c.ends_on.is_(None), own.c.ends_on >= today),
        or_(own.c.kind != GUARDIAN, guardian_keeps_right),
        # A court order wins over every other relation the same person may have to the student.
        not_(
            exists().where(order.c.person_id == own.c.person_id, order.c.student_id == own.c.student_id, order.c.barred)
        ),
    )


@lru_cache(maxsize=256)
def _permission(resource: str, action: str) -> Select[tuple[UUID]]:
    """The decision as a statement, put together once: that takes ten times as long as running it."""
    allowed = _students(bindparam("person"), resource, action, bindparam("instant"), bindparam("today"))
    return allowed.where(relationships.c.student_id == bindparam("student")).limit(1)


def can(session: Session, principal: Principal, resource: str, action: str, student_id: UUID, now: datetime) -> bool:
    """The decision: may `principal` do `action` on this student's `resource`."""
    return person_can(session, principal.person_id, resource, action, student_id, now)


def person_can(session: Session, person_id: UUID, resource: str, action: str, student_id: UUID, now: datetime) -> bool:
    values = {"person": person_id, "student": student_id, "instant": now, "today": now.date()}
    return session.execute(_permission(resource, action), values).first() is not None


def is_student(session: Session, student_id: UUID) -> bool:
    """Whether the roster has ever told of this student."""
    known = select(access_students.c.student_id).where(access_students.c.student_id == student_id)
    return session.execute(known).first() is not None


def disclose(
    session: Session, principal: Principal, *, student_id: UUID, resource: str, reason: str | None, now: datetime
) -> None:
    """Record that somebody outside the school's staff and the family read a student's record."""
    session.execute(
        disclosure_log.insert().values(
            at=now,
            person_id=principal.person_id,
            role=principal.role,
            student_id=student_id,
            resource=resource,
            reason=reason,
        )
    )
