"""Partners as callers see them."""

from uuid import UUID

from pydantic import BaseModel, Field


class PartnerSummary(BaseModel):
    """A community partner, without its contact person."""

    partner_id: UUID
    organization: str
    clusters: tuple[str, ...] = Field(examples=[["Health Science"]])
    languages: tuple[str, ...] = Field(description="BCP 47 tags", examples=[["en", "es"]])
    capacity: int = Field(description="Students it mentors at once")
    places_left: int
    is_active: bool
    relationship_file_id: UUID


class ContactDocument(BaseModel):
    """Whom to reach at a partner."""

    name: str
    email: str | None
    phone: str | None = Field(description="E.164")


class PartnerDocument(PartnerSummary):
    """A community partner with its contact person."""

    contact: ContactDocument
