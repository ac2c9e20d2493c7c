"""
Keeps the relationship projection from roster events; every service applies these, each in its own database.

Some events tell the whole state of a link, others one part of it: a court order says what rights are left and not
until when the link lasts. Events come in any order, so each part keeps the version that spoke of it last. One version
for the whole row would let an order that arrives first hide the link's last day, or an end hide the order before it.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from shared.auth.policy import GUARDIAN, SELF
from shared.auth.tables import access_students, relationships
from shared.database.schema import UNSAID, upsert_parts
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster
from shared.messaging.reactions import Received

# By the column that keeps its version: what an event may speak of alone.
_PARTS: Mapping[Table, Mapping[str, tuple[str, ...]]] = {
    relationships: {
        "dates_version": ("begins_on", "ends_on"),
        "rights_version": ("rights", "barred"),
        "ended_version": ("ended",),
    },
    access_students: {"transfer_version": ("rights_transfer_at",), "enrolled_version": ("enrolled",)},
}
_EVERYTHING = tuple(_PARTS[relationships])


def on_student(received: Received[roster.StudentEnrolled | roster.StudentChanged], *, uow: UnitOfWork) -> None:
    student, version = received.event, received.envelope.subject_version
    row = {
        "student_id": student.student_id,
        "rights_transfer_at": student.rights_transfer_at,
        "enrolled": True,
        "transfer_version": version,
        "enrolled_version": version,
    }
    _note(uow, access_students, row)
    _relate(uow, student.student_id, student.student_id, student.student_id, SELF, says=_EVERYTHING, version=version)


def on_student_withdrawn(received: Received[roster.StudentWithdrawn], *, uow: UnitOfWork) -> None:
    row = {
        "student_id": received.event.student_id,
        "rights_transfer_at": None,
        "enrolled": False,
        "transfer_version": UNSAID,
        "enrolled_version": received.envelope.subject_version,
    }
    _note(uow, access_students, row)


def on_guardianship_granted(received: Received[roster.GuardianshipGranted], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.guardianship_id,
        link.guardian_id,
        link.student_id,
        GUARDIAN,
        says=_EVERYTHING,
        version=received.envelope.subject_version,
        rights=list(link.rights),
        barred=link.barred,
        begins_on=link.begins_on,
        ends_on=link.ends_on,
    )


def on_guardianship_restricted(received: Received[roster.GuardianshipRestricted], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.guardianship_id,
        link.guardian_id,
        link.student_id,
        GUARDIAN,
        says=("rights_version",),
        version=received.envelope.subject_version,
        rights=list(link.rights),
        barred=link.barred,
    )


def on_guardianship_revoked(received: Received[roster.GuardianshipRevoked], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.guardianship_id,
        link.guardian_id,
        link.student_id,
        GUARDIAN,
        says=("ended_version",),
        version=received.envelope.subject_version,
        ended=True,
    )


def on_caseload_assigned(received: Received[roster.CaseloadAssigned], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.assignment_id,
        link.staff_id,
        link.student_id,
        f"{link.relation}_of",
        says=_EVERYTHING,
        version=received.envelope.subject_version,
        begins_on=link.begins_on,
        ends_on=link.ends_on,
    )


def on_caseload_ended(received: Received[roster.CaseloadEnded], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.assignment_id,
        link.staff_id,
        link.student_id,
        f"{link.relation}_of",
        says=("ended_version",),
        version=received.envelope.subject_version,
        ended=True,
    )


ACCESS_REACTIONS: Mapping[type[Any], Any] = {
    roster.StudentEnrolled: on_student,
    roster.StudentChanged: on_student,
    roster.StudentWithdrawn: on_student_withdrawn,
    roster.GuardianshipGranted: on_guardianship_granted,
    roster.GuardianshipRestricted: on_guardianship_restricted,
    roster.GuardianshipRevoked: on_guardianship_revoked,
    roster.CaseloadAssigned: on_caseload_assigned,
    roster.CaseloadEnded: on_caseload_ended,
}


def _relate(
    uow: UnitOfWork,
    relationship_id: UUID,
    person_id: UUID,
    student_id: UUID,
    kind: str,
    *,
    says: Collection[str],
    version: int,
    rights: list[str] | None = None,
    barred: bool = False,
    ended: bool = False,
    begins_on: date | None = None,
    ends_on: date | None = None,
) -> None:
    row = {
        "relationship_id": relationship_id,
        "person_id": person_id,
        "student_id": student_id,
        "kind": kind,
        "rights": rights or [],
        "barred": barred,
        "ended": ended,
        "begins_on": begins_on,
        "ends_on": ends_on,
        **{part: version if part in says else UNSAID for part in _EVERYTHING},
    }
    _note(uow, relationships, row)


def _note(uow: UnitOfWork, table: Table, row: Mapping[str, Any]) -> None:
    upsert_parts(uow.session, table, row, parts=_PARTS[table])
