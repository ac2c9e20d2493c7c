"""Every event that a rule may name goes the same way."""

from services.notifications.rules.handlers import follow_rules, shipped_rulebook
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.messaging.reactions import Received

RULEBOOK = (
    shipped_rulebook()
)  # read when the worker starts, so that a faulty rulebook stops it then and not at an event


def on_event(received: Received[Event], *, uow: UnitOfWork) -> None:
    follow_rules(received.event, received.envelope, rulebook=RULEBOOK, uow=uow)
