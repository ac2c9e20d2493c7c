"""What roster says about students and how to reach people."""

from services.notifications.people import handlers
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster
from shared.messaging.reactions import Received


def on_student(received: Received[roster.StudentEnrolled | roster.StudentChanged], *, uow: UnitOfWork) -> None:
    student = received.event
    handlers.keep_student(student.student_id, student.sealed_name, version=received.envelope.subject_version, uow=uow)


def on_contact_changed(received: Received[roster.ContactChanged], *, uow: UnitOfWork) -> None:
    handlers.keep_contact(received.event, version=received.envelope.subject_version, uow=uow)


def on_contact_removed(received: Received[roster.ContactRemoved], *, uow: UnitOfWork) -> None:
    handlers.remove_contact(received.event.person_id, version=received.envelope.subject_version, uow=uow)
