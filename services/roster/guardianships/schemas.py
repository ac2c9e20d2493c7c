"""Guardians and court orders as the API takes and shows them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.roster.guardianships.rules import OrderState
from shared.events.roster import GuardianRight


class OrderFiling(BaseModel):
    """A court order to be filed. What it withholds is withheld from `begins_on` on, without waiting for anybody."""

    model_config = ConfigDict(extra="forbid")

    document: str = Field(min_length=1, max_length=200, description="Where the order itself is kept, such as a docket")
    barred: bool = Field(description="The guardian may see and be sent nothing about this student")
    rights: list[GuardianRight] = Field(
        default_factory=list, description="What remains to a guardian who is not barred; nothing unless listed"
    )
    begins_on: date | None = Field(default=None, description="First day; absent means at once")
    ends_on: date | None = Field(default=None, description="Last day, inclusive; counts once a second person confirmed")


class LiftRequest(BaseModel):
    """Asks for an order to be lifted; nothing is given back before a second person confirms."""

    model_config = ConfigDict(extra="forbid")

    document: str = Field(min_length=1, max_length=200, description="Where the decision that lifts it is kept")


class OrderDocument(BaseModel):
    """A court order, what it leaves, and who has decided about it."""

    order_id: UUID
    guardianship_id: UUID
    guardian_id: UUID
    student_id: UUID
    document: str
    barred: bool
    rights: list[GuardianRight]
    begins_on: date | None
    ends_on: date | None
    state: OrderState = Field(description="filed and lifting wait for a second administrator")
    withholds_today: bool
    filed_by: UUID
    filed_at: datetime
    confirmed_by: UUID | None
    lift_document: str | None
    lift_asked_by: UUID | None
    lifted_by: UUID | None
    version: int


class OrderList(BaseModel):
    items: list[OrderDocument]


class GuardianDocument(BaseModel):
    """A guardian of one student, and what the orders in force leave."""

    guardianship_id: UUID
    guardian_id: UUID
    given_name: str
    family_name: str
    relation: str
    barred: bool
    rights: list[GuardianRight]
    begins_on: date | None
    ends_on: date | None
    orders: list[OrderDocument]


class GuardianList(BaseModel):
    items: list[GuardianDocument]
