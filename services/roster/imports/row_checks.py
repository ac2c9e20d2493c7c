"""What OneRoster asks of every row, whatever file it is in: id, status, dates, booleans, vocabularies."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.roster.imports.csv_table import Row
from services.roster.imports.findings import Findings
from services.roster.imports.oneroster_files import BOOLEAN_COLUMNS, DATE_COLUMNS, EXTENSIBLE, REFERENCES, FileKind
from services.roster.imports.records import Mode
from services.roster.imports.snapshot import Snapshot

Standing = Literal["active", "deleted"]

_SOURCED_ID = re.compile(r"^[0-9A-Za-z._/@-]{1,255}$")
_DATE_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_EXTENSION = re.compile(r"^ext:[A-Za-z0-9._-]+$")

SOURCED_ID_EXPECTED = "1 to 255 characters of 0-9 A-Z a-z . - _ / @"
DATE_EXPECTED = "a date YYYY-MM-DD"


@dataclass
class RowChecks:
    """
    Checks the rows of one file; values that are clear in spite of their form are put right and reported.

    `check` says whether a row is active or deleted, or None if it cannot be used.
    """

    kind: FileKind
    mode: Mode
    snapshot: Snapshot
    findings: Findings

    def __post_init__(self) -> None:
        names = self.kind.columns.names
        self._dates = [name for name in names if name in DATE_COLUMNS]
        self._booleans = [name for name in names if name in BOOLEAN_COLUMNS]
        self._vocabularies = [(name, words) for name in names if (words := self.kind.vocabulary(name))]
        self._references = [
            (name, target) for name in names if (target := REFERENCES.get((self.kind.name, name))) is not None
        ]

    def check(self, row: Row) -> Standing | None:
        standing = self._identity_and_status(row)
        if standing is None:
            return None
        usable = [self._check_date(row, name) for name in self._dates]
        usable += [self._check_word(row, name, words) for name, words in self._vocabularies]
        for name in self._booleans:
            self._check_boolean(row, name)
        if standing == "active":
            self._note_references(row)
        return standing if all(usable) else None

    def _identity_and_status(self, row: Row) -> Standing | None:
        key_column = self.kind.key_column
        if key_column is not None:
            key = row[key_column]
            if not is_sourced_id(key):
                if key:  # a blank one has been reported already
                    self._report(row, key_column, SOURCED_ID_EXPECTED)
                return None
            first = self.snapshot.first_line(self.kind.name, key, row.line)
            if first != row.line:
                self._report(row, key_column, f"each {key_column} once in the file; first on line {first}")
                return None
        return "active" if self.kind.version == "sds" else self._status(row)

    def _status(self, row: Row) -> Standing | None:
        status, modified = row["status"], row["dateLastModified"]
        if self.mode == "bulk":
            if status:
                self._warn(row, "status", "blank: every row of a bulk file is active")
            if modified:
                self._warn(row, "dateLastModified", "blank in a bulk file")
        elif not modified:
            self._warn(row, "dateLastModified", "the time of the change, required in a delta file")
        if modified and not _DATE_TIME.match(modified):
            self._warn(row, "dateLastModified", "a time YYYY-MM-DDThh:mm:ss.sssZ")
        lowered = status.lower()
        if lowered == "inactive":
            self._warn(row, "status", "tobedeleted (inactive is no longer valid); taken as that")
            return "deleted"
        if lowered in ("active", "tobedeleted"):
            return "active" if lowered == "active" else "deleted"
        if status == "" and self.mode == "bulk":
            return "active"
        self.findings.error(self.kind.file, row.line, "status", status, "active or tobedeleted")
        return None

    def _check_date(self, row: Row, name: str) -> bool:
        text = row[name]
        if not text or date_in(text):
            return True
        if _DATE_TIME.match(text) and date_in(text[:10]):
            self._warn(row, name, f"{DATE_EXPECTED} without a time")
            row.cells[name] = text[:10]
            return True
        return self._report(row, name, DATE_EXPECTED)

    def _check_word(self, row: Row, name: str, words: frozenset[str]) -> bool:
        text = row[name]
        if not text or text in words:
            return True
        if self.kind.version == "1.2" and name in EXTENSIBLE and _EXTENSION.match(text):
            return True
        by_lower_case = {word.lower(): word for word in words}
        if meant := by_lower_case.get(text.lower()):
            self._warn(row, name, f"{meant}, in exactly this spelling; read as that")
            row.cells[name] = meant
            return True
        return self._report(row, name, f"one of {', '.join(sorted(words))}")

    def _check_boolean(self, row: Row, name: str) -> None:
        if row[name] not in ("", "true", "false"):
            self._warn(row, name, "true or false")

    def _note_references(self, row: Row) -> None:
        for name, target in self._references:
            for value in listed(row[name]):
                self.snapshot.refer(target, value, file=self.kind.file, line=row.line, column=name)

    def _report(self, row: Row, name: str, expected: str) -> bool:
        """An error where the value is acted on, else a warning; whether the row can be used all the same."""
        severity = self.kind.columns.severity(name)
        self.findings.add(severity, self.kind.file, row.line, name, row[name], expected)
        return severity == "warning"

    def _warn(self, row: Row, name: str, expected: str) -> None:
        self.findings.warning(self.kind.file, row.line, name, row[name], expected)


def listed(cell: str) -> list[str]:
    """The values of a cell that holds a comma-separated list."""
    return [value for part in cell.split(",") if (value := part.strip())]


def day(text: str) -> date | None:
    """The date in a cell that has passed the checks."""
    return date.fromisoformat(text) if text else None


def date_in(text: str) -> date | None:
    """The date that `text` spells as YYYY-MM-DD; None if it does not."""
    try:
        return date.fromisoformat(text) if _DATE.match(text) else None
    except ValueError:
        return None


def is_sourced_id(text: str) -> bool:
    return _SOURCED_ID.match(text) is not None
