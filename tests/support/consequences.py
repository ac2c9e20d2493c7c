"""Whether everything that follows from one change has followed, read from the services' own databases."""

from collections.abc import Mapping
from contextlib import ExitStack
from uuid import UUID

from sqlalchemy import select

from services.composition import SERVICES, consumer_groups
from services.notifications.notices.tables import messages, notices
from shared.database.database import Database
from shared.messaging.tables import inbox, outbox
from shared.testing.deployment import Deployment, wait_until

OPEN_STATES = ("queued", "sending", "uncertain")


class Consequences:
    """
    Looks for what is still under way in a journey.

    Only with this can a test say that something did not happen: by then every consumer has
    applied every event of the journey, and no message of it waits to be sent.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._open = ExitStack()
        self.databases: Mapping[str, Database] = {
            service: self._open.enter_context(deployment.database(service)) for service in SERVICES
        }
        self._reactions = consumer_groups()

    def close(self) -> None:
        self._open.close()

    def settle(self, correlation_id: UUID, *, timeout_s: float = 30) -> None:
        """Wait until nothing of the journey is under way."""
        wait_until(
            lambda: not self.under_way(correlation_id),
            timeout_s=timeout_s,
            what=f"all that follows in journey {correlation_id}",
        )

    def under_way(self, correlation_id: UUID) -> str:
        """What of the journey is not done yet; empty if all is."""
        events = self.events(correlation_id)
        if not events:
            return "nothing has happened yet"
        for group, reactions in self._reactions.items():
            awaited = {event_id for event_id, event_type in events.items() if event_type in reactions}
            missing = awaited - self._applied(group, awaited)
            if missing:
                return f"{group} has not applied {sorted(events[each] for each in missing)}"
        if waiting := self._open_messages(events):
            return f"{waiting} messages are not sent"
        # What an event leads to is committed with it: had anything come after the first look, it is seen now.
        return "" if self.events(correlation_id) == events else "more has happened"

    def events(self, correlation_id: UUID) -> dict[UUID, str]:
        """Every event of the journey with its type."""
        found: dict[UUID, str] = {}
        statement = select(outbox.c.event_id, outbox.c.type).where(outbox.c.correlation_id == correlation_id)
        for database in self.databases.values():
            with database.reading() as session:
                found |= {row.event_id: row.type for row in session.execute(statement)}
        return found

    def _applied(self, group: str, event_ids: set[UUID]) -> set[UUID]:
        statement = select(inbox.c.event_id).where(
            inbox.c.consumer == group, inbox.c.event_id.in_(event_ids), inbox.c.state == "applied"
        )
        with self.databases[group].reading() as session:
            return set(session.execute(statement).scalars())

    def _open_messages(self, events: Mapping[UUID, str]) -> int:
        statement = (
            select(messages.c.message_id)
            .join(notices, notices.c.notice_id == messages.c.notice_id)
            .where(notices.c.cause_id.in_(events), messages.c.state.in_(OPEN_STATES))
        )
        with self.databases["notifications"].reading() as session:
            return len(session.execute(statement).all())
