"""Importing partners, and reading them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from services.mentorship.matches.handlers import react_to_partner_changes
from services.mentorship.matches.repository import seats_of
from services.mentorship.matches.rules import PartnerSeats
from services.mentorship.partners.rules import Contact, ImportPlan, Partner, plan_import
from services.mentorship.partners.tables import partners
from services.mentorship.relationship_files.handlers import open_files, record
from services.mentorship.relationship_files.rules import EntryKind
from shared.database.unit_of_work import UnitOfWork
from shared.problems import NotFound
from shared.sealing import Sealer
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

Advance = Callable[[], None]


def ignore_progress() -> None:
    """For callers that show no progress."""


def import_partners(
    listed: Iterable[Partner], *, uow: UnitOfWork, sealer: Sealer, advance: Advance = ignore_progress
) -> ImportPlan:
    """
    Make the partners known equal to those listed. Listing the same again changes nothing.

    A partner listed no more, or as inactive, leaves: it keeps its file, and its matches end.

    Args:
        advance: Called once per partner listed.
    """
    by_id = {partner.partner_id: partner for partner in listed}
    known = _lock_known(uow.session, sealer)
    plan = plan_import(by_id.values(), {partner_id: partner for partner_id, (partner, _) in known.items()})
    added, changed = set(plan.added), set(plan.changed)
    for partner_id, partner in by_id.items():
        if partner_id in added:
            _add(partner, uow=uow, sealer=sealer)
        elif partner_id in changed:
            _change(partner, version=known[partner_id][1] + 1, uow=uow, sealer=sealer)
        advance()
    for partner_id in set(plan.left) - by_id.keys():
        _deactivate(partner_id, version=known[partner_id][1] + 1, uow=uow)

    open_files(plan.added, uow=uow)
    record(plan.left, EntryKind.PARTNER_LEFT, uow=uow)
    returned = [key for key in plan.changed if by_id[key].is_active and not known[key][0].is_active]
    record(returned, EntryKind.PARTNER_RETURNED, uow=uow)
    if not plan.is_empty:
        react_to_partner_changes(plan.left, uow=uow)
        log.info("partners_imported", added=len(added), changed=len(changed), left=len(plan.left))
    return plan


def list_partners(session: Session, *, after: str | None, limit: int) -> list[tuple[str, PartnerSeats]]:
    """Partners in the order of their keys, each with its key and the places taken, starting behind `after`."""
    statement = select(partners.c.partner_key, partners.c.partner_id).order_by(partners.c.partner_key).limit(limit)
    if after is not None:
        statement = statement.where(partners.c.partner_key > after)
    page = list(session.execute(statement))
    seats = seats_of(session, [row.partner_id for row in page]) if page else {}
    return [(row.partner_key, seats[row.partner_id]) for row in page]


def find_partner(session: Session, partner_id: UUID) -> tuple[PartnerSeats, str]:
    """
    A partner with the places taken, and its sealed contact.

    Raises:
        NotFound: There is no such partner.
    """
    contact = select(partners.c.sealed_contact).where(partners.c.partner_id == partner_id)
    sealed = session.execute(contact).scalar_one_or_none()
    if sealed is None:
        raise NotFound
    return seats_of(session, [partner_id])[partner_id], sealed


def _lock_known(session: Session, sealer: Sealer) -> dict[UUID, tuple[Partner, int]]:
    """Every partner known with its version, locked until the import ends."""
    statement = select(partners).order_by(partners.c.partner_id).with_for_update()
    return {row.partner_id: (_partner(row, sealer), row.version) for row in session.execute(statement)}


def _partner(row: Row[Any], sealer: Sealer) -> Partner:
    return Partner(
        key=row.partner_key,
        organization=row.organization,
        contact=Contact(**sealer.open(row.sealed_contact)),
        clusters=tuple(row.clusters),
        languages=tuple(row.languages),
        capacity=row.capacity,
        is_active=row.is_active,
    )


def _add(partner: Partner, *, uow: UnitOfWork, sealer: Sealer) -> None:
    columns = _columns(partner, version=1, uow=uow, sealer=sealer)
    row = {"partner_id": partner.partner_id, "partner_key": partner.key, **columns}
    uow.session.execute(partners.insert(), row)


def _change(partner: Partner, *, version: int, uow: UnitOfWork, sealer: Sealer) -> None:
    columns = _columns(partner, version=version, uow=uow, sealer=sealer)
    uow.session.execute(update(partners).where(partners.c.partner_id == partner.partner_id).values(columns))


def _deactivate(partner_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    changes = {"is_active": False, "version": version, "changed_at": uow.clock.now()}
    uow.session.execute(update(partners).where(partners.c.partner_id == partner_id).values(changes))


def _columns(partner: Partner, *, version: int, uow: UnitOfWork, sealer: Sealer) -> Mapping[str, Any]:
    return {
        "organization": partner.organization,
        "sealed_contact": sealer.seal(vars(partner.contact)),
        "clusters": list(partner.clusters),
        "languages": list(partner.languages),
        "capacity": partner.capacity,
        "is_active": partner.is_active,
        "version": version,
        "changed_at": uow.clock.now(),
    }
