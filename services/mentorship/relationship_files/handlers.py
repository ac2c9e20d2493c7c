"""Opening relationship files, and adding to and reading their timelines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from services.mentorship.matches.tables import matches
from services.mentorship.partners.tables import partners
from services.mentorship.relationship_files.rules import EntryKind, OutreachKind, OutreachOutcome, file_id_of
from services.mentorship.relationship_files.tables import relationship_entries, relationship_files
from shared.database.unit_of_work import UnitOfWork
from shared.problems import NotFound


@dataclass(frozen=True)
class Entry:
    """One line of a timeline. `by` is the person who did it, None for the service itself."""

    position: int
    entry_id: UUID
    kind: EntryKind
    at: datetime
    by: UUID | None
    student_id: UUID | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class RelationshipFile:
    """A relationship file without its timeline. The contact is sealed."""

    relationship_file_id: UUID
    partner_id: UUID
    organization: str
    is_active: bool
    opened_at: datetime
    sealed_contact: str


@dataclass(frozen=True)
class Outreach:
    """One contact that staff had with a partner, perhaps about a student."""

    kind: OutreachKind
    outcome: OutreachOutcome
    at: datetime | None
    follow_up_on: date | None
    student_id: UUID | None


def open_files(partner_ids: Iterable[UUID], *, uow: UnitOfWork) -> None:
    """Open the relationship file of each new partner."""
    opened = list(partner_ids)
    if not opened:
        return
    now = uow.clock.now()
    uow.session.execute(
        relationship_files.insert(),
        [{"relationship_file_id": file_id_of(key), "partner_id": key, "opened_at": now} for key in opened],
    )
    record(opened, EntryKind.FILE_OPENED, uow=uow)


def record(
    partner_ids: Iterable[UUID],
    kind: EntryKind,
    *,
    uow: UnitOfWork,
    by: UUID | None = None,
    student_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Add the same entry to the timeline of each partner. `facts` are ids, codes and dates, never free text."""
    rows = [
        {
            "entry_id": uuid4(),
            "relationship_file_id": file_id_of(partner_id),
            "kind": kind.value,
            "at": at or uow.clock.now(),
            "by": by,
            "student_id": student_id,
            "facts": dict(facts or {}),
        }
        for partner_id in partner_ids
    ]
    if rows:
        uow.session.execute(relationship_entries.insert(), rows)


def log_outreach(relationship_file_id: UUID, outreach: Outreach, *, by: UUID, uow: UnitOfWork) -> Entry:
    """
    Add an outreach to a timeline.

    Raises:
        NotFound: There is no such file.
    """
    file = find_file(uow.session, relationship_file_id)
    facts = {
        "outreach": outreach.kind.value,
        "outcome": outreach.outcome.value,
        "follow_up_on": outreach.follow_up_on.isoformat() if outreach.follow_up_on else None,
    }
    record(
        [file.partner_id],
        EntryKind.OUTREACH_LOGGED,
        uow=uow,
        by=by,
        student_id=outreach.student_id,
        facts={name: value for name, value in facts.items() if value is not None},
        at=outreach.at,
    )
    newest = select(relationship_entries).where(relationship_entries.c.relationship_file_id == relationship_file_id)
    row = uow.session.execute(newest.order_by(relationship_entries.c.position.desc()).limit(1)).one()
    return _entry(row)


def find_file(session: Session, relationship_file_id: UUID) -> RelationshipFile:
    """
    Raises:
        NotFound: There is no such file.
    """
    statement = (
        select(
            relationship_files.c.relationship_file_id,
            relationship_files.c.partner_id,
            partners.c.organization,
            partners.c.is_active,
            relationship_files.c.opened_at,
            partners.c.sealed_contact,
        )
        .join(partners, partners.c.partner_id == relationship_files.c.partner_id)
        .where(relationship_files.c.relationship_file_id == relationship_file_id)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFound
    return RelationshipFile(*row)


def has_accepted_match(session: Session, *, student_id: UUID, partner_id: UUID) -> bool:
    statement = select(matches.c.match_id).where(
        matches.c.student_id == student_id, matches.c.partner_id == partner_id, matches.c.status == "accepted"
    )
    return session.execute(statement.limit(1)).first() is not None


def list_entries(
    session: Session,
    relationship_file_id: UUID,
    *,
    students: Select[Any] | Iterable[UUID] | None,
    with_general: bool,
    before: int | None,
    limit: int,
) -> list[Entry]:
    """
    Entries of a timeline, newest first.

    Args:
        students: Whose entries may be read: a select of student ids, or the ids; None for everybody's.
        with_general: Also entries that concern no student.
        before: Position of the last entry already read.
    """
    statement = select(relationship_entries).where(relationship_entries.c.relationship_file_id == relationship_file_id)
    if students is not None:
        about_them = relationship_entries.c.student_id.in_(students)
        general = relationship_entries.c.student_id.is_(None)
        statement = statement.where(or_(about_them, general) if with_general else about_them)
    if before is not None:
        statement = statement.where(relationship_entries.c.position < before)
    rows = session.execute(statement.order_by(relationship_entries.c.position.desc()).limit(limit))
    return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(row.position, row.entry_id, EntryKind(row.kind), row.at, row.by, row.student_id, row.facts)
