"""Changing a plan: lock it, decide, audit, save the new version, emit what happened. One audit per version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from services.plans.audits.rules import Audit, audit, standing
from services.plans.catalog.repository import KnownCatalog, catalog_as_of, current_catalog
from services.plans.plans import repository, rules
from services.plans.plans.document import plan_document
from services.plans.plans.repository import NewVersion, Stored
from services.plans.plans.rules import Change, Goal, Limits, Plan, RequirementSetUnknown, StalePlan, StudentNotEnrolled
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import (
    ActorRole,
    AuditFlipped,
    CourseChange,
    GoalSet,
    InterestsChanged,
    PlanApproved,
    PlanRevised,
    PlanSubmitted,
    Standing,
)
from shared.problems import NotFound
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

# Who acts when nobody does: an import, or a change of the rules.
SYSTEM = UUID(int=0)


@dataclass(frozen=True)
class Served:
    """A plan as it goes out: its version and its document, which is None where the reader has it already."""

    version: int
    document: bytes | None


@dataclass(frozen=True)
class Request:
    """Who wants to change whose plan, and which version they have read."""

    student_id: UUID
    actor_id: UUID
    version: int


@dataclass(frozen=True)
class Opened:
    """A locked plan, and everything a decision about it reads."""

    stored: Stored
    catalog: KnownCatalog
    actor_id: UUID
    actor_role: ActorRole

    @property
    def plan(self) -> Plan:
        return self.stored.plan

    @property
    def served(self) -> Served:
        return Served(self.plan.version, self.stored.document)


def read_plan(session: Session, student_id: UUID, *, known_version: int | None = None) -> Served:
    """
    The stored document; a student whose plan nobody has changed yet has an empty one of version 0.

    Raises:
        NotFound: The student is not known here.
    """
    row = repository.read_document(session, student_id, known_version=known_version)
    if row is not None:
        return Served(row.version, row.document)
    if not repository.is_student(session, student_id):
        raise NotFound
    catalog = current_catalog(session)
    document = plan_document(_new_plan(student_id), catalog.audit_of_nothing(None), catalog, updated_at=None)
    return Served(0, document)


def change_courses(request: Request, changes: Sequence[Change], *, most_credits: Decimal, uow: UnitOfWork) -> Served:
    """
    Add, drop and move courses. What was submitted or approved becomes a draft again.

    Raises:
        Problem: One of plans/rules.py; nothing is changed then.
    """
    opened = _open(request, uow=uow)
    plan = opened.plan
    limits = Limits(most_credits, may_record_taken=opened.actor_role in ("counselor", "case_manager"))
    changed = rules.apply_changes(plan.placements, changes, opened.catalog, limits)
    revised = replace(plan, version=plan.version + 1, status="draft", placements=changed.placements)
    served, now = save_version(opened, revised, "courses", changes=changed.changes, uow=uow)
    envelope = uow.emit(
        PlanRevised(
            plan_id=plan.plan_id,
            student_id=plan.student_id,
            version=revised.version,
            actor_id=opened.actor_id,
            actor_role=opened.actor_role,
            changes=changed.changes,
            standing=now,
        ),
        version=revised.version,
    )
    if has_flipped(now):
        uow.emit(flipped(revised, "plan", now), version=revised.version, caused_by=envelope)
    log.info("plan_revised", student_id=str(plan.student_id), version=revised.version, changes=len(changes))
    return served


def set_goal(request: Request, goal: Goal, *, uow: UnitOfWork) -> Served:
    """
    Set the career goal. Setting the same again changes nothing.

    Raises:
        ClusterUnknown: It names none of the clusters.
    """
    rules.check_cluster(goal.cluster)
    opened = _open(request, uow=uow)
    plan = opened.plan
    if plan.goal == goal:
        return opened.served
    revised = replace(plan, version=plan.version + 1, goal=goal)
    served, _ = save_version(opened, revised, "goal", uow=uow)
    uow.emit(
        GoalSet(
            plan_id=plan.plan_id,
            student_id=plan.student_id,
            cluster=goal.cluster,
            previous_cluster=plan.goal.cluster if plan.goal else None,
            occupation_code=goal.occupation_code,
            actor_role=opened.actor_role,
        ),
        version=revised.version,
    )
    return served


def set_interests(request: Request, clusters: Sequence[str], *, uow: UnitOfWork) -> Served:
    """
    Set the clusters a student wants to explore. Setting the same again changes nothing.

    Raises:
        ClusterUnknown: One of them is none of the clusters.
    """
    interests = tuple(dict.fromkeys(rules.check_cluster(name) for name in clusters))
    opened = _open(request, uow=uow)
    plan = opened.plan
    if plan.interests == interests:
        return opened.served
    revised = replace(plan, version=plan.version + 1, interests=interests)
    served, _ = save_version(opened, revised, "interests", uow=uow)
    event = InterestsChanged(plan_id=plan.plan_id, student_id=plan.student_id, clusters=interests)
    uow.emit(event, version=revised.version)
    return served


def submit_plan(request: Request, *, uow: UnitOfWork) -> Served:
    """
    Hand the plan in for approval, on track or not: the counselor decides.

    Raises:
        WrongStatus: It is no draft, or empty.
    """
    opened = _open(request, uow=uow)
    rules.check_submittable(opened.plan)
    revised = replace(opened.plan, version=opened.plan.version + 1, status="submitted")
    served, _ = save_version(opened, revised, "submitted", uow=uow)
    uow.emit(PlanSubmitted(**_signed(revised, opened)), version=revised.version)
    return served


def approve_plan(request: Request, *, uow: UnitOfWork) -> Served:
    """
    Approve a submitted plan.

    Raises:
        WrongStatus: It was not submitted since its last change.
    """
    opened = _open(request, uow=uow)
    rules.check_approvable(opened.plan)
    revised = replace(opened.plan, version=opened.plan.version + 1, status="approved")
    served, _ = save_version(opened, revised, "approved", uow=uow)
    uow.emit(PlanApproved(**_signed(revised, opened)), version=revised.version)
    return served


def choose_requirement_set(request: Request, key: str, *, uow: UnitOfWork) -> Served:
    """
    Check the plan against another rule set from now on. Choosing the same again changes nothing.

    Raises:
        RequirementSetUnknown: There is none with this key; the problem lists them.
    """
    opened = _open(request, uow=uow)
    plan, known = opened.plan, opened.catalog.requirement_sets
    if key not in known:
        raise RequirementSetUnknown(f"{key[:80]!r} is none of the requirement sets.", keys=sorted(known))
    if plan.requirement_set == key:
        return opened.served
    revised = replace(plan, version=plan.version + 1, requirement_set=key)
    served, now = save_version(opened, revised, "requirement_set", uow=uow)
    if has_flipped(now):
        uow.emit(flipped(revised, "requirements", now), version=revised.version)
    return served


def has_flipped(now: Standing) -> bool:
    return bool(now.became_unmet or now.became_met)


def flipped(plan: Plan, cause: Any, now: Standing) -> AuditFlipped:
    return AuditFlipped(
        plan_id=plan.plan_id, student_id=plan.student_id, version=plan.version, cause=cause, standing=now
    )


def titles_of_unmet(found: Audit) -> dict[str, str]:
    return {each.id: each.title for each in found.unmet}


def _open(request: Request, *, uow: UnitOfWork) -> Opened:
    """
    Lock a student's plan for a change.

    Raises:
        NotFound: The student is not known here.
        StalePlan: The request names another version than the present one.
        StudentNotEnrolled: The student has left the district.
    """
    session, student_id = uow.session, request.student_id
    stored = repository.lock(session, student_id) or _begin(student_id, uow=uow)
    if request.version != stored.plan.version:
        raise StalePlan(
            f"You have read version {request.version}; the plan is at version {stored.plan.version}. "
            "Read it again, and send your change with its ETag.",
            current_version=stored.plan.version,
        )
    if not stored.is_enrolled:
        raise StudentNotEnrolled("A plan changes only while its student is enrolled.")
    return Opened(
        stored,
        catalog_as_of(session, stored.catalog_revision),
        request.actor_id,
        repository.actor_role(session, request.actor_id, student_id),
    )


def open_as_system(student_id: UUID, *, uow: UnitOfWork) -> Opened:
    """
    Lock a student's plan for a change that no person makes, at whatever version it is.

    Raises:
        NotFound: The student is not known here.
    """
    session = uow.session
    stored = repository.lock(session, student_id) or _begin(student_id, uow=uow)
    return Opened(stored, catalog_as_of(session, stored.catalog_revision), SYSTEM, "system")


def _begin(student_id: UUID, *, uow: UnitOfWork) -> Stored:
    """The plan of a student whose plan nobody has changed yet; its row is written with the first change."""
    session = uow.session
    if not repository.is_student(session, student_id):
        raise NotFound
    catalog, plan, at = current_catalog(session), _new_plan(student_id), uow.clock.now()
    repository.create(
        session,
        plan,
        unmet=titles_of_unmet(catalog.audit_of_nothing(None)),
        revision=catalog.revision,
        document=plan_document(plan, catalog.audit_of_nothing(None), catalog, updated_at=at),
        at=at,
    )
    stored = repository.lock(session, student_id)
    assert stored is not None
    return stored


def save_version(
    opened: Opened, revised: Plan, kind: str, *, changes: Sequence[CourseChange] = (), uow: UnitOfWork
) -> tuple[Served, Standing]:
    """Audit and store a locked plan's next version; what goes out, and where it leaves the student."""
    new, now = audited_version(
        revised,
        kind,
        catalog=opened.catalog,
        before=opened.stored.unmet,
        actor=(opened.actor_id, opened.actor_role),
        changes=changes,
        uow=uow,
    )
    repository.save(uow.session, [new])
    return Served(revised.version, new.document), now


