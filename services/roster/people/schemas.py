"""Contact points as the API takes and shows them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ContactDocument(BaseModel):
    """How a person can be reached."""

    person_id: UUID
    kind: Literal["student", "guardian", "staff"]
    given_name: str
    family_name: str
    email: str | None = None
    phone: str | None = Field(default=None, description="E.164", examples=["+16055550123"])
    language: str = Field(description="BCP 47 tag the person is written to in")
    version: int


class ContactList(BaseModel):
    items: list[ContactDocument]


class ContactChange(BaseModel):
    """A person's contact points as they shall be; what is left out is removed."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = Field(default=None, max_length=254)
    phone: str | None = Field(default=None, max_length=40, examples=["(605) 555-0123"])
    language: str = Field(default="en", max_length=35, examples=["es"])


class PersonDocument(BaseModel):
    """Somebody on the roster, without a name."""

    person_id: UUID
    source: str
    sourced_id: str
    kind: str | None
    is_active: bool


class PersonList(BaseModel):
    items: list[PersonDocument]
