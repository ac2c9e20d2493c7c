"""
Two tiny services for tests of the engine: `ledger` writes and notes approvals, `mirror` notes them too.

    python -m tests.support.ledger      hosts both in an eventlet process, as a worker process does
"""

import sys

if __name__ == "__main__":
    import shared.messaging.worker.patched  # noqa: F401  (before anything that opens a socket)

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import Column, Integer, MetaData, Table, Uuid, func, select

from shared.database.database import Database, create_service_engine
from shared.database.migrations import service_metadata
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import PlanApproved
from shared.messaging.reactions import Reactions, Received
from shared.messaging.wake import Waker, waker_for
from shared.messaging.worker.hosting import EventService, Tick, every, reaction
from shared.messaging.worker.process import run_workers
from shared.settings import Settings
from shared.telemetry.logs import configure_logs

SERVICES = ("ledger", "mirror")

metadata = MetaData()
# What reacting did: no unique key, so that whatever is applied twice is there twice.
effects = Table(
    "effects",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
)
ticks = Table("ticks", metadata, Column("position", Integer, primary_key=True))


def note_approval(received: Received[PlanApproved], *, uow: UnitOfWork) -> None:
    uow.session.execute(
        effects.insert().values(event_id=received.envelope.id, version=received.envelope.subject_version)
    )


def tick_once(ticking: Tick) -> int:
    with ticking.database.transaction() as uow:
        if uow.session.execute(select(ticks)).first() is None:
            uow.session.execute(ticks.insert().values(position=1))
            return 1
    return 0


class LedgerService(EventService):
    name = "ledger"

    on_plan_approved = reaction(PlanApproved, note_approval)
    tick = every(1.0, tick_once)


class MirrorService(EventService):
    name = "mirror"

    on_plan_approved = reaction(PlanApproved, note_approval)


def groups() -> dict[str, Reactions]:
    return {service.name: service.reactions() for service in (LedgerService, MirrorService)}


def prepare(settings: Settings) -> None:
    """Make the tables of both services."""
    for service in SERVICES:
        engine = create_service_engine(settings.database_url_for(service), pool_size=1)
        for each in service_metadata(metadata):
            each.create_all(engine)
        engine.dispose()


def approved(version: int = 1) -> PlanApproved:
    return PlanApproved(plan_id=uuid4(), student_id=uuid4(), version=version, actor_id=uuid4())


def emit(database: Database, count: int = 1, *, first: int = 1) -> list[UUID]:
    """Record approvals in one transaction; their ids. Versions count up from `first`."""
    with database.transaction() as uow:
        return [uow.emit(approved(first + each), version=first + each).id for each in range(count)]


def noted(database: Database) -> Sequence[UUID]:
    """Ids of what was reacted to, in that order."""
    with database.reading() as session:
        return session.execute(select(effects.c.event_id).order_by(effects.c.position)).scalars().all()


def count(database: Database, table: Table) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def open_ledger(settings: Settings) -> tuple[Database, Waker]:
    """The ledger's database as an API process holds it: its commits wake the relay."""
    database = Database.open(settings, "ledger")
    waker = waker_for(settings, database)
    database.wakers.append(waker.wake)
    return database, waker


def main() -> None:
    settings = Settings()
    configure_logs(service="ledger-worker", level=settings.log_level)
    run_workers(settings, [LedgerService, MirrorService], groups=groups())


if __name__ == "__main__":
    sys.exit(main())
