"""Caseloads as the API shows them."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel

from shared.events.roster import StaffRelation


class AssignmentDocument(BaseModel):
    """A member of staff responsible for a student."""

    assignment_id: UUID
    staff_id: UUID
    given_name: str
    family_name: str
    relation: StaffRelation
    begins_on: date | None
    ends_on: date | None


class AssignmentList(BaseModel):
    items: list[AssignmentDocument]
