"""
What a package says, normalised, whatever format it came in.

The records are kept in a private scratch database that spills to an unnamed file, so a district of
any size is read with the same memory, and what must be checked across files is one statement.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from services.roster.imports.records import (
    BirthDate,
    CaseloadRow,
    Link,
    Membership,
    Mode,
    Org,
    Person,
    RoleHeld,
    Table,
)

_SCHEMA = """
CREATE TABLE orgs (key PRIMARY KEY, name, type, parent, lowest_grade, highest_grade, file, line) WITHOUT ROWID;
CREATE TABLE people (key PRIMARY KEY, given_name, family_name, email, phone, language, grade, file, line) WITHOUT ROWID;
CREATE TABLE roles (key PRIMARY KEY, person, role, relation, is_primary, org, begins_on, ends_on, grade, file, line)
    WITHOUT ROWID;
CREATE INDEX roles_person ON roles (person);
CREATE TABLE birth_dates (person PRIMARY KEY, born_on, file, line) WITHOUT ROWID;
CREATE TABLE links (owner, other, relation, file, line, PRIMARY KEY (owner, other)) WITHOUT ROWID;
CREATE TABLE memberships (key PRIMARY KEY, class_key, person, role, begins_on, ends_on, file, line) WITHOUT ROWID;
CREATE TABLE caseload (student, staff, relation, begins_on, ends_on, file, line, PRIMARY KEY (student, staff, relation))
    WITHOUT ROWID;
CREATE TABLE deleted (kind, key, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE keys (file, key, line, PRIMARY KEY (file, key)) WITHOUT ROWID;
CREATE TABLE refs (target, value, file, column_name, line, PRIMARY KEY (target, value, file, column_name))
    WITHOUT ROWID;
"""


@dataclass
class Snapshot:
    """
    One package, read and normalised.

    Args:
        source: Name of the system it comes from; ids are unique within a source, and a bulk table
            replaces what this source said before and nothing else.
        modes: Which tables were sent: bulk (complete) or delta; a table not in it was not sent.
        owned: Tables whose rows belong to a person's row and are replaced with it, even in a delta.
        ended_means_left: Whether a student whose every role has ended has left, as an Ed-Fi exit date says;
            OneRoster sources leave past end dates standing on students they still list.
    """

    source: str
    modes: dict[Table, Mode] = field(default_factory=dict)
    owned: set[Table] = field(default_factory=set)
    ended_means_left: bool = False

    def __post_init__(self) -> None:
        self._scratch = sqlite3.connect("", isolation_level=None)  # "" is a private file, deleted when closed
        self._scratch.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._scratch.close()

    def add(self, table: Table, row: Org | Person | RoleHeld | BirthDate | Link | Membership | CaseloadRow) -> bool:
        """Keep one record; False if there is one with its key already (the first is kept)."""
        marks = ",".join("?" * len(row))
        return self._scratch.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", _stored(row)).rowcount == 1  # noqa: S608

    def first_line(self, file: str, key: str, line: int) -> int:
        """The line on which `key` first occurs in `file`; `line` itself if this is it."""
        if self._scratch.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (file, key, line)).rowcount:
            return line
        found = self._scratch.execute("SELECT line FROM keys WHERE file = ? AND key = ?", (file, key)).fetchone()
        return int(found[0])

    def knows(self, file: str, key: str) -> bool:
        return self.query("SELECT 1 FROM keys WHERE file = ? AND key = ?", file, key) != []

    def refer(self, target: str, value: str, *, file: str, line: int, column: str) -> None:
        """Note a reference whose target may come later in the package; the first of each value is kept."""
        self._scratch.execute("INSERT OR IGNORE INTO refs VALUES (?, ?, ?, ?, ?)", (target, value, file, column, line))

    def delete(self, table: Table, key: str) -> None:
        """Note that a delta row says this record is to be deleted."""
        self._scratch.execute("INSERT OR IGNORE INTO deleted VALUES (?, ?)", (table, key))

    def deleted(self, table: Table) -> Iterator[str]:
        return (key for (key,) in self.rows("SELECT key FROM deleted WHERE kind = ? ORDER BY key", table))

    def count(self, table: Table) -> int:
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608

    def orgs(self) -> Iterator[Org]:
        return (Org(*row) for row in self.rows("SELECT * FROM orgs ORDER BY key"))

    def people(self) -> Iterator[Person]:
        return (Person(*row) for row in self.rows("SELECT * FROM people ORDER BY key"))

    def roles(self) -> Iterator[RoleHeld]:
        for row in self.rows("SELECT * FROM roles ORDER BY key"):
            key, person, role, relation, is_primary, org, begins, ends, *rest = row
            yield RoleHeld(key, person, role, relation, bool(is_primary), org, _day(begins), _day(ends), *rest)

    def birth_dates(self) -> Iterator[BirthDate]:
        for person, born_on, file, line in self.rows("SELECT * FROM birth_dates ORDER BY person"):
            yield BirthDate(person, date.fromisoformat(born_on), file, line)

    def links(self) -> Iterator[Link]:
        return (Link(*row) for row in self.rows("SELECT * FROM links ORDER BY owner, other"))

    def memberships(self) -> Iterator[Membership]:
        for key, class_key, person, role, begins, ends, *rest in self.rows("SELECT * FROM memberships ORDER BY key"):
            yield Membership(key, class_key, person, role, _day(begins), _day(ends), *rest)

    def caseload(self) -> Iterator[CaseloadRow]:
        for student, staff, relation, begins, ends, *rest in self.rows("SELECT * FROM caseload ORDER BY line"):
            yield CaseloadRow(student, staff, relation, _day(begins), _day(ends), *rest)

    def place_of_person(self, key: str) -> tuple[str, int] | None:
        """File and line of a person's row, for a finding about it."""
        found = self.query("SELECT file, line FROM people WHERE key = ?", key)
        return (found[0][0], found[0][1]) if found else None

    def rows(self, statement: str, *arguments: object) -> Iterator[tuple]:  # type: ignore[type-arg]
        """Rows of the scratch database, read as they are needed."""
        with closing(self._scratch.cursor()) as cursor:
            cursor.execute(statement, arguments)
            while batch := cursor.fetchmany(1000):
                yield from batch

    def query(self, statement: str, *arguments: object) -> list[tuple]:  # type: ignore[type-arg]
        return self._scratch.execute(statement, arguments).fetchall()

    def run(self, statement: str, *arguments: object) -> None:
        self._scratch.execute(statement, arguments)


def _stored(row: tuple) -> list[object]:  # type: ignore[type-arg]
    return [value.isoformat() if isinstance(value, date) else value for value in row]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
