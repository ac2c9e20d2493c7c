"""Bring a table in line with what a source says: in batches, writing only what differs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, MetaData, String, Table, Uuid, and_, bindparam, delete, exists, select
from sqlalchemy.orm import Session

from shared.database.bulk import insert_many

T = TypeVar("T")
BATCH = 1_000

# Which rows a package named, by table; lives as long as the transaction's connection, and is emptied before use.
_seen = Table(
    "seen_rows",
    MetaData(),
    Column("kind", String(32), primary_key=True),
    Column("row_id", Uuid, primary_key=True),
    prefixes=["TEMPORARY"],
)


class SeenRows:
    """The rows a package named, kept in the database so that memory stays flat."""

    def __init__(self, session: Session) -> None:
        self._session = session
        _seen.create(session.connection(), checkfirst=False)

    def drop(self) -> None:
        _seen.drop(self._session.connection())

    def add(self, kind: str, row_ids: Iterable[UUID]) -> None:
        insert_many(self._session, _seen, [{"kind": kind, "row_id": row_id} for row_id in row_ids])

    @staticmethod
    def has(kind: str, column: ColumnElement[UUID]) -> ColumnElement[bool]:
        """Condition: the row whose id is in `column` was named."""
        return exists(select(_seen.c.row_id).where(_seen.c.kind == kind, _seen.c.row_id == column))


@dataclass(slots=True)
class Differences:
    """What a batch would change: rows to insert, rows to update, and how many agree already."""

    added: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    unchanged: int


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def sync(
    session: Session, table: Table, rows: Iterable[Mapping[str, Any]], seen: SeenRows, *, ignore: Sequence[str] = ()
) -> Iterator[Differences]:
    """
    Insert new rows and update differing ones, and note all of them as seen under the table's name.

    Args:
        rows: Whole rows by column name, the primary key (one id) among them.
        ignore: Columns that take no part in the comparison.

    Yields:
        The differences of each batch, once they are written.
    """
    (key,) = table.primary_key.columns
    for batch in batches(rows):
        by_id = {row[key.name]: dict(row) for row in batch}
        seen.add(table.name, by_id)
        yield write(session, table, by_id, existing(session, table, by_id), ignore=ignore)


def existing(session: Session, table: Table, ids: Iterable[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """The rows with these ids, locked until the transaction ends."""
    (key,) = table.primary_key.columns
    found = session.execute(select(table).where(key.in_(list(ids))).with_for_update()).mappings()
    return {row[key.name]: dict(row) for row in found}


def write(
    session: Session,
    table: Table,
    rows: Mapping[UUID, dict[str, Any]],
    stored: Mapping[UUID, Mapping[str, Any]],
    *,
    ignore: Sequence[str] = (),
) -> Differences:
    """Insert the rows that are not stored and update those that differ."""
    added = [row for row_id, row in rows.items() if row_id not in stored]
    changed = [
        row
        for row_id, row in rows.items()
        if row_id in stored and any(row[name] != stored[row_id][name] for name in row if name not in ignore)
    ]
    insert_many(session, table, added)
    update_rows(session, table, changed)
    return Differences(added, changed, len(rows) - len(added) - len(changed))


def update_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update rows by primary key; all must have the same columns."""
    if not rows:
        return
    (key,) = table.primary_key.columns
    names = [name for name in rows[0] if name != key.name]
    statement = (
        table.update().where(key == bindparam("row_key")).values({name: bindparam(f"new_{name}") for name in names})
    )
    values = [{"row_key": row[key.name], **{f"new_{name}": row[name] for name in names}} for row in rows]
    # Through the connection, so that the ORM does not take this for its own bulk update.
    session.connection().execute(statement, values)


def forget_unseen(session: Session, table: Table, *, source: str, owner: Column[UUID] | None = None) -> int:
    """
    Delete what a source said before and did not say now; how many rows.

    Args:
        owner: Column with the person whose record states the row: then only rows of people
            named by the package are deleted, as in a delta.
    """
    (key,) = table.primary_key.columns
    conditions = [table.c.source == source, ~SeenRows.has(table.name, key)]
    if owner is not None:
        conditions.append(SeenRows.has("people", owner))
    return session.connection().execute(delete(table).where(and_(*conditions))).rowcount


def forget(session: Session, table: Table, ids: Iterable[UUID]) -> None:
    """Delete the rows with these ids."""
    (key,) = table.primary_key.columns
    for batch in batches(ids):
        session.connection().execute(delete(table).where(key.in_(batch)))
