"""Contracts of the mentorship service: partners proposed to and accepted for a student."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.contract import Event


class Candidate(BaseModel):
    """A community partner that fits. Carries the organisation, never its contact person."""

    model_config = ConfigDict(frozen=True)

    partner_id: UUID
    organization: str
    reasons: tuple[Literal["cluster", "language", "capacity"], ...]


class MatchProposed(Event, type="mentorship.match.proposed.v1", subject="match_id", about="student_id"):
    """Up to three partners fit a student's new goal; a counselor is asked to choose."""

    match_id: UUID
    student_id: UUID
    cluster: str
    candidates: tuple[Candidate, ...] = Field(min_length=1, max_length=3)


class MatchAccepted(Event, type="mentorship.match.accepted.v1", subject="match_id", about="student_id"):
    """A counselor approved one partner; the relationship file's timeline is open."""

    match_id: UUID
    student_id: UUID
    partner_id: UUID
    organization: str
    relationship_file_id: UUID
    approved_by: UUID


class MatchEnded(Event, type="mentorship.match.ended.v1", subject="match_id", about="student_id"):
    """A proposal was declined, superseded by a newer goal, or an accepted match came to its end."""

    match_id: UUID
    student_id: UUID
    reason: Literal["declined", "superseded", "partner_left", "completed"]
