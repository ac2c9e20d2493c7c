"""Relationship files as callers see them."""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.mentorship.partners.schemas import ContactDocument
from services.mentorship.relationship_files.rules import EntryKind, OutreachKind, OutreachOutcome
from shared.web.fields import Instant


class EntryDocument(BaseModel):
    """One line of a relationship file's timeline."""

    entry_id: UUID
    kind: EntryKind
    at: AwareDatetime
    by: UUID | None = Field(description="Who did it; null for the service itself")
    student_id: UUID | None
    facts: dict[str, Any] = Field(description="Ids, codes and dates", examples=[{"outreach": "call"}])


class RelationshipFileDocument(BaseModel):
    """The relationship with one partner: who it is and what has happened, as far as the caller may know."""

    relationship_file_id: UUID
    partner_id: UUID
    organization: str
    is_active: bool
    opened_at: AwareDatetime
    contact: ContactDocument | None = Field(default=None, description="For counselors and administrators alone")
    entries: list[EntryDocument] = Field(description="Newest first")
    next: str | None = Field(default=None, description="Cursor of the entries before these; absent on the last page")


class OutreachRequest(BaseModel):
    """A contact with the partner to be noted. There is no free text: it ends up holding facts about children."""

    model_config = ConfigDict(extra="forbid")

    kind: OutreachKind
    outcome: OutreachOutcome
    at: Instant | None = Field(default=None, description="When it happened; now, if absent")
    follow_up_on: date | None = None
    student_id: UUID | None = Field(default=None, description="The student it was about, if any")
