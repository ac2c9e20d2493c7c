"""
A small system for fault tests: everything the engine does, and no more.

`ledger` has an API that makes one change of a subject per request; `mirror` keeps what it hears and answers
each change with an event of its own, which `ledger` keeps. So every change goes through two outboxes, two
relays, two queues and two inboxes.

    python -m tests.support.pipeline api               the writer: ledger's HTTP API
    python -m tests.support.pipeline ledger|mirror...  a worker process, or several services in one

SIGNPOST_TEST_STRIKES and SIGNPOST_TEST_WITHOUT make a worker die at a bad moment or do without a guard
(tests/support/unguarded.py); SIGNPOST_TEST_DELIVERY_LIMIT shortens how long a killer is delivered.
"""

import sys

if __name__ == "__main__" and sys.argv[1:] != ["api"]:
    import shared.messaging.worker.patched  # noqa: F401  (before anything that opens a socket)

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, insert

from shared.database.database import create_service_engine
from shared.database.migrations import service_metadata
from shared.database.schema import UtcDateTime, upsert, write
from shared.database.schema import insert as insert_or
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.events.plans import PlanApproved, PlanSubmitted
from shared.messaging.rabbitmq import topology
from shared.messaging.reactions import Reactions, Received
from shared.messaging.worker.hosting import EventService, reaction
from shared.messaging.worker.process import run_workers
from shared.settings import Settings
from shared.telemetry.logs import configure_logs
from shared.web.calls import Call, Reply
from shared.web.routes import Routes, staff

SERVICES = ("ledger", "mirror")
ACTOR = UUID(int=7)
POISON_SUBJECT, KILLER_SUBJECT = UUID(int=0xBAD << 64), UUID(int=0xDEAD << 64)
DELIVERY_LIMIT_VARIABLE = "SIGNPOST_TEST_DELIVERY_LIMIT"
CURED = "cured"  # a file of this name in the deployment's folder ends the poison

metadata = MetaData()
subjects = Table(
    "subjects",
    metadata,
    Column("subject_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
)
# What the producer committed.
changes = Table(
    "changes",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
# What reacting did: no unique key, so that whatever is applied twice is there twice.
arrivals = Table(
    "arrivals",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("change_id", Uuid, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
# A projection, kept as every projection is kept.
standings = Table(
    "standings",
    metadata,
    Column("subject_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
)
_ARRIVES = insert(arrivals)
# Called within the reactions of this process; fault tests add to it.
before_keeping: list[Callable[[Received[Event]], None]] = []


class Changed(BaseModel):
    """What a client is told of its change."""

    event_id: UUID
    version: int


routes = Routes(service="ledger", tag="Changes")


@routes.post(
    "/v1/subjects/{subject_id}/changes", access=staff("ops"), summary="Change a subject once more", reply=Changed
)
def change(call: Call[Any]) -> Reply:
    return Reply(record_change(call.uuid("subject_id"), uow=call.uow))


def record_change(subject_id: UUID, *, uow: UnitOfWork) -> Changed:
    """Bring a subject to its next version and say so."""
    lock = insert_or(uow.session, subjects).values(subject_id=subject_id, version=1)
    lock = lock.on_conflict_do_update(index_elements=["subject_id"], set_={"version": subjects.c.version + 1})
    version = uow.session.execute(lock.returning(subjects.c.version)).scalar_one()
    event = PlanApproved(plan_id=subject_id, student_id=subject_id, version=version, actor_id=ACTOR)
    envelope = uow.emit(event, version=version)
    row = {"event_id": envelope.id, "subject_id": subject_id, "version": version, "at": envelope.time}
    uow.session.execute(changes.insert().values(row))
    return Changed(event_id=envelope.id, version=version)


def numbered(count: int, *, first: int = 1) -> list[UUID]:
    """Subjects by number."""
    return [UUID(int=first + number) for number in range(count)]


def keep_and_answer(received: Received[PlanApproved], *, uow: UnitOfWork) -> None:
    event = received.event
    _keep(received, received.envelope.id, event.plan_id, uow=uow)
    answer = PlanSubmitted(**event.model_dump())
    uow.emit(answer, version=event.version)


def keep_answer(received: Received[PlanSubmitted], *, uow: UnitOfWork) -> None:
    assert received.envelope.causation_id is not None
    _keep(received, received.envelope.causation_id, received.event.plan_id, uow=uow)


def _keep(received: Received[Any], change_id: UUID, subject_id: UUID, *, uow: UnitOfWork) -> None:
    for each in before_keeping:
        each(received)
    version = received.envelope.subject_version
    row = {"change_id": change_id, "subject_id": subject_id, "version": version, "at": uow.clock.now()}
    write(uow.session, arrivals, _ARRIVES, [row])
    standing = {"subject_id": subject_id, "version": version}
    upsert(uow.session, standings, standing, key=["subject_id"], newer_than="version")


def poison(settings: Settings) -> Callable[[Received[Event]], None]:
    """Makes mirror stumble over one subject and die of another, until they are cured."""

    def strike(received: Received[Event]) -> None:
        if not isinstance(received.event, PlanApproved) or (settings.home / CURED).exists():
            return
        if received.event.plan_id == POISON_SUBJECT:
            raise ValueError("poison")
        if received.event.plan_id == KILLER_SUBJECT:
            os.kill(os.getpid(), signal.SIGSEGV)

    return strike


class LedgerService(EventService):
    name = "ledger"

    on_answer = reaction(PlanSubmitted, keep_answer)


class MirrorService(EventService):
    name = "mirror"

    on_change = reaction(PlanApproved, keep_and_answer)


CLASSES: dict[str, type[EventService]] = {"ledger": LedgerService, "mirror": MirrorService}


def groups() -> dict[str, Reactions]:
    return {name: service.reactions() for name, service in CLASSES.items()}


def prepare(settings: Settings) -> None:
    """Make the tables of both services."""
    for service in SERVICES:
        engine = create_service_engine(settings.database_url_for(service), pool_size=1)
        for each in service_metadata(metadata):
            each.create_all(engine)
        engine.dispose()


def serve_api(settings: Settings) -> None:
    import asyncio

    from services.web_process import serving, stop_signal
    from shared.web.app import create_service_app

    async def serve() -> None:
        app, stopped = create_service_app(settings, service="ledger", routes=[routes]), stop_signal()
        async with serving(app, host=settings.http_host, port=settings.http_port):
            await stopped.wait()

    asyncio.run(serve())


def main(parts: Sequence[str]) -> None:
    settings = Settings()
    configure_logs(service="-".join(parts), level=settings.log_level)
    if limit := os.environ.get(DELIVERY_LIMIT_VARIABLE):
        topology.DELIVERY_LIMIT = int(limit)
    if parts == ["api"]:
        return serve_api(settings)
    from tests.support.unguarded import spoil

    before_keeping.append(poison(settings))
    spoil(settings, mirror=MirrorService, before_keeping=before_keeping)
    run_workers(settings, [CLASSES[part] for part in parts], groups=groups())


if __name__ == "__main__":
    main(sys.argv[1:])
