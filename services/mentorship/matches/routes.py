"""Matches over HTTP: the family reads, the student's counselor decides."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.mentorship.matches import handlers
from services.mentorship.matches.repository import Match
from services.mentorship.matches.rules import (
    AlreadyDecided,
    NotProposed,
    PartnerFull,
    PartnerLeft,
    PartnerSeats,
)
from services.mentorship.matches.schemas import Approval, CandidateDocument, MatchDocument, MatchList
from services.mentorship.relationship_files.rules import file_id_of
from shared.web.routes import Call, Reply, Routes, authorize, on_student, signed_in

routes = Routes(service="mentorship", tag="matches")


@routes.get(
    "/v1/students/{student_id}/matches",
    summary="Partners proposed for a student's goals, and what became of each proposal",
    reply=MatchList,
    access=on_student("matches", "read"),
)
def list_matches(call: Call[Any]) -> Reply:
    found, seats = handlers.list_matches(call.session, call.uuid("student_id"))
    return Reply(MatchList(items=[_document(match, seats) for match in found]))


@routes.post(
    "/v1/matches/{match_id}/approve",
    summary="Accept one of the proposed partners; tells the student and opens the relationship",
    body=Approval,
    reply=MatchDocument,
    access=signed_in(),
    problems=[AlreadyDecided, NotProposed, PartnerFull, PartnerLeft],
)
def approve_match(call: Call[Approval]) -> Reply:
    match_id = _decidable(call)
    match = handlers.approve_match(match_id, call.body.partner_id, by=call.principal.person_id, uow=call.uow)
    return _decided(call, match)


@routes.post(
    "/v1/matches/{match_id}/decline",
    summary="Turn a proposal down",
    reply=MatchDocument,
    access=signed_in(),
    problems=[AlreadyDecided],
)
def decline_match(call: Call[Any]) -> Reply:
    match_id = _decidable(call)
    match = handlers.decline_match(match_id, by=call.principal.person_id, uow=call.uow)
    return _decided(call, match)


def _decidable(call: Call[Any]) -> UUID:
    """
    The match in the path, if the caller is the student's counselor.

    Raises:
        NotFound: There is no such match, or it is not for the caller to decide.
    """
    match = handlers.find_match(call.session, call.uuid("match_id"))
    authorize(call, "matches", "approve", match.student_id)
    return match.match_id


def _decided(call: Call[Any], match: Match) -> Reply:
    seats = handlers.seats_in(call.session, [match])
    return Reply(_document(match, seats), etag=str(match.version))


def _document(match: Match, seats: Mapping[UUID, PartnerSeats]) -> MatchDocument:
    return MatchDocument(
        match_id=match.match_id,
        student_id=match.student_id,
        cluster=match.cluster,
        status=match.status,
        candidates=[
            CandidateDocument(
                partner_id=fit.partner_id,
                organization=fit.organization,
                reasons=fit.reasons,
                is_active=seats[fit.partner_id].is_active,
                places_left=seats[fit.partner_id].left,
            )
            for fit in match.candidates
        ],
        partner_id=match.partner_id,
        relationship_file_id=file_id_of(match.partner_id) if match.partner_id else None,
        opened_at=match.opened_at,
        decided_at=match.decision.at if match.decision else None,
        decided_by=match.decision.by if match.decision else None,
        end_reason=match.end_reason,
        version=match.version,
    )
