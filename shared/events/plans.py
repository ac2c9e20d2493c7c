"""Contracts of the plans service: what changed in a student's plan, and what that does to graduation."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.contract import Event
from shared.events.personal import RECORD, ClusterName, CourseCode, NotPersonal, PersonalId, PublishedText, RuleName

Term = Literal["S1", "S2", "YEAR"]
ActorRole = Literal["student", "counselor", "case_manager", "guardian", "system"]


class CourseChange(BaseModel):
    """One course added to, dropped from or moved within a plan. `from_*` are set for a move alone."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["added", "dropped", "moved"]
    code: CourseCode
    title: PublishedText
    credits: Decimal
    grade: int = Field(description="Grade level the course is (or, dropped, was) planned in")
    term: Term
    from_grade: int | None = None
    from_term: Term | None = None


class UnmetRequirement(BaseModel):
    """A requirement the plan does not meet, and by how much."""

    model_config = ConfigDict(frozen=True)

    id: RuleName
    title: PublishedText
    short_by: Decimal = Field(
        description="Credits missing, in the rule set's unit; 0 if only named courses are missing"
    )
    missing: tuple[PublishedText, ...] = Field(default=(), description="Titles of named courses that would meet it")


class Standing(BaseModel):
    """What a plan's audit says, short enough to put in a message."""

    model_config = ConfigDict(frozen=True)

    requirement_set: RuleName = Field(description="Key of the rule set", examples=["us-sd-watertown-hs/university"])
    on_track: bool
    credits_planned: Decimal
    credits_required: Decimal
    unmet: tuple[UnmetRequirement, ...] = ()
    became_unmet: tuple[UnmetRequirement, ...] = Field(default=(), description="Unmet since this change")
    became_met: tuple[PublishedText, ...] = Field(
        default=(), description="Titles of requirements met since this change"
    )


class PlanRevised(Event, type="plans.plan.revised.v1", subject="plan_id", about="student_id"):
    """The course plan has a new version. Ordered by the plan's version."""

    plan_id: PersonalId
    student_id: PersonalId
    version: int
    actor_id: PersonalId
    actor_role: ActorRole
    changes: Annotated[tuple[CourseChange, ...], RECORD]
    standing: Annotated[Standing, RECORD]


class PlanSubmitted(Event, type="plans.plan.submitted.v1", subject="plan_id", about="student_id"):
    """The student handed the plan in for approval."""

    plan_id: PersonalId
    student_id: PersonalId
    version: int
    actor_id: PersonalId


class PlanApproved(Event, type="plans.plan.approved.v1", subject="plan_id", about="student_id"):
    """The counselor approved the submitted plan."""

    plan_id: PersonalId
    student_id: PersonalId
    version: int
    actor_id: PersonalId


class AuditFlipped(Event, type="plans.audit.flipped.v1", subject="plan_id", about="student_id"):
    """At least one requirement went from met to unmet or back."""

    plan_id: PersonalId
    student_id: PersonalId
    version: int = Field(description="Version of the plan that was audited")
    cause: Literal["plan", "catalog", "requirements"]
    standing: Annotated[Standing, RECORD]


class GoalSet(Event, type="plans.goal.set.v1", subject="plan_id", about="student_id", kept=True):
    """The career goal changed."""

    plan_id: PersonalId
    student_id: PersonalId
    cluster: Annotated[ClusterName, RECORD] = Field(
        description="Name of the career cluster", examples=["Health Science"]
    )
    previous_cluster: Annotated[ClusterName | None, RECORD] = None
    occupation_code: Annotated[str | None, NotPersonal("O*NET-SOC code"), RECORD] = Field(
        default=None, description="O*NET-SOC code", examples=["29-1141.00"]
    )
    actor_role: ActorRole | None = Field(
        default=None, description="Who set it; `system` where it was taken over from elsewhere and nothing need follow"
    )


class InterestsChanged(Event, type="plans.interests.changed.v1", subject="plan_id", about="student_id"):
    """The career clusters a student wants to explore changed. Never carries assessment answers."""

    plan_id: PersonalId
    student_id: PersonalId
    clusters: Annotated[tuple[ClusterName, ...], RECORD]
