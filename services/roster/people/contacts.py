"""A person's own contact points: read and changed by the person, read by the staff responsible."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.roster.contact_points import e164, email_address
from services.roster.guardianships.tables import guardianships
from services.roster.people.handlers import contact_event
from services.roster.people.rules import DEFAULT_LANGUAGE
from services.roster.people.schemas import ContactDocument
from services.roster.people.tables import people
from services.roster.students.handlers import announce_change
from services.roster.students.tables import students
from services.roster.vocabulary import language_tag
from shared.database.unit_of_work import UnitOfWork
from shared.events.roster import SealedContact
from shared.problems import InvalidInput, NotFound, PreconditionFailed
from shared.sealing import Sealer


class ContactMalformed(InvalidInput):
    """A contact point is not well formed."""

    code = "contact-malformed"


def read_contacts(session: Session, person_ids: Iterable[UUID], *, sealer: Sealer) -> list[ContactDocument]:
    """Contact points of people still on the roster."""
    query = select(people).where(
        people.c.person_id.in_(list(person_ids)), people.c.is_active, people.c.kind.is_not(None)
    )
    rows = session.execute(query.order_by(people.c.kind.desc(), people.c.person_id)).mappings()
    return [_document(dict(row), sealer) for row in rows]


def guardians_of(session: Session, student_id: UUID) -> Sequence[UUID]:
    """Guardians of a student who are not barred: of a barred one nothing is passed on."""
    query = select(guardianships.c.guardian_id).where(
        guardianships.c.student_id == student_id, guardianships.c.is_active, ~guardianships.c.barred
    )
    return session.scalars(query).all()


def may_see_own_contact(session: Session, person_id: UUID, *, now: datetime) -> bool:
    """
    Staff may, a guardian who is not barred from every child, and a student from the eighteenth birthday on.

    To a guardian barred wholly nothing is sent, so there is nothing to say of where to.
    """
    kind = session.scalar(select(people.c.kind).where(people.c.person_id == person_id, people.c.is_active))
    if kind == "guardian":
        links = select(guardianships.c.guardianship_id).where(
            guardianships.c.guardian_id == person_id, guardianships.c.is_active, ~guardianships.c.barred
        )
        return session.execute(links.limit(1)).first() is not None
    if kind != "student":
        return kind is not None
    transfers_at = session.scalar(select(students.c.rights_transfer_at).where(students.c.student_id == person_id))
    return transfers_at is not None and transfers_at <= now


def may_change_own_contact(session: Session, person_id: UUID, *, now: datetime) -> bool:
    """Guardians and grown students; how staff are reached is for the district's own directory to say."""
    kind = session.scalar(select(people.c.kind).where(people.c.person_id == person_id))
    return kind != "staff" and may_see_own_contact(session, person_id, now=now)


def change_contact(
    person_id: UUID,
    *,
    email: str | None,
    phone: str | None,
    language: str,
    if_version: int | None,
    region: str,
    time_zone: str,
    sealer: Sealer,
    uow: UnitOfWork,
) -> ContactDocument:
    """
    Set a person's contact points and language. They stand until the source says something new.

    Args:
        if_version: Version the person has read; None not to check.

    Raises:
        NotFound: There is no such person on the roster.
        PreconditionFailed: The contact has changed since that version.
        ContactMalformed: An address, number or language is not one.
    """
    query = select(people).where(people.c.person_id == person_id, people.c.is_active).with_for_update()
    found = uow.session.execute(query).mappings().first()
    if found is None or found["kind"] is None:
        raise NotFound
    row = dict(found)
    if if_version is not None and if_version != row["version"]:
        raise PreconditionFailed(
            f"The contact is at version {row['version']}, not {if_version}.", version=row["version"]
        )
    before = SealedContact.model_validate(sealer.open(row["sealed_contact"]))
    contact = before.model_copy(update={"email": _email(email), "phone": _phone(phone, region)})
    tag = _language(language)
    if contact == before and tag == (row["language"] or DEFAULT_LANGUAGE):
        return _document(row, sealer)
    changed = {
        "sealed_contact": sealer.seal(contact),
        "language": tag,
        "edited_at": uow.clock.now(),
        "version": row["version"] + 1,
    }
    uow.session.execute(people.update().where(people.c.person_id == person_id).values(**changed))
    row |= changed
    uow.emit(contact_event(row, time_zone=time_zone), version=row["version"])
    if row["kind"] == "student":
        announce_change(uow, person_id, home_language=tag)
    return _document(row, sealer)


def find_people(session: Session, sourced_id: str) -> list[Mapping[str, Any]]:
    """Everybody whom some source calls by this id; Ed-Fi keeps contacts and staff apart by a prefix."""
    spellings = (sourced_id, f"contact/{sourced_id}", f"staff/{sourced_id}")
    query = select(people).where(people.c.sourced_id.in_(spellings)).order_by(people.c.source, people.c.person_id)
    return [dict(row) for row in session.execute(query).mappings()]


def _document(row: Mapping[str, Any], sealer: Sealer) -> ContactDocument:
    contact = SealedContact.model_validate(sealer.open(row["sealed_contact"]))
    return ContactDocument(
        person_id=row["person_id"],
        kind=row["kind"],
        given_name=contact.given_name,
        family_name=contact.family_name,
        email=contact.email,
        phone=contact.phone,
        language=row["language"] or DEFAULT_LANGUAGE,
        version=row["version"],
    )


def _email(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    address = email_address(text)
    if address is None:
        raise ContactMalformed("`email` must be an address such as name@example.org.", pointer="/email")
    return address


def _phone(text: str | None, region: str) -> str | None:
    if text is None or not text.strip():
        return None
    number = e164(text, region=region)
    if number is None:
        raise ContactMalformed("`phone` must be a number such as +1 605 555 0123.", pointer="/phone")
    return number


def _language(text: str) -> str:
    tag = language_tag(text)
    if tag is None:
        raise ContactMalformed(f"`language` must be a tag such as en or es; got {text[:20]!r}.", pointer="/language")
    return tag
