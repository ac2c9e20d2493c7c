"""People with their roles, how to reach them, and telling the other services when that changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.roster.imports.applying import Applying
from services.roster.imports.sync import update_rows
from services.roster.people.rules import DEFAULT_LANGUAGE, kind_of
from services.roster.people.tables import birth_dates, people, person_roles
from shared.events.roster import ContactChanged, ContactRemoved
from shared.sealing import Sealer


@dataclass(slots=True)
class Known:
    """All the store holds of one person, sealed parts still sealed."""

    row: Mapping[str, Any]
    born_on: date | None
    roles: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def person_id(self) -> UUID:
        person_id: UUID = self.row["person_id"]
        return person_id

    @property
    def sourced_id(self) -> str:
        return str(self.row["sourced_id"])

    def has_role(self, role: str) -> bool:
        return any(held["role"] == role for held in self.roles)


def known_people(session: Session, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """People by id with roles and birth date, their rows locked."""
    born = {
        row.person_id: row.born_on
        for row in session.execute(select(birth_dates).where(birth_dates.c.person_id.in_(ids)))
    }
    rows = session.execute(select(people).where(people.c.person_id.in_(ids)).with_for_update()).mappings()
    known = {row["person_id"]: Known(dict(row), born.get(row["person_id"])) for row in rows}
    held = select(person_roles).where(person_roles.c.person_id.in_(ids)).order_by(person_roles.c.role_id)
    for role in session.execute(held).mappings():
        if role["person_id"] in known:
            known[role["person_id"]].roles.append(dict(role))
    return known


def announce_contacts(applying: Applying, page: Mapping[UUID, Known]) -> None:
    """Publish how to reach each person of the page, where that or what they are written to as has changed."""
    changed = []
    for person_id, person in page.items():
        row = person.row
        kind = kind_of(role["role"] for role in person.roles) if row["is_active"] else None
        announced = f"{kind}:{row['contact_digest']}" if kind else None
        if announced == row["announced"]:
            continue
        version = row["version"] + 1
        changed.append({"person_id": person_id, "kind": kind, "announced": announced, "version": version})
        if kind is None:
            applying.emit(ContactRemoved(person_id=person_id), version=version)
        else:
            applying.emit(contact_event({**row, "kind": kind}, time_zone=applying.zone.key), version=version)
    update_rows(applying.uow.session, people, changed)


def contact_event(row: Mapping[str, Any], *, time_zone: str) -> ContactChanged:
    """The event that says how a person of the table can be reached."""
    return ContactChanged(
        person_id=row["person_id"],
        kind=row["kind"],
        language=row["language"] or DEFAULT_LANGUAGE,
        time_zone=time_zone,
        sealed_contact=row["sealed_contact"],
    )


def name_of(session: Session, person_id: UUID, *, sealer: Sealer) -> Mapping[str, str] | None:
    """Given and family name of somebody on the roster; None for anybody else."""
    sealed = session.scalar(select(people.c.sealed_name).where(people.c.person_id == person_id))
    return None if sealed is None else sealer.open(sealed)
