"""What matches do when the roster or a plan changes."""

from services.mentorship.matches import handlers
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import GoalSet
from shared.events.roster import StudentChanged, StudentEnrolled, StudentWithdrawn
from shared.messaging.reactions import Received


def on_student_noted(received: Received[StudentEnrolled | StudentChanged], *, uow: UnitOfWork) -> None:
    student = received.event
    handlers.note_student(
        student.student_id,
        home_language=student.home_language,
        grade=student.grade,
        version=received.envelope.subject_version,
        uow=uow,
    )


def on_student_withdrawn(received: Received[StudentWithdrawn], *, uow: UnitOfWork) -> None:
    handlers.withdraw_student(received.event.student_id, version=received.envelope.subject_version, uow=uow)


def on_goal_set(received: Received[GoalSet], *, uow: UnitOfWork) -> None:
    goal = received.event
    if goal.actor_role == "system":  # taken over from elsewhere: nobody has just chosen anything
        return keep_goal(received, uow=uow)
    handlers.set_goal(goal.student_id, cluster=goal.cluster, version=received.envelope.subject_version, uow=uow)


def keep_withdrawal(received: Received[StudentWithdrawn], *, uow: UnitOfWork) -> None:
    """What of a withdrawal is kept, without what follows from it."""
    handlers.note_withdrawal(received.event.student_id, version=received.envelope.subject_version, uow=uow)


def keep_goal(received: Received[GoalSet], *, uow: UnitOfWork) -> None:
    """What of a goal is kept, without what follows from it."""
    goal = received.event
    handlers.note_goal(goal.student_id, cluster=goal.cluster, version=received.envelope.subject_version, uow=uow)
