"""What the roster says about students, applied to the projection."""

from services.plans.students import handlers
from shared.database.unit_of_work import UnitOfWork
from shared.events.roster import StudentChanged, StudentEnrolled, StudentWithdrawn
from shared.messaging.reactions import Received


def on_student_stated(received: Received[StudentEnrolled | StudentChanged], *, uow: UnitOfWork) -> None:
    student = received.event
    handlers.record_student(
        student.student_id,
        grade=student.grade,
        graduation_year=student.graduation_year,
        home_language=student.home_language,
        version=received.envelope.subject_version,
        uow=uow,
    )


def on_student_withdrawn(received: Received[StudentWithdrawn], *, uow: UnitOfWork) -> None:
    handlers.withdraw_student(received.event.student_id, version=received.envelope.subject_version, uow=uow)
