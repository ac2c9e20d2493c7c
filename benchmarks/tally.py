"""
A service that does as little as a reaction can: one row per event. Notes when each was committed.

    python -m benchmarks.tally FILE     hosts it as a worker process; times go to FILE
"""

import sys

if __name__ == "__main__":
    import shared.messaging.patched  # noqa: F401  (before anything that opens a socket)

import os
import time
from functools import partial
from io import TextIOBase
from uuid import UUID, uuid4

from sqlalchemy import Column, Integer, MetaData, Table, Uuid, func, select

from shared.database.database import Database, create_service_engine
from shared.database.migrations import service_metadata
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import PlanApproved
from shared.messaging.hosting import EventService, reaction
from shared.messaging.process import run_workers
from shared.messaging.reactions import Received
from shared.settings import Settings
from shared.telemetry.logs import configure_logs

# Projections upsert, and the rows of a batch are then written together; a reaction may also write by itself.
IN_ONE_STATEMENT = os.environ.get("TALLY_STATEMENT_PER_EVENT") is None
metadata = MetaData()
effects = Table(
    "effects",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
)
_times: list[TextIOBase] = []


def note(received: Received[PlanApproved], *, uow: UnitOfWork) -> None:
    event_id = received.envelope.id
    row = {"event_id": event_id, "version": received.envelope.subject_version}
    if IN_ONE_STATEMENT:
        upsert(uow.session, effects, row, key=["event_id"], newer_than="version")
    else:
        uow.session.execute(effects.insert(), row)
    if _times:
        uow.after_commit(partial(_committed, event_id))


def _committed(event_id: UUID) -> None:
    _times[0].write(f"{event_id} {time.time()}\n")


class TallyService(EventService):
    name = "tally"

    on_plan_approved = reaction(PlanApproved, note)


def prepare(settings: Settings) -> Database:
    """The service's database with its tables."""
    engine = create_service_engine(settings.database_url_for("tally"), pool_size=1)
    for each in service_metadata(metadata):
        each.create_all(engine)
    engine.dispose()
    return Database.open(settings, "tally")


def fill(database: Database, events: int) -> None:
    """Put so many events into the outbox."""
    for _ in range(events // 1000):
        with database.transaction() as uow:
            for _ in range(1000):
                emit(uow)


def emit(uow: UnitOfWork) -> str:
    approved = PlanApproved(plan_id=uuid4(), student_id=uuid4(), version=1, actor_id=uuid4())
    return str(uow.emit(approved, version=1).id)


def applied(database: Database) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(effects)).scalar_one()


def main() -> None:
    settings = Settings()
    configure_logs(service="tally", level="ERROR")
    with open(sys.argv[1], "w") as times:
        _times.append(times)
        run_workers(settings, [TallyService], groups={"tally": TallyService.reactions()})


if __name__ == "__main__":
    main()
