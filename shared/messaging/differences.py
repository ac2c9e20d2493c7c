"""Two copies of one table compared in a single pass over each, and one made like the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Table, func, select
from sqlalchemy.orm import Session

from shared.database.schema import upsert

PAGE = 1000
CHUNK = 500

Report = Callable[[str, int, int], None]
Values = dict[str, Any]


@dataclass
class Difference:
    """Rows of one table that are not as they should be, and how many rows there should be."""

    table: str
    missing: int = 0
    different: int = 0
    unfounded: int = 0
    rows: int = 0

    @property
    def total(self) -> int:
        return self.missing + self.different + self.unfounded


@dataclass
class _Changes:
    """What has to be done to one table; held until both were read to the end."""

    missing: list[Values] = field(default_factory=list)
    different: list[Values] = field(default_factory=list)
    unfounded: list[Any] = field(default_factory=list)


def find_difference(session: Session, right: Session, table: Table, *, report: Report, change: bool) -> Difference:
    """
    Where a table in `session` is not as the same table in `right`.

    Args:
        change: Make it so. The caller sees to it that nobody else writes to it meanwhile.
    """
    changes, rows = _Changes(), 0
    total = count_rows(right, table)
    for found, wanted in _side_by_side(table, _rows(session, table), _rows(right, table)):
        if wanted is not None:
            rows += 1
        match found, wanted:
            case None, dict():
                changes.missing.append(wanted)
            case dict(), None:
                changes.unfounded.append(found[key_of(table).name])
            case _ if found != wanted and wanted is not None:
                changes.different.append(wanted)
        if rows % PAGE == 0:
            report(f"looking at {table.name}", rows, total)
    if change:
        _carry_out(session, table, changes)
    return Difference(table.name, len(changes.missing), len(changes.different), len(changes.unfounded), rows)


def count_rows(session: Session, table: Table) -> int:
    return session.execute(select(func.count()).select_from(table)).scalar_one()


def key_of(table: Table) -> Column[Any]:
    [key] = table.primary_key
    return key


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(items), CHUNK):
        yield items[begin : begin + CHUNK]


def _side_by_side(
    table: Table, ours: Iterator[Values], theirs: Iterator[Values]
) -> Iterator[tuple[Values | None, Values | None]]:
    """Rows of both by key, None where one has no such row. Both come in the order of their keys."""
    key = key_of(table).name
    our, their = next(ours, None), next(theirs, None)
    while our is not None or their is not None:
        if their is None or (our is not None and our[key] < their[key]):
            yield our, None
            our = next(ours, None)
        elif our is None or their[key] < our[key]:
            yield None, their
            their = next(theirs, None)
        else:
            yield our, their
            our, their = next(ours, None), next(theirs, None)


def _rows(session: Session, table: Table) -> Iterator[Values]:
    """As values that compare alike whatever the database; ids sort alike too: by bytes, or by their digits."""
    statement = select(table).order_by(key_of(table)).execution_options(yield_per=PAGE)
    names = [column.name for column in table.c]
    for row in session.execute(statement):
        yield dict(zip(names, row, strict=True))


def _carry_out(session: Session, table: Table, changes: _Changes) -> None:
    key = key_of(table)
    for unfounded in chunks(changes.unfounded):
        session.execute(table.delete().where(key.in_(unfounded)))
    for different in chunks(changes.different):
        upsert(session, table, different, key=[key.name])
    for missing in chunks(changes.missing):
        session.execute(table.insert(), missing)
