"""Proposing partners for a student's goal, deciding on a proposal, and ending what no longer holds."""

from collections.abc import Collection, Iterable
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from services.mentorship.matches import repository
from services.mentorship.matches.repository import Match, Student
from services.mentorship.matches.rules import (
    UNDECIDED,
    Decision,
    NotProposed,
    PartnerSeats,
    Status,
    check_partner,
    check_undecided,
    rank_partners,
)
from services.mentorship.matches.tables import goals, students
from services.mentorship.relationship_files.handlers import record
from services.mentorship.relationship_files.rules import EntryKind, file_id_of
from shared.database.schema import UNSAID, upsert, upsert_parts
from shared.database.unit_of_work import UnitOfWork
from shared.events.mentorship import Candidate, MatchAccepted, MatchEnded, MatchProposed
from shared.messaging.reactions import NotYetKnown
from shared.problems import NotFound
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

# The language taught in. A partner who speaks it can mentor any student; one who speaks the home language comes first.
INSTRUCTION_LANGUAGE = "en"

EndReason = Literal["declined", "superseded", "partner_left", "completed"]
_STATUS_AFTER: dict[EndReason, Status] = {
    "declined": Status.DECLINED,
    "superseded": Status.SUPERSEDED,
    "partner_left": Status.ENDED,
    "completed": Status.ENDED,
}

# A withdrawal tells nothing but that; what was told of a student before and arrives after it still holds.
_STUDENT_PARTS = {"version": ("home_language", "grade"), "enrolled_version": ("is_enrolled",)}


def note_student(student_id: UUID, *, home_language: str, grade: int, version: int, uow: UnitOfWork) -> None:
    """Remember an enrolled student; an older version than the one known changes nothing."""
    row = {
        "student_id": student_id,
        "home_language": home_language,
        "grade": grade,
        "is_enrolled": True,
        "version": version,
        "enrolled_version": version,
    }
    upsert_parts(uow.session, students, row, parts=_STUDENT_PARTS)


