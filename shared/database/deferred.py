"""The upserts of many events in one transaction, written together."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Select, Table, event
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.schema import sort_tables
from sqlalchemy.sql import visitors

_READS = "signpost_reads"
SelectT = TypeVar("SelectT", bound=Select[Any])


def standing(statement: SelectT) -> SelectT:
    """
    Make a SELECT that is put together once and kept: what is held back for tables it does not read may wait.

    Looking for its tables takes longer than executing it; so not for a statement made on the spot.
    """
    tables = frozenset(each for each in visitors.iterate(statement) if isinstance(each, Table))
    return statement.execution_options(**{_READS: tables})


class DeferredUpserts:
    """
    Holds back the upserts of a session and writes those of one shape in one statement (docs/decisions/0010).

    Nobody sees a difference but in speed: whatever else the session executes, all that is
    held back is written before it, unless it is a `standing` SELECT from other tables. The
    rows of a table are written in their order, and a row after those it refers to.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[Table, tuple[Any, list[dict[str, Any]]]] = {}
        event.listen(session, "do_orm_execute", self._before)

    def add(self, table: Table, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """
        Args:
            statement: The same object for the same shape.
        """
        if table in self._held and self._held[table][0] is not statement:
            self.write()
        self._held.setdefault(table, (statement, []))[1].extend(map(dict, rows))

    def write(self) -> None:
        held, self._held = self._held, {}
        for table in _referred_to_first(tuple(held)):
            self._session.execute(*held[table])

    def _before(self, execution: ORMExecuteState) -> None:
        reads = execution.execution_options.get(_READS)
        if reads is None or not reads.isdisjoint(self._held):
            self.write()

    def forget(self) -> None:
        """Drop what is held back, because what it belongs to is undone."""
        self._held = {}


@lru_cache(maxsize=256)
def _referred_to_first(tables: tuple[Table, ...]) -> list[Table]:
    return sort_tables(tables)
