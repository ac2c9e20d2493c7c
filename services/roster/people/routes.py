"""Contact points over HTTP."""

from typing import Any
from uuid import UUID

from services.roster.people import contacts
from services.roster.people.contacts import ContactMalformed
from services.roster.people.schemas import ContactChange, ContactDocument, ContactList, PersonDocument, PersonList
from services.roster.settings import RosterSettings
from shared.problems import InvalidInput, NotFound, PreconditionFailed
from shared.sealing import Sealer
from shared.web.routes import Call, Reply, Routes, on_student, signed_in, staff

routes = Routes(service="roster", tag="people")


@routes.get(
    "/v1/students/{student_id}/contacts",
    summary="How to reach a student and the guardians; for the student, from 18 on, only the student's own",
    reply=ContactList,
    access=on_student("contacts", "read"),
)
def get_contacts(call: Call[Any]) -> Reply:
    student_id = call.uuid("student_id")
    asked = [student_id]
    if call.principal.person_id == student_id:
        _require(contacts.may_see_own_contact(call.session, student_id, now=call.now))
    else:
        asked += contacts.guardians_of(call.session, student_id)
    found = contacts.read_contacts(call.session, asked, sealer=Sealer.from_settings(call.settings))
    return Reply(ContactList(items=found))


@routes.put(
    "/v1/students/{student_id}/contacts",
    summary="Set your own contact points, as a student of 18 or older",
    body=ContactChange,
    reply=ContactDocument,
    access=on_student("contacts", "write"),
    problems=[ContactMalformed, PreconditionFailed],
)
def put_contacts(call: Call[ContactChange]) -> Reply:
    return _change(call, call.uuid("student_id"))


@routes.get("/v1/me/contact", summary="Your own contact points", reply=ContactDocument, access=signed_in())
def get_my_contact(call: Call[Any]) -> Reply:
    person_id = call.principal.person_id
    _require(contacts.may_see_own_contact(call.session, person_id, now=call.now))
    found = contacts.read_contacts(call.session, [person_id], sealer=Sealer.from_settings(call.settings))
    _require(bool(found))
    return Reply(found[0], etag=str(found[0].version))


@routes.put(
    "/v1/me/contact",
    summary="Set your own contact points and the language you are written to in",
    body=ContactChange,
    reply=ContactDocument,
    access=signed_in(),
    problems=[ContactMalformed, PreconditionFailed],
)
def put_my_contact(call: Call[ContactChange]) -> Reply:
    return _change(call, call.principal.person_id)


@routes.get(
    "/v1/roster/people",
    summary="Whom a source calls by an id, without names",
    reply=PersonList,
    access=staff("district_admin"),
    problems=[InvalidInput],
)
def get_people(call: Call[Any]) -> Reply:
    sourced_id = call.query.get("sourced_id", "").strip()
    if not sourced_id:
        raise InvalidInput("`sourced_id` must be the id the student information system uses.")
    found = contacts.find_people(call.session, sourced_id)
    return Reply(PersonList(items=[PersonDocument.model_validate(row, from_attributes=False) for row in found]))


def _change(call: Call[ContactChange], person_id: UUID) -> Reply:
    _require(contacts.may_change_own_contact(call.session, person_id, now=call.now))
    settings = call.settings.specialized(RosterSettings)
    changed = contacts.change_contact(
        person_id,
        email=call.body.email,
        phone=call.body.phone,
        language=call.body.language,
        if_version=call.if_match,
        region=settings.phone_region,
        time_zone=settings.time_zone,
        sealer=Sealer.from_settings(settings),
        uow=call.uow,
    )
    return Reply(changed, etag=str(changed.version))


def _require(allowed: bool) -> None:
    if not allowed:
        raise NotFound
