"""Every event of every service goes into the log, whatever it is about."""

from services.gateway.journeys import handlers
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.messaging.reactions import Received


def on_any_event(received: Received[Event], *, uow: UnitOfWork) -> None:
    handlers.log_event(received.event, received.envelope, uow=uow)
