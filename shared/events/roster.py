"""Contracts of the roster: who is enrolled, and who may act for whom."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.contract import Event

Sealed = Annotated[
    str,
    Field(
        description="Encrypted personal data (shared/sealing.py). Opaque to every reader but the services that "
        "hold the sealing key; docs/decisions/0003-sealed-personal-data.md"
    ),
]

GuardianRight = Literal["plan.read", "plan.sign", "notices"]
FULL_GUARDIAN_RIGHTS: tuple[GuardianRight, ...] = ("plan.read", "plan.sign", "notices")


class _StudentState(Event):
    student_id: UUID
    school_id: UUID
    grade: int = Field(description="Grade level in the present school year; kindergarten is 0", ge=-3, le=13)
    graduation_year: int = Field(description="Calendar year of the cohort's graduation")
    home_language: str = Field(description="BCP 47 tag", examples=["en", "es"])
    rights_transfer_at: AwareDatetime | None = Field(
        default=None,
        description="Local midnight of the eighteenth birthday, when rights pass to the student; absent if unknown",
    )
    sealed_name: Sealed = Field(description="Sealed JSON object: given_name, family_name")


class StudentEnrolled(_StudentState, type="roster.student.enrolled.v1", subject="student_id", about="student_id"):
    """A student is on the roster for the first time or again. Ordered by the student's version."""


class StudentChanged(_StudentState, type="roster.student.changed.v1", subject="student_id", about="student_id"):
    """School, grade, language or name of an enrolled student changed; carries the whole new state."""


class StudentWithdrawn(Event, type="roster.student.withdrawn.v1", subject="student_id", about="student_id"):
    """A student left the district. The record stays for those who may still read it."""

    student_id: UUID
    withdrawn_on: date


class GuardianshipGranted(Event, type="roster.guardianship.granted.v1", subject="guardianship_id", about="student_id"):
    """A guardian's link to one student began or its standing changed; carries the whole new state."""

    guardianship_id: UUID
    guardian_id: UUID
    student_id: UUID
    relation: str = Field(description="CEDS relationship, lower case", examples=["mother", "father", "guardian"])
    rights: tuple[GuardianRight, ...] = FULL_GUARDIAN_RIGHTS
    barred: bool = Field(default=False, description="A court order bars this guardian wholly: sees and is sent nothing")
    begins_on: date | None = None
    ends_on: date | None = Field(default=None, description="Last day, inclusive")


class GuardianshipRevoked(Event, type="roster.guardianship.revoked.v1", subject="guardianship_id", about="student_id"):
    """A guardian's link to one student ended."""

    guardianship_id: UUID
    guardian_id: UUID
    student_id: UUID


class GuardianshipRestricted(
    Event, type="roster.guardianship.restricted.v1", subject="guardianship_id", about="student_id"
):
    """A court order changed what a guardian may do for one student, or was lifted. Wins over everything, at once."""

    guardianship_id: UUID
    guardian_id: UUID
    student_id: UUID
    barred: bool
    rights: tuple[GuardianRight, ...] = Field(description="What remains; empty when barred")


StaffRelation = Literal["counselor", "case_manager", "teacher"]


class CaseloadAssigned(Event, type="roster.caseload.assigned.v1", subject="assignment_id", about="student_id"):
    """A counselor, case manager or teacher became responsible for one student."""

    assignment_id: UUID
    staff_id: UUID
    student_id: UUID
    relation: StaffRelation
    begins_on: date | None = None
    ends_on: date | None = Field(default=None, description="Last day, inclusive")


class CaseloadEnded(Event, type="roster.caseload.ended.v1", subject="assignment_id", about="student_id"):
    """A staff member is no longer responsible for one student."""

    assignment_id: UUID
    staff_id: UUID
    student_id: UUID
    relation: StaffRelation


class SealedContact(BaseModel):
    """What `ContactChanged.sealed_contact` holds once opened. Never travels in the clear."""

    model_config = ConfigDict(frozen=True)

    given_name: str = ""
    family_name: str = ""
    email: str | None = None
    phone: str | None = Field(default=None, description="E.164, able to receive SMS")


class ContactChanged(Event, type="roster.contact.changed.v1", subject="person_id"):
    """How to reach a person changed; carries the whole new state, sealed."""

    person_id: UUID
    kind: Literal["student", "guardian", "staff"]
    language: str = Field(description="BCP 47 tag the person wants to be written to in")
    time_zone: str = Field(description="IANA name", examples=["America/Chicago"])
    sealed_contact: Sealed


class ContactRemoved(Event, type="roster.contact.removed.v1", subject="person_id"):
    """A person is no longer on the roster; nothing may be sent to them."""

    person_id: UUID
