"""Auditing plans again after the catalog or a requirement set changed under them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from services.plans.audits.rules import audit
from services.plans.catalog.repository import KnownCatalog, catalog_as_of
from services.plans.catalog.tables import catalog_revision
from services.plans.plans import repository
from services.plans.plans.document import plan_document
from services.plans.plans.handlers import audited_version, flipped, has_flipped
from services.plans.plans.repository import NewVersion, Stored
from services.plans.settings import PlansSettings
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.telemetry.logs import get_logger

if TYPE_CHECKING:  # the module behind it is for worker processes alone
    from shared.messaging.worker.hosting import Tick

log = get_logger(__name__)
FlipCause = Literal["catalog", "requirements"]


def reaudit_plans(ticking: "Tick") -> int:
    """
    Audit a batch of the plans that were last audited against an older catalog.

    A plan whose document comes out the same keeps its version. The others get a new one, made by
    the system, and where a requirement flipped the event that tells.

    Returns:
        How many plans were looked at; 0 if none is behind.
    """
    with ticking.database.reading() as session:
        if not repository.has_behind(session):
            return 0
        cause = _cause(_revision(session))
    settings = ticking.settings.specialized(PlansSettings)
    with ticking.database.transaction(cause) as uow:
        current = _revision(uow.session)
        behind = repository.lock_behind(uow.session, revision=current.revision, limit=settings.reaudit_batch)
        if behind:
            _reaudit(behind, current, uow=uow)
        return len(behind)


def _reaudit(behind: Sequence[Stored], current: Row[tuple[int, int]], *, uow: UnitOfWork) -> None:
    catalog = catalog_as_of(uow.session, current.revision)
    changed: list[NewVersion] = []
    for stored in behind:
        if _document(stored, catalog) != stored.document:
            cause: FlipCause = "requirements" if current.requirements_revision > stored.audited_revision else "catalog"
            changed.append(_new_version(stored, cause, catalog, uow=uow))
    if changed:
        repository.save(uow.session, changed)
    repository.mark_audited(uow.session, [stored.plan.plan_id for stored in behind], revision=current.revision)
    log.info("plans_audited_again", plans=len(behind), changed=len(changed), catalog_revision=current.revision)


def _document(stored: Stored, catalog: KnownCatalog) -> bytes:
    plan = stored.plan
    found = audit(plan.placements, catalog.book_for(plan.requirement_set), catalog)
    return plan_document(plan, found, catalog, updated_at=stored.updated_at)


def _new_version(stored: Stored, cause: FlipCause, catalog: KnownCatalog, *, uow: UnitOfWork) -> NewVersion:
    revised = replace(stored.plan, version=stored.plan.version + 1)
    new, now = audited_version(revised, cause, catalog=catalog, before=stored.unmet, actor=(None, "system"), uow=uow)
    if has_flipped(now):
        uow.emit(flipped(revised, cause, now), version=revised.version)
    return new


def _revision(session: Session) -> Row[tuple[int, int]]:
    return session.execute(select(catalog_revision)).one()


def _cause(current: Row[tuple[int, int]]) -> Cause:
    """Belongs to the journey of the catalog event behind the present revision."""
    if current.correlation_id is None:
        return Cause()
    return Cause(current.correlation_id, current.causation_id)
