"""Every event may be one that an integrator waits for."""

from services.gateway.webhooks import deliveries
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.messaging.reactions import Received


def on_any_event(received: Received[Event], *, uow: UnitOfWork) -> None:
    deliveries.fan_out(received.envelope, uow=uow)
