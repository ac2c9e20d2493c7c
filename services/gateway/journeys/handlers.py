"""Write the event log, and read journeys from it."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from services.gateway.feed import tables as feed_tables
from services.gateway.journeys import rules, tables
from services.gateway.journeys.audience import AUDIENCE_CONTRACTS, Audience, RosterFact
from services.gateway.journeys.rules import Fact, Surroundings, Viewer
from services.gateway.journeys.schemas import JourneyDocument, JourneyStep
from services.gateway.journeys.summaries import summary_of
from services.gateway.settings import GatewaySettings
from shared.auth.access import Principal, visible_students
from shared.auth.tables import relationships
from shared.database.schema import insert_new
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event, contracts, producer_of
from shared.events.envelope import Envelope
from shared.events.notifications import TaskDone, TaskOpened
from shared.messaging.worker.periodic import Tick
from shared.problems import NotFound

MAX_STEPS = 2_000
_SEALED_PREFIX = "sealed_"
_ADDRESSEES = ("recipient_id", "assignee_id")


def log_event(event: Event, envelope: Envelope, *, uow: UnitOfWork) -> None:
    """Add an event to the log, once, without its sealed parts."""
    row = {
        "event_id": envelope.id,
        "type": envelope.type,
        "source": envelope.source,
        "subject": envelope.subject,
        "subject_version": envelope.subject_version,
        "time": envelope.time,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "student_id": getattr(event, event.student_field) if event.student_field else None,
        "addressee_id": next((getattr(event, name) for name in _ADDRESSEES if hasattr(event, name)), None),
        "event": _without_sealed(event.model_dump(mode="json", exclude_none=True)),
    }
    insert_new(uow.session, tables.event_log, [row])


def _without_sealed(document: dict[str, Any]) -> dict[str, Any]:
    """Empty rather than absent, so that the contract still reads it."""
    return {name: "" if name.startswith(_SEALED_PREFIX) else value for name, value in document.items()}


def forget_old_journeys(ticking: Tick, *, portion: int = 1_000) -> int:
    """
    Remove a portion of what was logged longer ago than the settings say; how many events.

    Who is linked to a student stays: whether later journeys are complete is told from it.
    """
    days = ticking.settings.specialized(GatewaySettings).journey_days
    with ticking.database.transaction() as uow:
        removed = tables.remove_older(
            uow.session,
            before=ticking.clock.now() - timedelta(days=days),
            keep=[contract.event_type for contract in AUDIENCE_CONTRACTS],
            portion=portion,
        )
        if removed:
            feed_tables.note_forgotten(uow.session, max(removed))
        return len(removed)


def read_journey(
    session: Session, principal: Principal, correlation_id: UUID, *, now: datetime, settle: timedelta, zone: ZoneInfo
) -> JourneyDocument:
    """
    What one action led to, as far as this person may see it; of a long one the first MAX_STEPS events.

    Args:
        zone: The district's; its days decide about begun and ended relations.

    Raises:
        NotFound: No such journey, or nothing in it that this person may see.
    """
    rows = tables.journey_rows(session, correlation_id, limit=MAX_STEPS)
    facts = [tables.fact_of(row) for row in rows]
    viewer = _viewer(session, principal, facts, now=now.astimezone(zone))
    shown = rules.in_causal_order(rules.visible(facts, viewer))
    if not shown:
        raise NotFound
    concerned = {fact.student_id for fact in shown if fact.student_id}
    started_at = min(fact.at for fact in shown)
    return JourneyDocument(
        correlation_id=correlation_id,
        started_at=started_at,
        student_id=next(iter(concerned)) if len(concerned) == 1 else None,
        complete=rules.is_complete(facts, _surroundings(session, concerned, zone), now=now, settle=settle),
        steps=[_step(fact, started_at) for fact in shown],
    )


def _viewer(session: Session, principal: Principal, facts: Iterable[Fact], *, now: datetime) -> Viewer:
    concerned = {fact.student_id for fact in facts if fact.student_id}

    def allowed(resource: str, action: str) -> frozenset[UUID]:
        students = visible_students(principal, resource, action, now).where(relationships.c.student_id.in_(concerned))
        return frozenset(session.scalars(students))

    if not concerned:
        return Viewer(principal.person_id, reads=(), oversees=())
    return Viewer(principal.person_id, reads=allowed("journeys", "read"), oversees=allowed("notices", "write"))


def _surroundings(session: Session, student_ids: Collection[UUID], zone: ZoneInfo) -> dict[UUID, Surroundings]:
    known = contracts()
    roster: dict[UUID, list[RosterFact]] = {}
    for row in tables.student_rows(session, student_ids, [contract.event_type for contract in AUDIENCE_CONTRACTS]):
        event = known[row.type].model_validate(row.event)
        roster.setdefault(row.student_id, []).append(RosterFact(event, row.subject_version, row.time))
    tasks: dict[UUID, list[Fact]] = {}
    for row in tables.student_rows(session, student_ids, [TaskOpened.event_type, TaskDone.event_type]):
        tasks.setdefault(row.student_id, []).append(tables.fact_of(row))
    return {
        student_id: Surroundings(Audience(tuple(roster.get(student_id, ())), zone), tasks.get(student_id, ()))
        for student_id in student_ids
    }


def _step(fact: Fact, started_at: datetime) -> JourneyStep:
    return JourneyStep(
        event_id=fact.event_id,
        type=fact.type,
        at=fact.at,
        service=producer_of(fact.type),
        caused_by=fact.caused_by,
        summary=summary_of(fact.type, fact.data),
        elapsed_ms=round((fact.at - started_at).total_seconds() * 1000),
    )
