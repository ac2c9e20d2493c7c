"""Contracts of the mentorship service: partners proposed to and accepted for a student."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.contract import Event
from shared.events.personal import RECORD, ClusterName, PersonalId, PublicName


class Candidate(BaseModel):
    """A community partner that fits. Carries the organisation, never its contact person."""

    model_config = ConfigDict(frozen=True)

    partner_id: UUID
    organization: PublicName
    reasons: tuple[Literal["cluster", "language", "capacity"], ...]


class MatchProposed(Event, type="mentorship.match.proposed.v1", subject="match_id", about="student_id"):
    """Up to three partners fit a student's new goal; a counselor is asked to choose."""

    match_id: PersonalId
    student_id: PersonalId
    cluster: Annotated[ClusterName, RECORD]
    candidates: Annotated[tuple[Candidate, ...], RECORD] = Field(min_length=1, max_length=3)


class MatchAccepted(Event, type="mentorship.match.accepted.v1", subject="match_id", about="student_id"):
    """A counselor approved one partner; the relationship file's timeline is open."""

    match_id: PersonalId
    student_id: PersonalId
    partner_id: UUID
    organization: PublicName
    relationship_file_id: PersonalId
    approved_by: PersonalId


class MatchEnded(Event, type="mentorship.match.ended.v1", subject="match_id", about="student_id"):
    """A proposal was declined, superseded by a newer goal, or an accepted match came to its end."""

    match_id: PersonalId
    student_id: PersonalId
    reason: Annotated[Literal["declined", "superseded", "partner_left", "completed"], RECORD]
