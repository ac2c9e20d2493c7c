"""A gateway's database with endpoints, and a dispatcher that sends over real connections by a clock to be set."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select

from services.gateway.journeys.handlers import log_event
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import deliveries as queue
from services.gateway.webhooks import handlers, reading, schemas
from services.gateway.webhooks.sending import Dispatcher
from services.gateway.webhooks.tables import deliveries
from services.gateway.webhooks.transport import Transport
from shared.auth.access import Principal
from shared.database.database import Database
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.events.plans import PlanSubmitted
from shared.messaging.reactions import Received
from shared.testing import FakeClock, sqlite_database

ADMIN = Principal(UUID(int=1), "district_admin")
OWNER = Principal(UUID(int=2), "integrator")


@dataclass
class Hooks:
    """What a worker and its callers do, by hand."""

    settings: GatewaySettings
    database: Database
    clock: FakeClock
    dispatcher: Dispatcher

    def endpoint(self, url: str, events: Sequence[str] = ("plans.plan.*",), owner: UUID = OWNER.person_id) -> UUID:
        draft = schemas.EndpointDraft(url=url, events=list(events), owner_id=owner)
        with self.database.transaction() as uow:
            row = handlers.register(draft, principal=ADMIN, settings=self.settings, uow=uow)
        endpoint_id: UUID = row.endpoint_id
        return endpoint_id

    def secret(self, endpoint_id: UUID) -> str:
        with self.database.reading() as session:
            row = reading.find_endpoint(session, ADMIN, endpoint_id)
            return handlers.read_secret(session, row, settings=self.settings, now=self.clock.now()).secret

    def happens(self, event: Event | None = None) -> str:
        """An event reaches the gateway; its id."""
        event = event or PlanSubmitted(plan_id=uuid4(), student_id=uuid4(), version=2, actor_id=uuid4())
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=2,
            time=self.clock.now(),
            correlation_id=uuid4(),
        )
        received = Received(event, envelope)
        with self.database.transaction() as uow:
            log_event(received.event, received.envelope, uow=uow)
            queue.fan_out(received.envelope, uow=uow)
        return str(envelope.id)

    def send(self) -> None:
        """All that is due now, until nothing is under way."""
        while self.dispatcher.turn(self.database):
            pass

    def send_until(self, end: datetime) -> None:
        """Let time pass, from one due delivery to the next."""
        while True:
            self.send()
            due = self._next_due()
            if due is None or due > end or self.clock.now() >= end:
                self.clock.set(max(end, self.clock.now()))
                return self.send()
            # What is due and was not sent waits for its endpoint.
            self.clock.set(max(due, self.clock.now() + timedelta(seconds=1)))

    def states(self, endpoint_id: UUID) -> dict[str, str]:
        with self.database.reading() as session:
            rows = session.execute(select(deliveries).where(deliveries.c.endpoint_id == endpoint_id))
            return {str(row.event_id): row.state for row in rows}

    def row(self, endpoint_id: UUID) -> Any:
        with self.database.reading() as session:
            return reading.find_endpoint(session, ADMIN, endpoint_id)

    def detail(self, endpoint_id: UUID, event_id: str) -> schemas.DeliveryDetail:
        with self.database.reading() as session:
            return reading.read_delivery(session, endpoint_id, UUID(event_id))

    def changes(self, endpoint_id: UUID) -> list[str]:
        with self.database.reading() as session:
            return [each.kind for each in reading.list_changes(session, endpoint_id).items][::-1]

    def _next_due(self) -> datetime | None:
        with self.database.reading() as session:
            return session.scalar(select(func.min(deliveries.c.next_attempt_at)).where(deliveries.c.state == "queued"))


@contextmanager
def hooks_in(folder: Path, *, clock: FakeClock | None = None, **overrides: Any) -> Iterator[Hooks]:
    clock = clock or FakeClock()
    database = sqlite_database("gateway", folder, clock=clock)
    settings = GatewaySettings.model_validate(
        {"home": folder, "database_url": None, "amqp_url": None, "webhook_allow_local": True, **overrides}
    )
    transport = Transport(ports=(), allow_local=True, timeout_s=settings.webhook_timeout_s, clock=clock)
    dispatcher = Dispatcher(settings, transport, clock=clock, randomness=random.Random(7))
    try:
        yield Hooks(settings, database, clock, dispatcher)
    finally:
        database.dispose()
