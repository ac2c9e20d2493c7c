"""Periodic work: court orders that begin or end by their dates."""

from zoneinfo import ZoneInfo

from services.roster.guardianships.court_orders import bring_due_orders_into_force
from shared.messaging.worker.hosting import Tick


def keep_orders_in_force(tick: Tick) -> int:
    """Bring dated orders into force or out of it on their day, in the district's time zone; how many changed."""
    with tick.database.transaction() as uow:
        today = uow.clock.now().astimezone(ZoneInfo(tick.settings.time_zone)).date()
        return bring_due_orders_into_force(uow, today)
