"""Tasks follow the counselor in charge."""

from services.notifications.tasks import handlers
from services.notifications.ticking import Ticking
from shared.database.unit_of_work import UnitOfWork
from shared.events import roster
from shared.messaging.reactions import Received


def on_caseload(received: Received[roster.CaseloadAssigned | roster.CaseloadEnded], *, uow: UnitOfWork) -> None:
    """The relationship itself is projected before this runs."""
    if received.event.relation == "counselor":
        handlers.reassign_tasks(received.event.student_id, uow=uow)


def reassign_waiting(tick: Ticking) -> int:
    with tick.database.reading() as session:
        if not handlers.students_to_reassign(session, now=tick.clock.now()):
            return 0
    with tick.database.transaction() as uow:
        return handlers.reassign_waiting_tasks(uow=uow)
