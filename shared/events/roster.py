"""Contracts of the roster: who is enrolled, and who may act for whom."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.contract import Event
from shared.events.personal import RECORD, LanguageTag, NotPersonal, PersonalId, Sealed

GuardianRight = Literal["plan.read", "plan.sign", "notices"]
FULL_GUARDIAN_RIGHTS: tuple[GuardianRight, ...] = ("plan.read", "plan.sign", "notices")


class _StudentState(Event):
    student_id: PersonalId
    school_id: Annotated[UUID, RECORD]
    grade: Annotated[int, RECORD] = Field(
        description="Grade level in the present school year; kindergarten is 0", ge=-3, le=13
    )
    graduation_year: Annotated[int, RECORD] = Field(description="Calendar year of the cohort's graduation")
    home_language: Annotated[LanguageTag, RECORD] = Field(description="BCP 47 tag", examples=["en", "es"])
    rights_transfer_at: Annotated[AwareDatetime | None, RECORD] = Field(
        default=None,
        description="Local midnight of the eighteenth birthday, when rights pass to the student; absent if unknown",
    )
    sealed_name: Sealed = Field(description="Sealed JSON object: given_name, family_name")


class StudentEnrolled(
    _StudentState, type="roster.student.enrolled.v1", subject="student_id", about="student_id", kept=True
):
    """A student is on the roster for the first time or again. Ordered by the student's version."""


class StudentChanged(
    _StudentState, type="roster.student.changed.v1", subject="student_id", about="student_id", kept=True
):
    """School, grade, language or name of an enrolled student changed; carries the whole new state."""


class StudentWithdrawn(Event, type="roster.student.withdrawn.v1", subject="student_id", about="student_id", kept=True):
    """A student left the district. The record stays for those who may still read it."""

    student_id: PersonalId
    withdrawn_on: Annotated[date, RECORD]


class GuardianshipGranted(
    Event, type="roster.guardianship.granted.v1", subject="guardianship_id", about="student_id", kept=True
):
    """A guardian's link to one student began or its standing changed; carries the whole new state."""

    guardianship_id: PersonalId
    guardian_id: PersonalId
    student_id: PersonalId
    relation: Annotated[str, NotPersonal("CEDS relationship"), RECORD] = Field(
        description="CEDS relationship, lower case", examples=["mother", "father", "guardian"]
    )
    rights: Annotated[tuple[GuardianRight, ...], RECORD] = FULL_GUARDIAN_RIGHTS
    barred: Annotated[bool, RECORD] = Field(
        default=False, description="A court order bars this guardian wholly: sees and is sent nothing"
    )
    begins_on: Annotated[date | None, RECORD] = None
    ends_on: Annotated[date | None, RECORD] = Field(default=None, description="Last day, inclusive")


class GuardianshipRevoked(
    Event, type="roster.guardianship.revoked.v1", subject="guardianship_id", about="student_id", kept=True
):
    """A guardian's link to one student ended."""

    guardianship_id: PersonalId
    guardian_id: PersonalId
    student_id: PersonalId


class GuardianshipRestricted(
    Event, type="roster.guardianship.restricted.v1", subject="guardianship_id", about="student_id", kept=True
):
    """A court order changed what a guardian may do for one student, or was lifted. Wins over everything, at once."""

    guardianship_id: PersonalId
    guardian_id: PersonalId
    student_id: PersonalId
    barred: Annotated[bool, RECORD]
    rights: Annotated[tuple[GuardianRight, ...], RECORD] = Field(description="What remains; empty when barred")


StaffRelation = Literal["counselor", "case_manager", "teacher"]


class CaseloadAssigned(
    Event, type="roster.caseload.assigned.v1", subject="assignment_id", about="student_id", kept=True
):
    """A counselor, case manager or teacher became responsible for one student."""

    assignment_id: PersonalId
    staff_id: PersonalId
    student_id: PersonalId
    relation: Annotated[StaffRelation, RECORD]
    begins_on: Annotated[date | None, RECORD] = None
    ends_on: Annotated[date | None, RECORD] = Field(default=None, description="Last day, inclusive")


class CaseloadEnded(Event, type="roster.caseload.ended.v1", subject="assignment_id", about="student_id", kept=True):
    """A staff member is no longer responsible for one student."""

    assignment_id: PersonalId
    staff_id: PersonalId
    student_id: PersonalId
    relation: Annotated[StaffRelation, RECORD]


class SealedContact(BaseModel):
    """What `ContactChanged.sealed_contact` holds once opened. Never travels in the clear."""

    model_config = ConfigDict(frozen=True)

    given_name: str = ""
    family_name: str = ""
    email: str | None = None
    phone: str | None = Field(default=None, description="E.164, able to receive SMS")


class ContactChanged(Event, type="roster.contact.changed.v1", subject="person_id", kept=True):
    """How to reach a person changed; carries the whole new state, sealed."""

    person_id: PersonalId
    kind: Annotated[Literal["student", "guardian", "staff"], RECORD]
    language: Annotated[LanguageTag, RECORD] = Field(description="BCP 47 tag the person wants to be written to in")
    time_zone: Annotated[str, NotPersonal("IANA name"), RECORD] = Field(
        description="IANA name", examples=["America/Chicago"]
    )
    sealed_contact: Sealed


class ContactRemoved(Event, type="roster.contact.removed.v1", subject="person_id", kept=True):
    """A person is no longer on the roster; nothing may be sent to them."""

    person_id: PersonalId
