"""Removes what has served its time: published events, ids applied long ago, answers kept for repeated requests."""

from datetime import timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from shared.database.unit_of_work import UnitOfWork
from shared.messaging.consumer import APPLIED
from shared.messaging.periodic import Periodic, Tick
from shared.messaging.tables import inbox, outbox
from shared.web.idempotency_table import idempotency_keys

PORTION = 1000


def remove_old(ticking: Tick, *, portion: int = PORTION) -> int:
    """
    Remove a portion of what is older than the settings say; how many rows.

    Dead letters and unpublished events are never removed. Ids stay in the inbox longer than
    any replay of their events, or a replay would be applied a second time.
    """
    now, settings = ticking.clock.now(), ticking.settings
    applied = [inbox.c.state == APPLIED, inbox.c.received_at < now - timedelta(days=settings.inbox_days)]
    answered = [idempotency_keys.c.created_at < now - timedelta(days=settings.idempotency_days)]
    with ticking.database.transaction() as uow:
        return (
            _remove_published(uow, before=now - timedelta(days=settings.outbox_days), portion=portion)
            + _remove(uow, inbox, applied, portion=portion)
            + _remove(uow, idempotency_keys, answered, portion=portion)
        )


def _remove_published(uow: UnitOfWork, *, before: object, portion: int) -> int:
    """Looks at the oldest positions alone: they need no index on time and hold the oldest events."""
    oldest = select(outbox.c.position, outbox.c.published_at).order_by(outbox.c.position).limit(portion).subquery()
    published = select(oldest.c.position).where(oldest.c.published_at < before)
    return uow.session.execute(delete(outbox).where(outbox.c.position.in_(published))).rowcount  # type: ignore[attr-defined, no-any-return]


def _remove(uow: UnitOfWork, table: Table, conditions: list[ColumnElement[bool]], *, portion: int) -> int:
    key = list(table.primary_key)
    old = select(*key).where(*conditions).limit(portion).with_for_update(skip_locked=True)
    return uow.session.execute(delete(table).where(tuple_(*key).in_(old))).rowcount  # type: ignore[attr-defined, no-any-return]


RETENTION = Periodic(3600.0, remove_old, after_batches=False)
