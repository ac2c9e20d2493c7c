"""The statements behind plans: one to read, one to lock, one to save."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, case, literal, null, select, true
from sqlalchemy.orm import Session

from services.plans.audits.placements import Placement, State
from services.plans.catalog.tables import catalog_revision
from services.plans.plans.rules import Goal, Plan
from services.plans.plans.tables import plan_revisions, plans
from services.plans.students.tables import students
from shared.auth.policy import CASE_MANAGER, COUNSELOR, GUARDIAN
from shared.auth.tables import relationships
from shared.database.schema import insert
from shared.events.plans import ActorRole, Term
from shared.identifiers import stable_id

ROLE_OF_RELATION: Mapping[str, ActorRole] = {
    COUNSELOR: "counselor",
    CASE_MANAGER: "case_manager",
    GUARDIAN: "guardian",
}


@dataclass(frozen=True)
class Stored:
    """A plan as the database has it, locked for this transaction."""

    plan: Plan
    unmet: Mapping[str, str]
    audited_revision: int
    document: bytes
    updated_at: datetime
    is_enrolled: bool
    catalog_revision: int


def read_document(session: Session, student_id: UUID, *, known_version: int | None = None) -> Row[Any, Any] | None:
    """Version and stored document; the document is None where the reader has that version already."""
    # No plan has version -1.
    known = -1 if known_version is None else known_version
    return session.execute(_READ, {"student": student_id, "known": known}).first()


def is_student(session: Session, student_id: UUID) -> bool:
    return session.execute(select(literal(1)).where(students.c.student_id == student_id)).first() is not None


def lock(session: Session, student_id: UUID) -> Stored | None:
    """
    The plan, locked first so that the order of its events is the order of its versions.

    Locking the plan's own row, not the student's, makes a writer that had to wait see the newest version.
    """
    row = session.execute(_LOCK, {"student": student_id}).first()
    return None if row is None else _of_row(row)


def lock_behind(session: Session, *, revision: int, limit: int) -> list[Stored]:
    """Plans that were last audited against an older catalog; those another transaction holds are left to it."""
    statement = (
        _STORED.where(plans.c.audited_revision < revision)
        .order_by(plans.c.audited_revision, plans.c.plan_id)
        .limit(limit)
        .with_for_update(of=plans, skip_locked=True)
    )
    return [_of_row(row) for row in session.execute(statement)]


def create(
    session: Session, plan: Plan, *, unmet: Mapping[str, str], revision: int, document: bytes, at: datetime
) -> None:
    """Insert a plan at version 0 unless another transaction has just done so."""
    row = {
        "plan_id": plan.plan_id,
        "student_id": plan.student_id,
        **_changing(plan, unmet=unmet, revision=revision, document=document, at=at),
    }
    # By any key: the id is made from the student's, and which of the two PostgreSQL meets first is a matter of luck.
    session.execute(insert(session, plans).values(row).on_conflict_do_nothing())


@dataclass(frozen=True)
class NewVersion:
    """A version to save: the plan, what its audit said, and the revision that records it."""

    plan: Plan
    unmet: Mapping[str, str]
    catalog_revision: int
    document: bytes
    at: datetime
    revision: Mapping[str, Any]


def save(session: Session, versions: Sequence[NewVersion]) -> None:
    """Write new versions of plans locked in this transaction, each with its revision."""
    updates = [
        {
            "plan": new.plan.plan_id,
            **_changing(new.plan, unmet=new.unmet, revision=new.catalog_revision, document=new.document, at=new.at),
        }
        for new in versions
    ]
    inserts = [
        {
            "plan_id": new.plan.plan_id,
            "version": new.plan.version,
            "courses": packed(new.plan.placements),
            "at": new.at,
            **new.revision,
        }
        for new in versions
    ]
    # A list, even of one, goes through the driver's slower path for many.
    session.execute(_SAVE, updates[0] if len(updates) == 1 else updates)
    session.execute(_RECORD, inserts[0] if len(inserts) == 1 else inserts)


def mark_audited(session: Session, plan_ids: Sequence[UUID], *, revision: int) -> None:
    session.execute(plans.update().where(plans.c.plan_id.in_(plan_ids)).values(audited_revision=revision))


def has_behind(session: Session) -> bool:
    behind = select(plans.c.plan_id).where(plans.c.audited_revision < catalog_revision.c.revision).limit(1)
    return session.execute(behind).first() is not None


def actor_role(session: Session, person_id: UUID, student_id: UUID) -> ActorRole:
    """In which relation to the student an authorized person acts."""
    if person_id == student_id:
        return "student"
    kinds = set(session.execute(_RELATIONS, {"person": person_id, "student": student_id}).scalars())
    return next((role for kind, role in ROLE_OF_RELATION.items() if kind in kinds), "system")


def revisions(session: Session, student_id: UUID, *, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Versions of a student's plan, newest first."""
    table = plan_revisions
    statement = select(table).join(plans).where(plans.c.student_id == student_id)
    if before is not None:
        statement = statement.where(table.c.version < before)
    return session.execute(statement.order_by(table.c.version.desc()).limit(limit)).all()


