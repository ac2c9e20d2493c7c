"""Every event about a student may be one that an integrator reads from the broker."""

from services.gateway.integrators import handlers
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.messaging.reactions import Received


def on_any_event(received: Received[Event], *, uow: UnitOfWork) -> None:
    event = received.event
    if event.student_field is not None:
        handlers.disclose(received.envelope.type, getattr(event, event.student_field), uow=uow)
