"""Removes what has served its time: published events, ids applied long ago, answers kept for repeated requests."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import contracts
from shared.events.upcasting import older_versions
from shared.messaging.consumer import APPLIED
from shared.messaging.periodic import Periodic, Tick
from shared.messaging.tables import inbox, kept_events, outbox
from shared.web.idempotency_table import idempotency_keys

PORTION = 1000


def remove_old(ticking: Tick, *, portion: int = PORTION) -> int:
    """
    Remove a portion of what is older than the settings say; how many rows.

    Dead letters and unpublished events are never removed. Of events whose contract is kept the newest of each
    subject and type stays, in a table of its own: projections are rebuilt from them (docs/decisions/0013). Ids stay
    in the inbox longer than events in the outbox; older ones are replayed on purpose alone.
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
    # Chosen once: keeping and removing must mean the same rows, whatever is published meanwhile.
    positions = list(uow.session.execute(published).scalars())
    if not positions:
        return 0
    _keep_newest(uow, positions)
    return uow.session.execute(delete(outbox).where(outbox.c.position.in_(positions))).rowcount  # type: ignore[attr-defined, no-any-return]


def _keep_newest(uow: UnitOfWork, positions: Sequence[int]) -> None:
    """Of what is about to be removed, keep what projections need; a newer event takes the place of an older one."""
    kept = [event_type for event_type, contract in contracts().items() if contract.is_kept]
    kept += [older for event_type in kept for older in older_versions(event_type)]
    statement = select(outbox).where(outbox.c.position.in_(positions), outbox.c.type.in_(kept))
    rows = [dict(row) for row in uow.session.execute(statement.order_by(outbox.c.position)).mappings()]
    newest = {(row["type"], row["subject"]): row for row in sorted(rows, key=lambda row: row["subject_version"])}
    upsert(
        uow.session,
        kept_events,
        list(newest.values()),
        key=["type", "subject"],
        newer_than="subject_version",
    )


def _remove(uow: UnitOfWork, table: Table, conditions: list[ColumnElement[bool]], *, portion: int) -> int:
    key = list(table.primary_key)
    old = select(*key).where(*conditions).limit(portion).with_for_update(skip_locked=True)
    return uow.session.execute(delete(table).where(tuple_(*key).in_(old))).rowcount  # type: ignore[attr-defined, no-any-return]


RETENTION = Periodic(3600.0, remove_old, after_batches=False)