def revision(session: Session, student_id: UUID, version: int) -> Row[Any] | None:
    table = plan_revisions
    return session.execute(
        select(table).join(plans).where(plans.c.student_id == student_id, table.c.version == version)
    ).first()


def plan_id_of(student_id: UUID) -> UUID:
    return stable_id("plan", str(student_id))


def packed(placements: Iterable[Placement]) -> list[list[Any]]:
    return [[each.code, each.grade, each.term, each.state] for each in placements]


def unpacked(rows: Iterable[tuple[str, int, Term, State]]) -> tuple[Placement, ...]:
    return tuple(Placement(code, grade, term, state) for code, grade, term, state in rows)


def _of_row(row: Row[Any]) -> Stored:
    plan = Plan(
        plan_id=row.plan_id,
        student_id=row.student_id,
        version=row.version,
        status=row.status,
        placements=unpacked(row.courses),
        goal=Goal(row.goal["cluster"], row.goal["occupation_code"]) if row.goal else None,
        interests=tuple(row.interests),
        requirement_set=row.requirement_set,
    )
    return Stored(plan, row.unmet, row.audited_revision, row.document, row.updated_at, row.enrolled, row.revision)


def _changing(plan: Plan, *, unmet: Mapping[str, str], revision: int, document: bytes, at: datetime) -> dict[str, Any]:
    return {
        "version": plan.version,
        "status": plan.status,
        "courses": packed(plan.placements),
        "goal": {"cluster": plan.goal.cluster, "occupation_code": plan.goal.occupation_code} if plan.goal else None,
        "interests": list(plan.interests),
        "requirement_set": plan.requirement_set,
        "unmet": dict(unmet),
        "audited_revision": revision,
        "document": document,
        "updated_at": at,
    }


# Built once: putting a statement together costs as much as running it.
_READ = select(
    plans.c.version, case((plans.c.version == bindparam("known"), null()), else_=plans.c.document).label("document")
).where(plans.c.student_id == bindparam("student"))

_STORED = (
    select(plans, students.c.enrolled, catalog_revision.c.revision)
    .join(students, students.c.student_id == plans.c.student_id)
    .join(catalog_revision, true())
)
_LOCK = _STORED.where(plans.c.student_id == bindparam("student")).with_for_update(of=plans)

_SAVE = (
    plans.update()
    .where(plans.c.plan_id == bindparam("plan"))
    .values(
        {
            name: bindparam(name)
            for name in (
                "version",
                "status",
                "courses",
                "goal",
                "interests",
                "requirement_set",
                "unmet",
                "audited_revision",
                "document",
                "updated_at",
            )
        }
    )
)
_RECORD = plan_revisions.insert()
_RELATIONS = select(relationships.c.kind).where(
    relationships.c.person_id == bindparam("person"),
    relationships.c.student_id == bindparam("student"),
    relationships.c.ended.is_(False),
)
