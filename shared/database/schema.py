"""Column types and statements that mean the same on PostgreSQL and SQLite."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Integer, Table, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from shared.database.deferred import DeferredUpserts

DEFERRED = "deferred_upserts"  # where a session keeps what it holds back, in its `info`
UNSAID = 0  # version of a part of a row of which no event has spoken yet
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = JSON().with_variant(postgresql.JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in, aware UTC out, microseconds kept, sortable on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Credits(TypeDecorator[Decimal]):
    """Credits, exact to a hundredth; stored as an integer because SQLite has no decimals."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(Decimal(value).scaleb(2).to_integral_exact())

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


def insert(session: Session, table: Table) -> Any:
    """The dialect's own INSERT, the one that knows ON CONFLICT."""
    return insert_into(session.get_bind().dialect.name, table)


def insert_into(dialect: str, table: Table) -> Any:
    """The same where there is no session yet: for a statement put together once and kept."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def upsert(
    session: Session,
    table: Table,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    newer_than: str | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """
    Insert rows, or replace those with the same key.

    While a batch of events is applied the rows may be held back, to be written with those of
    other events; see DeferredUpserts.

    Args:
        key: Columns of the unique key that tells rows apart.
        newer_than: Column by which an existing row is replaced only by a higher value;
            this is how a projection ignores older events.
        only: Columns to replace in an existing row; by default all but the key.
    """
    rows = [values] if isinstance(values, Mapping) else list(values)
    if not rows:
        return
    dialect = session.get_bind().dialect.name
    shape = (tuple(rows[0]), tuple(key), newer_than, None if only is None else tuple(only))
    write(session, table, _upsert_statement(dialect, table, *shape), rows)


def insert_new(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """
    Insert rows; one that is there already, by any unique key, stays as it is.

    Held back like an upsert.
    """
    if rows:
        write(session, table, _insert_new_statement(session.get_bind().dialect.name, table, tuple(rows[0])), rows)


def upsert_parts(session: Session, table: Table, row: Mapping[str, Any], *, parts: Mapping[str, Sequence[str]]) -> None:
    """
    Insert a row, or take from it those parts of which it knows something newer.

    For a projection in which some events tell one part alone: one version for the whole row would let an event that
    arrives first hide what an older one says about another part.

    Args:
        parts: By the column that keeps its version, the columns of each part. UNSAID as the version of a part of
            which the row does not speak.
    """
    shape = tuple((version, tuple(columns)) for version, columns in parts.items())
    write(session, table, _parts_statement(session.get_bind().dialect.name, table, shape), [row])


def write(session: Session, table: Table, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """
    Execute an upsert of one's own, or hold it back where `upsert` would.

    Args:
        statement: The same object each time, with the columns of `rows` as its parameters.
    """
    deferred: DeferredUpserts | None = session.info.get(DEFERRED)
    if deferred is None:
        session.execute(statement, rows)
    else:
        deferred.add(table, statement, rows)


@lru_cache(maxsize=512)
def _insert_new_statement(dialect: str, table: Table, columns: tuple[str, ...]) -> Any:
    """One for each set of columns: rows written together must have the same."""
    return insert_into(dialect, table).on_conflict_do_nothing()


@lru_cache(maxsize=512)
def _upsert_statement(
    dialect: str,
    table: Table,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    newer_than: str | None,
    only: tuple[str, ...] | None,
) -> Any:
    statement = insert_into(dialect, table)
    replaced = {name: statement.excluded[name] for name in only or columns if name not in key}
    if not replaced:
        return statement.on_conflict_do_nothing(index_elements=key)
    condition = None if newer_than is None else table.c[newer_than] < statement.excluded[newer_than]
    return statement.on_conflict_do_update(index_elements=key, set_=replaced, where=condition)


@lru_cache
def _parts_statement(dialect: str, table: Table, parts: tuple[tuple[str, tuple[str, ...]], ...]) -> Any:
    statement = insert_into(dialect, table)
    replaced = {}
    for part, columns in parts:
        is_newer = statement.excluded[part] > table.c[part]
        for name in (part, *columns):
            replaced[name] = case((is_newer, statement.excluded[name]), else_=table.c[name])
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced)