def note_withdrawal(student_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    """Remember that a student left; an older version than the one known changes nothing."""
    row = {
        "student_id": student_id,
        "home_language": None,
        "grade": None,
        "is_enrolled": False,
        "version": UNSAID,
        "enrolled_version": version,
    }
    upsert_parts(uow.session, students, row, parts=_STUDENT_PARTS)


def note_goal(student_id: UUID, *, cluster: str, version: int, uow: UnitOfWork) -> None:
    """Remember the career goal a student has; an older version than the one known changes nothing."""
    goal = {"student_id": student_id, "cluster": cluster, "version": version}
    upsert(uow.session, goals, goal, key=["student_id"], newer_than="version")


def withdraw_student(student_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    """Remember that a student left, and end their matches so that partners' places are free again."""
    repository.lock_student(uow.session, student_id)
    note_withdrawal(student_id, version=version, uow=uow)
    student = repository.lock_student(uow.session, student_id)
    if student is None or student.is_enrolled:
        return  # enrolled again since: this withdrawal is the older fact
    for match in repository.lock_matches_of(uow.session, student_id, (*UNDECIDED, Status.ACCEPTED)):
        _end(match, "completed" if match.status is Status.ACCEPTED else "superseded", uow=uow)


def set_goal(student_id: UUID, *, cluster: str, version: int, uow: UnitOfWork) -> None:
    """
    Propose partners for a student's new goal, in place of what was proposed for an earlier one.

    Args:
        version: The plan's version that set the goal; a goal older than the one known changes nothing.

    Raises:
        NotYetKnown: The roster has not told of the student yet.
    """
    student = repository.lock_student(uow.session, student_id)
    if student is None:
        raise NotYetKnown("student", student_id)
    if version <= repository.goal_version(uow.session, student_id):
        return
    note_goal(student_id, cluster=cluster, version=version, uow=uow)
    for match in repository.lock_matches_of(uow.session, student_id, UNDECIDED):
        _end(match, "superseded", uow=uow)
    if student.is_enrolled:
        _open(student, cluster, seats=repository.active_seats(uow.session), uow=uow)


def approve_match(match_id: UUID, partner_id: UUID, *, by: UUID, uow: UnitOfWork) -> Match:
    """
    Accept one of the proposed partners for a student; opens the relationship in the partner's file.

    Raises:
        NotFound: There is no such match.
        AlreadyDecided: Somebody decided first, or a newer goal replaced the proposal.
        NotProposed, PartnerLeft, PartnerFull: This partner cannot be chosen.
    """
    # The partner's row comes first (see repository): two approvals of the last place wait for each other here.
    partner = repository.lock_partner_seats(uow.session, partner_id)
    match = _locked(match_id, uow=uow)
    check_undecided(match.decision, status=match.status)
    if partner is None:
        raise NotProposed(f"There is no partner {partner_id}.", proposed=[str(each) for each in match.candidate_ids])
    check_partner(partner, proposed=match.candidate_ids)

    accepted = match.changed(
        status=Status.ACCEPTED, partner_id=partner_id, decision=Decision(Status.ACCEPTED, uow.clock.now(), by)
    )
    repository.save_match(uow.session, accepted)
    uow.emit(
        MatchAccepted(
            match_id=match_id,
            student_id=match.student_id,
            partner_id=partner_id,
            organization=partner.organization,
            relationship_file_id=file_id_of(partner_id),
            approved_by=by,
        ),
        version=accepted.version,
    )
    _record(accepted, EntryKind.MATCH_ACCEPTED, [partner_id], uow=uow, by=by)
    log.info("match_accepted", match_id=str(match_id), partner_id=str(partner_id))
    return accepted


def decline_match(match_id: UUID, *, by: UUID, uow: UnitOfWork) -> Match:
    """
    Turn a proposal down.

    Raises:
        NotFound: There is no such match.
        AlreadyDecided: Somebody decided first, or a newer goal replaced the proposal.
    """
    match = _locked(match_id, uow=uow)
    check_undecided(match.decision, status=match.status)
    return _end(match, "declined", uow=uow, by=by)


def react_to_partner_changes(left: Collection[UUID], *, uow: UnitOfWork) -> None:
    """
    Bring matches in line with changed partners: end those of a partner that left, and propose to those who waited.

    The caller holds the locks of all partners.

    Args:
        left: Partners that take part no more.
    """
    student_ids = repository.students_with(uow.session, undecided=True, accepted_by=left)
    by_id = {student.student_id: student for student in repository.lock_students(uow.session, student_ids)}
    for match in repository.lock_accepted_of_partners(uow.session, left):
        _end(match, "partner_left", uow=uow)
    seats = repository.active_seats(uow.session)
    active = {partner.partner_id for partner in seats}
    for match in repository.lock_undecided(uow.session):
        student = by_id.get(match.student_id)
        if student is None or not student.is_enrolled:
            continue
        if match.status is Status.NO_FIT:
            _propose(match, student, seats=seats, uow=uow)
        elif active.isdisjoint(match.candidate_ids):
            _end(match, "partner_left", uow=uow)
            _open(student, match.cluster, seats=seats, uow=uow)


def find_match(session: Session, match_id: UUID) -> Match:
    """
    Raises:
        NotFound: There is no such match.
    """
    match = repository.find_match(session, match_id)
    if match is None:
        raise NotFound
    return match


def list_matches(session: Session, student_id: UUID) -> tuple[list[Match], dict[UUID, PartnerSeats]]:
    """A student's matches, newest first, and the present places of the partners in them."""
    found = repository.list_matches(session, student_id)
    return found, seats_in(session, found)


def seats_in(session: Session, found: Iterable[Match]) -> dict[UUID, PartnerSeats]:
    """The present places of the partners that these matches name."""
    named = {partner_id for match in found for partner_id in match.candidate_ids}
    return repository.seats_of(session, named) if named else {}


def _open(student: Student, cluster: str, *, seats: Iterable[PartnerSeats], uow: UnitOfWork) -> None:
    """Add a match for a goal; it stays without candidates and without an event if nobody fits."""
    match = Match(
        match_id=uuid4(),
        student_id=student.student_id,
        cluster=cluster,
        status=Status.NO_FIT,
        candidates=(),
        opened_at=uow.clock.now(),
    )
    repository.add_match(uow.session, match)
    _propose(match, student, seats=seats, uow=uow)


def _propose(match: Match, student: Student, *, seats: Iterable[PartnerSeats], uow: UnitOfWork) -> None:
    """Propose the partners that fit, if any, leaving out those who mentor the student already."""
    mentors = repository.partners_accepted_for(uow.session, student.student_id)
    fits = rank_partners(
        (partner for partner in seats if partner.partner_id not in mentors),
        cluster=match.cluster,
        home_language=student.home_language,
        instruction_language=INSTRUCTION_LANGUAGE,
    )
    if not fits:
        log.info("match_without_fit", match_id=str(match.match_id), student_id=str(student.student_id))
        return
    proposed = match.changed(status=Status.PROPOSED, candidates=fits)
    repository.save_match(uow.session, proposed)
    uow.emit(
        MatchProposed(
            match_id=match.match_id,
            student_id=match.student_id,
            cluster=match.cluster,
            candidates=tuple(
                Candidate(partner_id=fit.partner_id, organization=fit.organization, reasons=fit.reasons) for fit in fits
            ),
        ),
        version=proposed.version,
    )
    _record(proposed, EntryKind.PROPOSED, proposed.candidate_ids, uow=uow)


def _end(match: Match, reason: EndReason, *, uow: UnitOfWork, by: UUID | None = None) -> Match:
    """End a match. One that nobody was told of, because nobody fitted, ends without an event."""
    status = _STATUS_AFTER[reason]
    ended = match.changed(status=status, end_reason=reason, decision=Decision(status, uow.clock.now(), by))
    repository.save_match(uow.session, ended)
    if match.status is not Status.NO_FIT:
        event = MatchEnded(match_id=match.match_id, student_id=match.student_id, reason=reason)
        uow.emit(event, version=ended.version)
    concerned = [match.partner_id] if match.partner_id else match.candidate_ids
    _record(ended, EntryKind.MATCH_ENDED, concerned, uow=uow, by=by, reason=reason)
    return ended


def _record(
    match: Match, kind: EntryKind, partner_ids: Iterable[UUID], *, uow: UnitOfWork, by: UUID | None = None, **more: str
) -> None:
    facts = {"match_id": str(match.match_id), "cluster": match.cluster, **more}
    record(partner_ids, kind, uow=uow, by=by, student_id=match.student_id, facts=facts)


def _locked(match_id: UUID, *, uow: UnitOfWork) -> Match:
    match = repository.lock_match(uow.session, match_id)
    if match is None:
        raise NotFound
    return match
