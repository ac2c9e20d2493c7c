"""
Two services that do as little as services can: one commits a row and an event, the other a row per event.

Each has its own database, with the tables that every service has.
"""

import os
from collections.abc import Mapping
from functools import partial

from sqlalchemy import Column, Integer, MetaData, Table, Uuid, func, select

from benchmarks.commands import Times
from benchmarks.event import payload
from shared.database.database import Database, create_service_engine
from shared.database.migrations import service_metadata
from shared.database.schema import upsert
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.plans import PlanRevised
from shared.messaging.hosting import EventService, reaction
from shared.messaging.reactions import Reactions, Received
from shared.messaging.tables import outbox
from shared.settings import Settings

# Projections upsert, and the rows of a batch are then written together; a reaction may also write by itself.
IN_ONE_STATEMENT = os.environ.get("BENCH_STATEMENT_PER_EVENT") is None
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"  # a request's
metadata = MetaData()
state, effects = (
    Table(
        name,
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("version", Integer, nullable=False),
    )
    for name in ("state", "effects")
)
_times = Times("effected")


def note(received: Received[PlanRevised], *, uow: UnitOfWork) -> None:
    event_id = received.event.plan_id
    row = {"event_id": event_id, "version": received.envelope.subject_version}
    if IN_ONE_STATEMENT:
        upsert(uow.session, effects, row, key=["event_id"], newer_than="version")
    else:
        uow.session.execute(effects.insert(), row)
    if _times.wanted:
        uow.after_commit(partial(_times.note, event_id))


class LedgerService(EventService):
    """Where events come from: its worker's part is the relay."""

    name = "ledger"


class TallyService(EventService):
    """Where they have their effect."""

    name = "tally"

    on_plan_revised = reaction(PlanRevised, note)


SERVICES: dict[str, type[EventService]] = {each.name: each for each in (LedgerService, TallyService)}


def groups() -> Mapping[str, Reactions]:
    return {name: service.reactions() for name, service in SERVICES.items()}


def prepare(settings: Settings, service: str) -> Database:
    """A service's database with its tables."""
    engine = create_service_engine(settings.database_url_for(service), pool_size=1)
    for each in service_metadata(metadata):
        each.create_all(engine)
    engine.dispose()
    return Database.open(settings, service)


def write_one(database: Database) -> str:
    """Commit a state row and an event in one transaction; the state row's id."""
    with database.transaction(Cause(traceparent=TRACEPARENT)) as uow:
        revised = PlanRevised(**payload())
        uow.session.execute(state.insert(), {"event_id": revised.plan_id, "version": 1})
        uow.emit(revised, version=1)
    return str(revised.plan_id)


def fill(database: Database, events: int) -> None:
    """Put so many events into the outbox."""
    for done in range(0, events, 1000):
        with database.transaction(Cause(traceparent=TRACEPARENT)) as uow:
            for _ in range(min(1000, events - done)):
                uow.emit(PlanRevised(**payload()), version=1)


def count_effects(database: Database) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(effects)).scalar_one()


def is_published(database: Database) -> bool:
    with database.reading() as session:
        return (
            session.execute(select(outbox.c.position).where(outbox.c.published_at.is_(None)).limit(1)).first() is None
        )
