"""What the roster reacts to: nothing but its own events, which keep the access projection; and the calendar."""

from services.roster.guardianships.ticks import keep_orders_in_force
from services.roster.settings import RosterSettings
from shared.messaging.worker.hosting import EventService, every


class RosterService(EventService):
    """Publishes who is on the roster, and brings dated court orders into force on their day."""

    name = "roster"
    settings_class = RosterSettings

    orders_in_force = every(60.0, keep_orders_in_force)
