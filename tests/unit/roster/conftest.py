"""A roster database of its own, and OneRoster packages made up row by row."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import Table, select

from services.roster.imports.findings import Finding, ImportRefused
from services.roster.imports.handlers import ImportKind, import_roster
from services.roster.imports.oneroster_files import Version, files_of
from services.roster.imports.report import ImportReport
from services.roster.settings import RosterSettings
from shared.database.database import Database
from shared.messaging.tables import outbox
from shared.testing import FakeClock, sqlite_database


@dataclass
class Roster:
    """The service's database and settings, and what came out of it."""

    database: Database
    settings: RosterSettings
    clock: FakeClock

    def take_in(self, path: Path, kind: ImportKind = "oneroster", **options: Any) -> ImportReport:
        return import_roster(path, kind, database=self.database, settings=self.settings, **options)

    def refusal(self, path: Path, kind: ImportKind = "oneroster", **options: Any) -> list[Finding]:
        """The errors an import is refused with."""
        with pytest.raises(ImportRefused) as refused:
            self.take_in(path, kind, **options)
        return [finding for finding in refused.value.findings.listed() if finding.severity == "error"]

    def rows(self, table: Table) -> list[Mapping[str, Any]]:
        with self.database.reading() as session:
            return [dict(row) for row in session.execute(select(table)).mappings()]

    def events(self, event_type: str = "") -> list[dict[str, Any]]:
        """Bodies of the events recorded so far whose type contains `event_type`, with type and version."""
        return [
            {**json.loads(row["body"]), "type": row["type"], "version": row["subject_version"]}
            for row in sorted(self.rows(outbox), key=lambda row: row["position"])
            if event_type in row["type"]
        ]


@pytest.fixture
def roster(tmp_path: Path) -> Iterator[Roster]:
    clock = FakeClock()
    database = sqlite_database("roster", tmp_path / "home", clock=clock)
    settings = RosterSettings(home=tmp_path / "home", database_url=None, amqp_url=None)
    yield Roster(database, settings, clock)
    database.dispose()


@dataclass
class Package:
    """A OneRoster package being made up; `write` puts it into a folder."""

    folder: Path
    version: Version = "1.2"
    mode: str = "bulk"
    system: str = "sis"
    files: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    extra_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, file: str, **cells: str) -> Self:
        if self.mode == "delta":
            cells = {"status": "active", "dateLastModified": "2026-09-01T08:00:00.000Z", **cells}
        self.files.setdefault(file, []).append(cells)
        return self

    def school(self, key: str = "hs", **cells: str) -> Self:
        return self.add("orgs", **{"sourcedId": key, "name": "Example High School", "type": "school", **cells})

    def person(self, key: str, role: str, *, org: str = "hs", **cells: str) -> Self:
        user = {
            "sourcedId": key,
            "enabledUser": "true",
            "username": key,
            "givenName": f"Given-{key}",
            "familyName": f"Family-{key}",
            **cells,
        }
        if self.version == "1.1":
            return self.add("users", **{"role": role, "orgSourcedIds": org, **user})
        self.add("users", **user)
        return self.add(
            "roles",
            sourcedId=f"role-{key}",
            userSourcedId=key,
            roleType="primary",
            role=role,
            orgSourcedId=org,
        )

    def student(self, key: str, **cells: str) -> Self:
        return self.person(key, "student", **{"grades": "09", **cells})

    def guardian(self, key: str, **cells: str) -> Self:
        return self.person(key, "parent", **{"email": f"{key}@example.org", **cells})

    def born(self, key: str, birth_date: str) -> Self:
        return self.add("demographics", sourcedId=key, birthDate=birth_date)

    def without(self, file: str, **matching: str) -> Self:
        """Drop the rows of a file whose cells match."""
        self.files[file] = [
            row for row in self.files[file] if any(row.get(name) != value for name, value in matching.items())
        ]
        return self

    def manifest(self) -> dict[str, str]:
        return {
            "manifest.version": "1.0",
            "oneroster.version": self.version,
            **{f"file.{name}": self.mode if name in self.files else "absent" for name in files_of(self.version)},
            "source.systemCode": self.system,
        }

    def write(self, manifest: Mapping[str, str] | None = None) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.iterdir():
            stale.unlink()
        rows = [{"propertyName": name, "value": value} for name, value in (manifest or self.manifest()).items()]
        _write_csv(self.folder / "manifest.csv", ("propertyName", "value"), rows)
        for name, kept in self.files.items():
            header = (*files_of(self.version)[name].columns.names, *self.extra_columns.get(name, ()))
            _write_csv(self.folder / f"{name}.csv", header, kept)
        return self.folder


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A school with two students, the first with two guardians, in OneRoster 1.2 bulk."""
    made = Package(tmp_path / "package").school()
    made.student("s1", agentSourcedIds="g1,g2").student("s2", agentSourcedIds="g2", grades="10")
    return made.guardian("g1").guardian("g2")


def errors_and_warnings(findings: list[Finding]) -> dict[tuple[str, int | None, str], Finding]:
    """Findings by where they are."""
    return {(finding.file, finding.line, finding.column): finding for finding in findings}


def _write_csv(path: Path, header: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(rows)