def audited_version(
    revised: Plan,
    kind: str,
    *,
    catalog: KnownCatalog,
    before: Mapping[str, str],
    actor: tuple[UUID | None, ActorRole],
    changes: Sequence[CourseChange] = (),
    uow: UnitOfWork,
) -> tuple[NewVersion, Standing]:
    """The version to save, audited against the rules that apply, and where it leaves the student."""
    found = audit(revised.placements, catalog.book_for(revised.requirement_set), catalog)
    now = standing(found, before=before)
    at = uow.clock.now()
    revision = {
        "kind": kind,
        "actor_id": actor[0],
        "actor_role": actor[1],
        "changes": [change.model_dump(mode="json", exclude_none=True) for change in changes],
        "standing": now.model_dump(mode="json"),
        "correlation_id": uow.cause.correlation_id,
    }
    document = plan_document(revised, found, catalog, updated_at=at)
    new = NewVersion(revised, titles_of_unmet(found), catalog.revision, document, at, revision)
    return new, now


def _new_plan(student_id: UUID) -> Plan:
    return Plan(repository.plan_id_of(student_id), student_id)


def _signed(revised: Plan, opened: Opened) -> dict[str, Any]:
    return {
        "plan_id": revised.plan_id,
        "student_id": revised.student_id,
        "version": revised.version,
        "actor_id": opened.actor_id,
    }
