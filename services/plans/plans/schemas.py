"""What the plan's routes take and give."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.plans.audits.placements import State
from services.plans.audits.rules import FindingKind
from services.plans.plans.rules import AddCourse, Change, DropCourse, MoveCourse, Status
from shared.events.plans import ActorRole, CourseChange, Standing, Term

Code = Annotated[str, Field(min_length=1, max_length=64, description="Course code", examples=["9120"])]
Grade = Annotated[int, Field(ge=0, le=13, description="Grade level", examples=[11])]
Cluster = Annotated[str, Field(max_length=80, description="Career cluster", examples=["Health Science"])]
RevisionKind = Literal[
    "courses", "goal", "interests", "submitted", "approved", "requirement_set", "catalog", "requirements"
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Add(_Body):
    """Put a course into the plan. Without a term it goes where the course usually is."""

    action: Literal["add"]
    code: Code
    grade: Grade
    term: Term | None = None
    state: State = Field(default="planned", description="`taken` is for a counselor or case manager alone")

    def change(self) -> Change:
        return AddCourse(self.code, self.grade, self.term, self.state)


class Drop(_Body):
    """Take a course out. Grade and term are needed only where it is in the plan more than once."""

    action: Literal["drop"]
    code: Code
    grade: Grade | None = None
    term: Term | None = None

    def change(self) -> Change:
        return DropCourse(self.code, self.grade, self.term)


class Move(_Body):
    """Put a course into another grade or term; what is left out stays as it is."""

    action: Literal["move"]
    code: Code
    grade: Grade | None = None
    term: Term | None = None
    to_grade: Grade | None = None
    to_term: Term | None = None

    def change(self) -> Change:
        return MoveCourse(self.code, self.to_grade, self.to_term, self.grade, self.term)


class ChangeRequest(_Body):
    """Changes carried out together: all or none. Their order does not matter."""

    changes: list[Annotated[Add | Drop | Move, Field(discriminator="action")]] = Field(min_length=1, max_length=100)


class GoalRequest(_Body):
    cluster: Cluster
    occupation_code: str | None = Field(
        default=None, pattern=r"^\d{2}-\d{4}\.\d{2}$", description="O*NET-SOC code", examples=["29-1141.00"]
    )


class InterestsRequest(_Body):
    clusters: list[Cluster] = Field(max_length=16)


class RequirementSetRequest(_Body):
    key: str = Field(min_length=1, max_length=200, examples=["us-sd-watertown-hs/university"])


class GoalDocument(BaseModel):
    cluster: str
    occupation_code: str | None


class CourseDocument(BaseModel):
    """A course in the plan, and the requirement it counts toward; null where it is an elective."""

    code: str
    title: str
    department: str | None
    credits: float
    grade: int
    term: Term
    state: State
    counts_toward: str | None


class RequirementDocument(BaseModel):
    """One requirement: `missing` are groups of codes, of each of which one course is still needed."""

    id: str
    title: str
    met: bool
    credits_needed: float
    credits_planned: float
    short_by: float
    courses: list[str]
    missing: list[list[str]]
    sentence: str


class FindingDocument(BaseModel):
    """Something wrong with one planned course."""

    id: str
    kind: FindingKind
    code: str
    title: str
    sentence: str


class AuditDocument(BaseModel):
    """What the plan does for graduation, in numbers and in sentences."""

    requirement_set: str
    title: str
    unit: str
    on_track: bool
    summary: str
    credits_planned: float
    credits_required: float
    requirements: list[RequirementDocument]
    findings: list[FindingDocument]
    reminders: list[str]


class PlanDocument(BaseModel):
    """The whole plan. The ETag is its version; version 0 is a plan nobody has touched yet."""

    plan_id: UUID
    student_id: UUID
    version: int
    status: Status
    updated_at: AwareDatetime | None
    goal: GoalDocument | None
    interests: list[str]
    courses: list[CourseDocument]
    credits_by_grade: dict[str, float]
    audit: AuditDocument


class RevisionSummary(BaseModel):
    """One version of the plan: who made it, how, and where that left the student."""

    version: int
    kind: RevisionKind
    at: AwareDatetime
    actor_id: UUID | None
    actor_role: ActorRole
    changes: list[CourseChange]
    on_track: bool
    correlation_id: UUID


class PlacedCourse(BaseModel):
    code: str
    title: str
    grade: int
    term: Term
    state: State


class RevisionDocument(RevisionSummary):
    """One version with all its courses and the audit it had."""

    standing: Standing
    courses: list[PlacedCourse]
