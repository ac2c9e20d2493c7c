"""A journey at the HTTP edge."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class JourneyStep(BaseModel):
    """One event of the chain."""

    event_id: UUID
    type: str = Field(examples=["plans.plan.revised.v1"])
    at: datetime
    service: str = Field(description="The service that said so", examples=["plans"])
    caused_by: UUID | None = Field(description="The step directly behind this one; null for the first")
    summary: str = Field(description="What happened, in one plain sentence")
    elapsed_ms: int = Field(description="Milliseconds since the journey started", ge=0)


class JourneyDocument(BaseModel):
    """What one action led to, each step after its cause."""

    correlation_id: UUID
    started_at: datetime
    student_id: UUID | None = Field(description="The student it is about; null if it concerns several you may see")
    complete: bool = Field(description="Whether everything that must follow has followed")
    steps: list[JourneyStep]
