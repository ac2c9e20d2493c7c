"""Relationship files over HTTP: staff see the file, a student what concerns the own match."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select

from services.mentorship.partners.schemas import ContactDocument
from services.mentorship.relationship_files import handlers
from services.mentorship.relationship_files.handlers import Entry, Outreach, RelationshipFile
from services.mentorship.relationship_files.schemas import EntryDocument, OutreachRequest, RelationshipFileDocument
from shared.auth.access import visible_students
from shared.problems import InvalidInput, NotFound
from shared.sealing import Sealer
from shared.web.pagination import PageQuery, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, authorize, signed_in, staff

routes = Routes(service="mentorship", tag="relationship files")

KEEPERS = ("counselor", "district_admin")
READERS = ("teacher", "case_manager")


class OutreachInFuture(InvalidInput):
    """An outreach is noted once it has happened."""

    code = "outreach-in-future"


@routes.get(
    "/v1/relationship-files/{relationship_file_id}",
    summary="A partner's relationship file with its timeline, as far as the caller may see it",
    query=PageQuery,
    reply=RelationshipFileDocument,
    access=signed_in(),
    problems=[InvalidInput],
)
def read_relationship_file(call: Call[Any]) -> Reply:
    file = handlers.find_file(call.session, call.uuid("relationship_file_id"))
    limit = limit_of(call.query)
    entries = handlers.list_entries(
        call.session,
        file.relationship_file_id,
        students=_readable_students(call, file),
        with_general=call.principal.role != "student",
        before=_position(call),
        limit=limit,
    )
    return Reply(
        RelationshipFileDocument(
            relationship_file_id=file.relationship_file_id,
            partner_id=file.partner_id,
            organization=file.organization,
            is_active=file.is_active,
            opened_at=file.opened_at,
            contact=_contact(call, file),
            entries=[_entry_document(entry) for entry in entries],
            next=cursor_of(entries[-1].position) if len(entries) == limit else None,
        )
    )


@routes.post(
    "/v1/relationship-files/{relationship_file_id}/entries",
    summary="Note a call, an email, a visit or a meeting with the partner",
    body=OutreachRequest,
    reply=EntryDocument,
    access=staff(*KEEPERS),
    problems=[OutreachInFuture],
)
def log_outreach(call: Call[OutreachRequest]) -> Reply:
    asked = call.body
    if asked.student_id is not None and call.principal.role != "district_admin":
        authorize(call, "relationship_file", "write", asked.student_id)
    if asked.at is not None and asked.at > call.now:
        raise OutreachInFuture(f"`at` must not be later than {call.now.isoformat()}; got {asked.at.isoformat()}.")
    outreach = Outreach(asked.kind, asked.outcome, asked.at, asked.follow_up_on, asked.student_id)
    file_id = call.uuid("relationship_file_id")
    entry = handlers.log_outreach(file_id, outreach, by=call.principal.person_id, uow=call.uow)
    return Reply(_entry_document(entry), status=201)


def _readable_students(call: Call[Any], file: RelationshipFile) -> Select[Any] | Iterable[Any] | None:
    """
    Whose entries the caller may read; None for everybody's.

    Raises:
        NotFound: The caller may not see this file at all.
    """
    principal = call.principal
    if principal.role == "district_admin":
        return None
    if principal.role in (*KEEPERS, *READERS):
        return visible_students(principal, "relationship_file", "read", call.now)
    if principal.role == "student":
        authorize(call, "relationship_file", "read", principal.person_id)
        if handlers.has_accepted_match(call.session, student_id=principal.person_id, partner_id=file.partner_id):
            return [principal.person_id]
    raise NotFound


def _contact(call: Call[Any], file: RelationshipFile) -> ContactDocument | None:
    if call.principal.role not in KEEPERS:
        return None
    return ContactDocument(**Sealer.from_settings(call.settings).open(file.sealed_contact))


def _position(call: Call[Any]) -> int | None:
    position = position_of(call.query)
    if position is None:
        return None
    if not isinstance(position[0], int):
        raise InvalidInput("`cursor` must be the `next` of an earlier page of this timeline.")
    return position[0]


def _entry_document(entry: Entry) -> EntryDocument:
    return EntryDocument(
        entry_id=entry.entry_id,
        kind=entry.kind,
        at=entry.at,
        by=entry.by,
        student_id=entry.student_id,
        facts=entry.facts,
    )
