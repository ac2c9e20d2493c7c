"""
Matches and partners' places as values, loaded with the locks that keep them true.

Whoever locks several kinds of rows takes partners first, then students, then matches, each in the order of
their ids, so that no two transactions wait for each other.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.orm import Session

from services.mentorship.matches.rules import UNDECIDED, Decision, Fit, PartnerSeats, Status
from services.mentorship.matches.tables import goals, matches, students
from services.mentorship.partners.tables import partners


@dataclass(frozen=True)
class Match:
    """A proposal for one student, and what became of it. `version` is 0 until its first event."""

    match_id: UUID
    student_id: UUID
    cluster: str
    status: Status
    candidates: tuple[Fit, ...]
    opened_at: datetime
    partner_id: UUID | None = None
    decision: Decision | None = None
    end_reason: str | None = None
    version: int = 0

    @property
    def candidate_ids(self) -> tuple[UUID, ...]:
        return tuple(fit.partner_id for fit in self.candidates)

    def changed(self, **changes: Any) -> "Match":
        """The match with these fields changed, one version on."""
        return replace(self, version=self.version + 1, **changes)


@dataclass(frozen=True)
class Student:
    """What the service remembers of a student."""

    student_id: UUID
    home_language: str | None
    is_enrolled: bool


def lock_student(session: Session, student_id: UUID) -> Student | None:
    return next(iter(lock_students(session, [student_id])), None)


def lock_students(session: Session, student_ids: Collection[UUID]) -> list[Student]:
    statement = (
        select(students.c.student_id, students.c.home_language, students.c.is_enrolled)
        .where(students.c.student_id.in_(student_ids))
        .order_by(students.c.student_id)
        .with_for_update()
    )
    return [Student(*row) for row in session.execute(statement)]


def goal_version(session: Session, student_id: UUID) -> int:
    """The version of the plan that set the goal we know; -1 if we know none."""
    statement = select(goals.c.version).where(goals.c.student_id == student_id)
    version = session.execute(statement).scalar_one_or_none()
    return -1 if version is None else version


def active_seats(session: Session) -> list[PartnerSeats]:
    """Every active partner with the places taken."""
    return [_seats(row) for row in session.execute(_seats_query().where(partners.c.is_active))]


def seats_of(session: Session, partner_ids: Collection[UUID]) -> dict[UUID, PartnerSeats]:
    statement = _seats_query().where(partners.c.partner_id.in_(partner_ids))
    return {row.partner_id: _seats(row) for row in session.execute(statement)}


def lock_partner_seats(session: Session, partner_id: UUID) -> PartnerSeats | None:
    """A partner's places, held until the transaction ends: nobody else can take one meanwhile."""
    locked = select(partners.c.partner_id).where(partners.c.partner_id == partner_id).with_for_update()
    if session.execute(locked).one_or_none() is None:
        return None
    # Counted after the lock was granted: on PostgreSQL the locking statement itself still sees the older count.
    return seats_of(session, [partner_id])[partner_id]


def partners_accepted_for(session: Session, student_id: UUID) -> frozenset[UUID]:
    """Partners that mentor the student already."""
    statement = select(matches.c.partner_id).where(
        matches.c.student_id == student_id, matches.c.status == Status.ACCEPTED.value
    )
    return frozenset(session.execute(statement).scalars())


def find_match(session: Session, match_id: UUID) -> Match | None:
    row = session.execute(select(matches).where(matches.c.match_id == match_id)).one_or_none()
    return None if row is None else _match(row)


def lock_match(session: Session, match_id: UUID) -> Match | None:
    row = session.execute(select(matches).where(matches.c.match_id == match_id).with_for_update()).one_or_none()
    return None if row is None else _match(row)


def lock_matches_of(session: Session, student_id: UUID, statuses: Collection[Status]) -> list[Match]:
    return _locked(session, select(matches).where(matches.c.student_id == student_id, _in(statuses)))


def lock_accepted_of_partners(session: Session, partner_ids: Collection[UUID]) -> list[Match]:
    return _locked(session, select(matches).where(matches.c.partner_id.in_(partner_ids), _in([Status.ACCEPTED])))


def lock_undecided(session: Session) -> list[Match]:
    return _locked(session, select(matches).where(_in(UNDECIDED)))


def students_with(session: Session, *, undecided: bool, accepted_by: Collection[UUID]) -> list[UUID]:
    """Students with an undecided match, or mentored by one of these partners."""
    wanted = matches.c.partner_id.in_(accepted_by) & _in([Status.ACCEPTED])
    if undecided:
        wanted = wanted | _in(UNDECIDED)
    return list(session.execute(select(matches.c.student_id).where(wanted).distinct()).scalars())


def list_matches(session: Session, student_id: UUID) -> list[Match]:
    """A student's matches, newest first."""
    statement = select(matches).where(matches.c.student_id == student_id)
    rows = session.execute(statement.order_by(matches.c.opened_at.desc(), matches.c.match_id))
    return [_match(row) for row in rows]


def add_match(session: Session, match: Match) -> None:
    session.execute(matches.insert().values(match_id=match.match_id, student_id=match.student_id, **_columns(match)))


def save_match(session: Session, match: Match) -> None:
    session.execute(update(matches).where(matches.c.match_id == match.match_id).values(**_columns(match)))


def _in(statuses: Collection[Status]) -> Any:
    return matches.c.status.in_([status.value for status in statuses])


def _locked(session: Session, statement: Select[Any]) -> list[Match]:
    return [_match(row) for row in session.execute(statement.order_by(matches.c.match_id).with_for_update())]


def _seats_query() -> Select[Any]:
    taken = (
        select(func.count())
        .where(matches.c.partner_id == partners.c.partner_id, matches.c.status == Status.ACCEPTED.value)
        .scalar_subquery()
    )
    return select(partners, taken.label("taken"))


def _seats(row: Row[Any]) -> PartnerSeats:
    return PartnerSeats(
        partner_id=row.partner_id,
        organization=row.organization,
        clusters=tuple(row.clusters),
        languages=tuple(row.languages),
        capacity=row.capacity,
        taken=row.taken,
        is_active=row.is_active,
    )


def _match(row: Row[Any]) -> Match:
    status = Status(row.status)
    return Match(
        match_id=row.match_id,
        student_id=row.student_id,
        cluster=row.cluster,
        status=status,
        candidates=tuple(
            Fit(UUID(fit["partner_id"]), fit["organization"], tuple(fit["reasons"])) for fit in row.candidates
        ),
        opened_at=row.opened_at,
        partner_id=row.partner_id,
        decision=Decision(status, row.decided_at, row.decided_by) if row.decided_at else None,
        end_reason=row.end_reason,
        version=row.version,
    )


def _columns(match: Match) -> dict[str, Any]:
    return {
        "cluster": match.cluster,
        "status": match.status.value,
        "candidates": [
            {"partner_id": str(fit.partner_id), "organization": fit.organization, "reasons": list(fit.reasons)}
            for fit in match.candidates
        ],
        "partner_id": match.partner_id,
        "opened_at": match.opened_at,
        "decided_at": match.decision.at if match.decision else None,
        "decided_by": match.decision.by if match.decision else None,
        "end_reason": match.end_reason,
        "version": match.version,
    }
