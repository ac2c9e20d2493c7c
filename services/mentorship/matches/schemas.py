"""Matches as callers see them."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.mentorship.matches.rules import Reason, Status


class CandidateDocument(BaseModel):
    """A partner proposed for a student. Carries the organisation, never its contact person."""

    partner_id: UUID
    organization: str
    reasons: tuple[Reason, ...] = Field(description="Why it fits; `language`: it speaks the language of the home")
    is_active: bool = Field(description="Whether it still takes part")
    places_left: int = Field(description="Students it can take now")


class MatchDocument(BaseModel):
    """A proposal of partners for a student's career goal, and what became of it."""

    match_id: UUID
    student_id: UUID
    cluster: str = Field(description="Career cluster of the goal")
    status: Status = Field(description="`no_fit`: nobody fits yet; a partner listed later may")
    candidates: list[CandidateDocument] = Field(description="Best first, at most three")
    partner_id: UUID | None = Field(description="The partner a counselor accepted")
    relationship_file_id: UUID | None = Field(description="The accepted partner's file, open to the student too")
    opened_at: AwareDatetime
    decided_at: AwareDatetime | None
    decided_by: UUID | None = Field(description="The counselor; null where a newer fact decided")
    end_reason: str | None = Field(examples=["superseded"])
    version: int


class MatchList(BaseModel):
    """A student's matches, newest first."""

    items: list[MatchDocument]


class Approval(BaseModel):
    """The partner a counselor chooses out of those proposed."""

    model_config = ConfigDict(extra="forbid")

    partner_id: UUID
