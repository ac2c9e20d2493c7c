"""Keeps the relationship projection from roster events; every service applies these, each in its own database."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from shared.auth.policy import GUARDIAN, SELF
from shared.auth.tables import access_students, relationships
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster
from shared.messaging.reactions import Received


def on_student(received: Received[roster.StudentEnrolled | roster.StudentChanged], *, uow: UnitOfWork) -> None:
    student, version = received.event, received.envelope.subject_version
    upsert(
        uow.session,
        access_students,
        {
            "student_id": student.student_id,
            "rights_transfer_at": student.rights_transfer_at,
            "enrolled": True,
            "version": version,
        },
        key=["student_id"],
        newer_than="version",
    )
    _relate(uow, student.student_id, student.student_id, student.student_id, SELF, version=version)


def on_student_withdrawn(received: Received[roster.StudentWithdrawn], *, uow: UnitOfWork) -> None:
    uow.session.execute(
        access_students.update()
        .where(
            access_students.c.student_id == received.event.student_id,
            access_students.c.version < received.envelope.subject_version,
        )
        .values(enrolled=False, version=received.envelope.subject_version)
    )


def on_guardianship_granted(received: Received[roster.GuardianshipGranted], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.guardianship_id,
        link.guardian_id,
        link.student_id,
        GUARDIAN,
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
        version=received.envelope.subject_version,
        rights=list(link.rights),
        barred=link.barred,
        replaced=("rights", "barred", "version"),
    )


def on_guardianship_revoked(received: Received[roster.GuardianshipRevoked], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.guardianship_id,
        link.guardian_id,
        link.student_id,
        GUARDIAN,
        version=received.envelope.subject_version,
        ended=True,
        replaced=("ended", "version"),
    )


def on_caseload_assigned(received: Received[roster.CaseloadAssigned], *, uow: UnitOfWork) -> None:
    link = received.event
    _relate(
        uow,
        link.assignment_id,
        link.staff_id,
        link.student_id,
        f"{link.relation}_of",
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
        version=received.envelope.subject_version,
        ended=True,
        replaced=("ended", "version"),
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
    version: int,
    rights: list[str] | None = None,
    barred: bool = False,
    ended: bool = False,
    begins_on: date | None = None,
    ends_on: date | None = None,
    replaced: tuple[str, ...] | None = None,
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
        "version": version,
    }
    upsert(uow.session, relationships, row, key=["relationship_id"], newer_than="version", only=replaced)
