"""
First half of applying an import: the store's copy of what the source says, made equal to the package.

A bulk table replaces what this source said before; a delta adds to it and takes from it; a table that was not
sent stays as it is. What follows for students, guardians and caseloads is settled afterwards from this copy, so
it does not matter in which package a statement came.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import Table as StoredTable
from sqlalchemy import delete, func, select

from services.roster.caseloads.tables import class_memberships
from services.roster.guardianships.tables import agent_links
from services.roster.imports.applying import Applying
from services.roster.imports.records import Person, Table
from services.roster.imports.sync import (
    SeenRows,
    batches,
    existing,
    forget,
    forget_unseen,
    sync,
    update_rows,
)
from services.roster.people.tables import birth_dates, people, person_roles
from services.roster.students.tables import schools
from shared.database.bulk import insert_many
from shared.events.roster import SealedContact
from shared.identifiers import stable_id

LONGEST_NAME = 255


@lru_cache(maxsize=1 << 16)
def person_id_of(source: str, sourced_id: str) -> UUID:
    return stable_id("person", source, sourced_id)


@lru_cache(maxsize=1 << 12)
def school_id_of(source: str, sourced_id: str) -> UUID:
    return stable_id("school", source, sourced_id)


def mirror_schools(applying: Applying, seen: SeenRows) -> None:
    if "orgs" not in applying.snapshot.modes:
        return
    session, source = applying.uow.session, applying.source
    for differences in sync(session, schools, _school_rows(applying), seen):
        applying.tally["schools"].added += len(differences.added)
        applying.tally["schools"].changed += len(differences.changed)
        applying.tally["schools"].unchanged += differences.unchanged
    forget(session, schools, (school_id_of(source, key) for key in applying.snapshot.deleted("orgs")))
    if applying.snapshot.modes["orgs"] == "bulk":
        applying.tally["schools"].removed += forget_unseen(session, schools, source=source)


def mirror_people(applying: Applying, seen: SeenRows) -> None:
    """Keep people as the package has them; contact points and names sealed, and sealed anew only if they changed."""
    if "people" not in applying.snapshot.modes:
        return
    session, total = applying.uow.session, applying.snapshot.count("people")
    applying.tally.before["people"] = (
        session.scalar(
            select(func.count()).select_from(people).where(people.c.source == applying.source, people.c.is_active)
        )
        or 0
    )
    done = 0
    for batch in batches(applying.snapshot.people()):
        _keep_people(applying, seen, batch)
        done += len(batch)
        applying.progress("comparing people", done, total)
    _remove_people(applying)


def mirror_statements(applying: Applying, seen: SeenRows) -> None:
    """Keep roles, birth dates, links and classes, each a statement of the source about people."""
    snapshot, source = applying.snapshot, applying.source
    steps: tuple[tuple[Table, StoredTable, Callable[[], Iterator[Mapping[str, Any]]], str], ...] = (
        ("roles", person_roles, lambda: _role_rows(applying), "role"),
        ("birth_dates", birth_dates, lambda: _birth_date_rows(applying), "person"),
        ("links", agent_links, lambda: _link_rows(applying), "link"),
        ("memberships", class_memberships, lambda: _membership_rows(applying), "membership"),
    )
    owners = {"roles": person_roles.c.person_id, "links": agent_links.c.owner_id}
    for kind, table, rows, id_kind in steps:
        if kind not in snapshot.modes:
            continue
        for _ in sync(applying.uow.session, table, rows(), seen):
            pass
        forget(applying.uow.session, table, (stable_id(id_kind, source, key) for key in snapshot.deleted(kind)))
        if snapshot.modes[kind] == "bulk":
            forget_unseen(applying.uow.session, table, source=source)
        elif kind in snapshot.owned:
            forget_unseen(applying.uow.session, table, source=source, owner=owners[kind])
        applying.progress(f"comparing {kind.replace('_', ' ')}", 1, 1)
    _forget_statements_of_the_removed(applying)
    report_unresolved(applying)


def report_unresolved(applying: Applying) -> None:
    """References of a delta may point at people sent earlier; those that point at nobody are reported here."""
    snapshot, session = applying.snapshot, applying.uow.session
    if snapshot.modes.get("people") == "bulk":
        return
    links = ((link.other, link.file, link.line, "agentSourcedIds") for link in snapshot.links())
    classes = ((row.person, row.file, row.line, "userSourcedId") for row in snapshot.memberships())
    known = select(people.c.person_id).where(people.c.is_active)
    for batch in batches(chain(links, classes)):
        ids = {key: person_id_of(applying.source, key) for key, *_ in batch}
        found = set(session.scalars(known.where(people.c.person_id.in_(ids.values()))))
        for key, file, line, column in batch:
            if ids[key] not in found:
                expected = "the sourcedId of a user sent in this or an earlier package"
                applying.findings.warning(file, line, column, key, expected)


def _keep_people(applying: Applying, seen: SeenRows, batch: list[Person]) -> None:
    session, tally = applying.uow.session, applying.tally["people"]
    by_id = {person_id_of(applying.source, person.key): person for person in batch}
    seen.add("people", by_id)
    stored = existing(session, people, by_id)
    added, changed = [], []
    for person_id, person in by_id.items():
        before = stored.get(person_id)
        row = _person_row(applying, person_id, person, before)
        if before is None:
            tally.added += 1
            added.append(row | {"kind": None, "announced": None, "version": 0})
        elif any(row[name] != before[name] for name in row):
            if before["is_active"]:
                tally.changed += 1
            else:
                tally.added += 1
            changed.append(row)
        else:
            tally.unchanged += 1
    insert_many(session, people, added)
    update_rows(session, people, changed)


def _person_row(
    applying: Applying, person_id: UUID, person: Person, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    contact = SealedContact(
        given_name=person.given_name, family_name=person.family_name, email=person.email, phone=person.phone
    )
    names = person.given_name, person.family_name
    name_digest = applying.digests.of(*names)
    contact_digest = applying.digests.of(*names, person.email, person.phone, person.language)
    row: dict[str, Any] = {
        "person_id": person_id,
        "source": applying.source,
        "sourced_id": person.key,
        "name_digest": name_digest,
        "contact_digest": contact_digest,
        "grade": person.grade,
        "is_active": True,
    }
    if before is not None and _says_the_same(applying, before, contact_digest):
        # A person's own edit of contact or language stands until the source itself says something new.
        kept = ("sealed_contact", "sealed_name", "language", "edited_at")
        return row | {name: before[name] for name in kept}
    return row | {
        "sealed_contact": applying.sealer.seal(contact),
        "sealed_name": applying.sealer.seal({"given_name": names[0], "family_name": names[1]}),
        "language": person.language,
        "edited_at": None,
    }


def _says_the_same(applying: Applying, before: Mapping[str, Any], contact_digest: str) -> bool:
    if before["contact_digest"] == contact_digest:
        return True
    # The key of the old digest was retired: nothing can be compared, and the person's own word is kept.
    return before["edited_at"] is not None and not applying.digests.is_comparable(before["contact_digest"])


def _remove_people(applying: Applying) -> None:
    session, source = applying.uow.session, applying.source
    gone = people.update().values(is_active=False).where(people.c.source == source, people.c.is_active)
    removed = 0
    for batch in batches(person_id_of(source, key) for key in applying.snapshot.deleted("people")):
        removed += session.connection().execute(gone.where(people.c.person_id.in_(batch))).rowcount
    if applying.snapshot.modes["people"] == "bulk":
        unseen = gone.where(~SeenRows.has("people", people.c.person_id))
        removed += session.connection().execute(unseen).rowcount
    applying.tally["people"].removed += removed


def _forget_statements_of_the_removed(applying: Applying) -> None:
    removed = select(people.c.person_id).where(people.c.source == applying.source, ~people.c.is_active)
    for table, column in (
        (person_roles, person_roles.c.person_id),
        (agent_links, agent_links.c.owner_id),
        (class_memberships, class_memberships.c.person_id),
    ):
        applying.uow.session.connection().execute(
            delete(table).where(table.c.source == applying.source, column.in_(removed))
        )


def _school_rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    source = applying.source
    for org in applying.snapshot.orgs():
        yield {
            "school_id": school_id_of(source, org.key),
            "source": source,
            "sourced_id": org.key,
            "name": org.name[:LONGEST_NAME],
            "type": org.type,
            "parent_id": school_id_of(source, org.parent) if org.parent else None,
            "lowest_grade": org.lowest_grade,
            "highest_grade": org.highest_grade,
        }


def _role_rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    source = applying.source
    for role in applying.snapshot.roles():
        yield {
            "role_id": stable_id("role", source, role.key),
            "source": source,
            "person_id": person_id_of(source, role.person),
            "role": role.role,
            "relation": role.relation,
            "is_primary": role.is_primary,
            "school_id": school_id_of(source, role.org) if role.org else None,
            "begins_on": role.begins_on,
            "ends_on": role.ends_on,
            "grade": role.grade,
        }


def _birth_date_rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    for birth in applying.snapshot.birth_dates():
        person_id = person_id_of(applying.source, birth.person)
        yield {"person_id": person_id, "source": applying.source, "born_on": birth.born_on}


def _link_rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    source = applying.source
    for link in applying.snapshot.links():
        yield {
            "link_id": stable_id("link", source, link.owner, link.other),
            "source": source,
            "owner_id": person_id_of(source, link.owner),
            "other_id": person_id_of(source, link.other),
            "relation": link.relation,
        }


def _membership_rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    source = applying.source
    for membership in applying.snapshot.memberships():
        yield {
            "membership_id": stable_id("membership", source, membership.key),
            "source": source,
            "class_id": stable_id("class", source, membership.class_key),
            "person_id": person_id_of(source, membership.person),
            "role": membership.role,
            "begins_on": membership.begins_on,
            "ends_on": membership.ends_on,
        }
