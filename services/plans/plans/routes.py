"""The plan over HTTP."""

from typing import Any

from services.plans.catalog.repository import current_catalog
from services.plans.plans import handlers, repository
from services.plans.plans.document import audit_in
from services.plans.plans.handlers import Request, Served
from services.plans.plans.rules import (
    AlreadyPlanned,
    ClusterUnknown,
    CourseUnknown,
    CreditLimitExceeded,
    EmptyChange,
    Goal,
    NotInPlan,
    PlaceAmbiguous,
    PrerequisiteNotMet,
    RequirementSetUnknown,
    StalePlan,
    StudentNotEnrolled,
    TakenCourseFixed,
    TermNotOffered,
    WrongGradeLevel,
    WrongStatus,
)
from services.plans.plans.schemas import (
    AuditDocument,
    ChangeRequest,
    GoalRequest,
    InterestsRequest,
    PlacedCourse,
    PlanDocument,
    RequirementSetRequest,
    RevisionDocument,
    RevisionSummary,
)
from services.plans.settings import PlansSettings
from shared.problems import NotFound, PreconditionRequired
from shared.web.pagination import Page, PageQuery, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, on_student

routes = Routes(service="plans", tag="plans")

EDITING = [StalePlan, PreconditionRequired, StudentNotEnrolled]


@routes.get(
    "/v1/students/{student_id}/plan",
    summary="A student's plan, with its audit",
    reply=PlanDocument,
    access=on_student("plan", "read"),
)
def read_plan(call: Call[Any]) -> Reply:
    known = call.if_none_match
    served = handlers.read_plan(call.session, call.uuid("student_id"), known_version=known)
    return Reply(status=304, etag=str(served.version)) if served.document is None else _reply(served)


@routes.post(
    "/v1/students/{student_id}/plan/changes",
    summary="Add, drop and move courses, all together or not at all",
    body=ChangeRequest,
    reply=PlanDocument,
    access=on_student("plan", "write"),
    problems=[
        *EDITING,
        AlreadyPlanned,
        CourseUnknown,
        CreditLimitExceeded,
        EmptyChange,
        NotInPlan,
        PlaceAmbiguous,
        PrerequisiteNotMet,
        TakenCourseFixed,
        TermNotOffered,
        WrongGradeLevel,
    ],
)
def change_courses(call: Call[ChangeRequest]) -> Reply:
    changes = [change.change() for change in call.body.changes]
    most_credits = call.settings.specialized(PlansSettings).max_credits_per_grade
    return _reply(handlers.change_courses(_request(call), changes, most_credits=most_credits, uow=call.uow))


@routes.put(
    "/v1/students/{student_id}/plan/goal",
    summary="Set the career goal",
    body=GoalRequest,
    reply=PlanDocument,
    access=on_student("plan", "write"),
    problems=[*EDITING, ClusterUnknown],
)
def set_goal(call: Call[GoalRequest]) -> Reply:
    goal = Goal(call.body.cluster, call.body.occupation_code)
    return _reply(handlers.set_goal(_request(call), goal, uow=call.uow))


@routes.put(
    "/v1/students/{student_id}/plan/interests",
    summary="Set the career clusters to explore",
    body=InterestsRequest,
    reply=PlanDocument,
    access=on_student("plan", "write"),
    problems=[*EDITING, ClusterUnknown],
)
def set_interests(call: Call[InterestsRequest]) -> Reply:
    return _reply(handlers.set_interests(_request(call), call.body.clusters, uow=call.uow))


@routes.post(
    "/v1/students/{student_id}/plan/submit",
    summary="Hand the plan in for approval",
    reply=PlanDocument,
    access=on_student("plan", "submit"),
    problems=[*EDITING, WrongStatus],
)
def submit_plan(call: Call[Any]) -> Reply:
    return _reply(handlers.submit_plan(_request(call), uow=call.uow))


@routes.post(
    "/v1/students/{student_id}/plan/approve",
    summary="Approve the submitted plan",
    reply=PlanDocument,
    access=on_student("plan", "approve"),
    problems=[*EDITING, WrongStatus],
)
def approve_plan(call: Call[Any]) -> Reply:
    return _reply(handlers.approve_plan(_request(call), uow=call.uow))


@routes.put(
    "/v1/students/{student_id}/plan/requirement-set",
    summary="Choose the rule set the plan is checked against",
    body=RequirementSetRequest,
    reply=PlanDocument,
    access=on_student("plan", "approve"),
    problems=[*EDITING, RequirementSetUnknown],
)
def choose_requirement_set(call: Call[RequirementSetRequest]) -> Reply:
    return _reply(handlers.choose_requirement_set(_request(call), call.body.key, uow=call.uow))


@routes.get(
    "/v1/students/{student_id}/plan/audit",
    summary="What the plan does for graduation, in full",
    reply=AuditDocument,
    access=on_student("plan", "read"),
)
def read_audit(call: Call[Any]) -> Reply:
    served = handlers.read_plan(call.session, call.uuid("student_id"))
    assert served.document is not None
    return Reply(AuditDocument.model_validate(audit_in(served.document)), etag=str(served.version))


@routes.get(
    "/v1/students/{student_id}/plan/versions",
    summary="Every version of the plan, newest first",
    query=PageQuery,
    reply=Page[RevisionSummary],
    access=on_student("plan", "read"),
)
def list_versions(call: Call[Any]) -> Reply:
    position, limit = position_of(call.query), limit_of(call.query)
    before = _version(str(position[0])) if position else None
    rows = repository.revisions(call.session, call.uuid("student_id"), before=before, limit=limit + 1)
    page = [RevisionSummary.model_validate(_summary(row)) for row in rows[:limit]]
    following = cursor_of(page[-1].version) if len(rows) > limit else None
    return Reply(Page[RevisionSummary](items=page, next=following))


@routes.get(
    "/v1/students/{student_id}/plan/versions/{version}",
    summary="One version of the plan, with its courses and the audit it had",
    reply=RevisionDocument,
    access=on_student("plan", "read"),
)
def read_version(call: Call[Any]) -> Reply:
    row = repository.revision(call.session, call.uuid("student_id"), _version(call.path["version"]))
    if row is None:
        raise NotFound
    title = current_catalog(call.session).title
    courses = [
        PlacedCourse(code=each.code, title=title(each.code), grade=each.grade, term=each.term, state=each.state)
        for each in repository.unpacked(row.courses)
    ]
    return Reply(RevisionDocument.model_validate({**_summary(row), "standing": row.standing, "courses": courses}))


def _reply(served: Served) -> Reply:
    return Reply(served.document, etag=str(served.version))


def _request(call: Call[Any]) -> Request:
    return Request(call.uuid("student_id"), call.principal.person_id, call.required_version)


def _summary(row: Any) -> dict[str, Any]:
    return {
        "version": row.version,
        "kind": row.kind,
        "at": row.at,
        "actor_id": row.actor_id,
        "actor_role": row.actor_role,
        "changes": row.changes,
        "on_track": row.standing["on_track"],
        "correlation_id": row.correlation_id,
    }


def _version(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound
    return int(text)
