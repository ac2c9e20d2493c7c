"""Importing a roster: read, judge, apply or park; and deciding about what was parked."""

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.roster.caseloads.matching import mirror_caseload, staff_on_roster
from services.roster.imports.applying import Applying
from services.roster.imports.caseload_file import read_caseload
from services.roster.imports.edfi import read_edfi
from services.roster.imports.findings import Findings
from services.roster.imports.mirror import mirror_people, mirror_schools, mirror_statements
from services.roster.imports.oneroster import read_oneroster
from services.roster.imports.package import Package, digest_of, open_package, open_zip, packed
from services.roster.imports.progress import Progress, silent
from services.roster.imports.report import ImportReport, Kind, State
from services.roster.imports.rules import (
    ImportNotParked,
    RemovalTooLarge,
    check_confirmed_removals,
    check_removals,
    guarded_kinds,
)
from services.roster.imports.settling import settle_all_caseloads, settle_people, settle_relations
from services.roster.imports.snapshot import Snapshot
from services.roster.imports.sync import SeenRows
from services.roster.imports.tables import roster_imports, roster_sources
from services.roster.people.rules import Digests
from services.roster.settings import RosterSettings
from services.roster.students.rules import school_year_start
from shared.auth.keys import Keys
from shared.database.database import Database
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.problems import NotFound
from shared.sealing import Sealer
from shared.settings import Settings
from shared.telemetry.logs import get_logger

ImportKind = Literal["oneroster", "edfi", "caseload"]
LONGEST_SOURCE = 120

log = get_logger(__name__)


def import_roster(
    path: Path,
    kind: ImportKind,
    *,
    database: Database,
    settings: Settings,
    progress: Progress = silent,
    source: str | None = None,
    school_year: int | None = None,
) -> ImportReport:
    """
    Import a package, all or nothing.

    A second import of the same files changes nothing and emits nothing. One that would remove more
    people than the set share changes nothing either: it is parked for a person to decide.

    Args:
        path: Zip or folder (oneroster, edfi), or one CSV file (caseload).
        progress: Called with the step, and how much of it is done of how much.
        source: Name under which this system's people are kept; default: what the package says.
        school_year: Calendar year in which the school year begins that grades without a source are taken for;
            default: the present one.

    Raises:
        ImportRefused: There are errors; all of them are listed, and nothing was changed.
    """
    roster = settings.specialized(RosterSettings)
    findings = Findings()
    with (
        open_package(path, max_bytes=roster.import_max_bytes, findings=findings) as package,
        _read(kind, package, roster, source=source, findings=findings, progress=progress) as snapshot,
    ):
        run = _Run(kind, snapshot, package.name, digest_of(package), roster, findings, progress, school_year)
        try:
            with database.transaction() as uow:
                report = _apply(uow, run)
        except RemovalTooLarge as refusal:
            with database.transaction() as uow:
                report = _park(uow, run, package, refusal)
    log.info(
        "roster_imported",
        state=report.state,
        source=report.source,
        import_id=str(report.import_id),
        events=report.events,
    )
    return report


def confirm_import(
    import_id: UUID, *, uow: UnitOfWork, settings: Settings, by: UUID | None, progress: Progress = silent
) -> ImportReport:
    """
    Apply a parked import, removals included.

    Args:
        by: Who decided; None for an operator at the command line.

    Raises:
        NotFound: There is no such import.
        ImportNotParked: It does not wait for a decision.
        RosterMoved: It would by now remove more than it did when it was parked.
        ImportRefused: What it refers to has gone meanwhile.
    """
    parked = _parked(uow.session, import_id)
    roster = settings.specialized(RosterSettings)
    findings = Findings()
    content = base64.b64decode(Sealer.from_settings(settings).open(parked["sealed_content"])["zip"])
    with (
        open_zip(
            parked["file_name"], io.BytesIO(content), max_bytes=roster.import_max_bytes, findings=findings
        ) as package,
        _read(
            parked["kind"], package, roster, source=parked["source"], findings=findings, progress=progress
        ) as snapshot,
    ):
        run = _Run(
            parked["kind"],
            snapshot,
            parked["file_name"],
            parked["digest"],
            roster,
            findings,
            progress,
            parked["school_year"],
        )
        return _apply(uow, run, confirming=parked, by=by)


def reject_import(import_id: UUID, *, uow: UnitOfWork, by: UUID | None) -> Mapping[str, Any]:
    """
    Discard a parked import and its content.

    Raises:
        NotFound: There is no such import.
        ImportNotParked: It does not wait for a decision.
    """
    _parked(uow.session, import_id)
    _decide(uow, roster_imports.c.import_id == import_id, state="rejected", by=by)
    return read_import(uow.session, import_id)


def read_import(session: Session, import_id: UUID) -> Mapping[str, Any]:
    """
    Raises:
        NotFound: There is no such import.
    """
    row = session.execute(select(*_SHOWN).where(roster_imports.c.import_id == import_id)).mappings().first()
    if row is None:
        raise NotFound
    return dict(row)


def list_imports(session: Session, *, limit: int, after: tuple[Any, UUID] | None = None) -> list[Mapping[str, Any]]:
    """Imports that changed something or wait to, the latest first."""
    latest = (roster_imports.c.imported_at, roster_imports.c.import_id)
    query = select(*_SHOWN).order_by(*(column.desc() for column in latest)).limit(limit)
    if after is not None:
        at, import_id = after
        is_older = (latest[0] < at) | ((latest[0] == at) & (latest[1] < import_id))
        query = query.where(is_older)
    return [dict(row) for row in session.execute(query).mappings()]


_SHOWN = [column for column in roster_imports.c if column.name != "sealed_content"]


class _Run:
    """One package on its way into the store."""

    def __init__(
        self,
        kind: ImportKind,
        snapshot: Snapshot,
        package_name: str,
        digest: str,
        settings: RosterSettings,
        findings: Findings,
        progress: Progress,
        school_year: int | None,
    ) -> None:
        self.kind = kind
        self.snapshot = snapshot
        self.package_name = package_name
        self.digest = digest
        self.settings = settings
        self.findings = findings
        self.progress = progress
        self.school_year = school_year

    def applying(self, uow: UnitOfWork) -> Applying:
        zone = ZoneInfo(self.settings.time_zone)
        today = uow.clock.now().astimezone(zone).date()
        year_start = school_year_start(today, self.settings.school_year_starts)
        if self.school_year is not None:
            year_start = school_year_start(date(self.school_year, 12, 31), self.settings.school_year_starts)
        return Applying(
            uow=uow,
            snapshot=self.snapshot,
            sealer=Sealer.from_settings(self.settings),
            digests=Digests(Keys.from_settings(self.settings).sealing_keys),
            zone=zone,
            today=today,
            year_start=year_start,
            package_name=self.package_name,
            findings=self.findings,
            progress=self.progress,
        )


@contextmanager
def _read(
    kind: ImportKind,
    package: Package,
    settings: RosterSettings,
    *,
    source: str | None,
    findings: Findings,
    progress: Progress,
) -> Iterator[Snapshot]:
    region = settings.phone_region
    match kind:
        case "oneroster":
            snapshot = read_oneroster(package, source=source, region=region, findings=findings, progress=progress)
        case "edfi":
            snapshot = read_edfi(package, source=source, region=region, findings=findings, progress=progress)
        case "caseload":
            snapshot = read_caseload(package, source=source, findings=findings, progress=progress)
    with snapshot:
        if not 1 <= len(snapshot.source) <= LONGEST_SOURCE:
            findings.error(package.name, None, "source", snapshot.source, f"1 to {LONGEST_SOURCE} characters")
        findings.refuse_if_wrong()
        yield snapshot


def _apply(
    uow: UnitOfWork, run: _Run, *, confirming: Mapping[str, Any] | None = None, by: UUID | None = None
) -> ImportReport:
    """
    Raises:
        RemovalTooLarge: It would remove more than the set share; the transaction must be rolled back.
        ImportRefused: Errors were found; likewise.
    """
    _lock_source(uow, run.snapshot.source)
    applying = run.applying(uow)
    seen = SeenRows(uow.session)
    if run.kind == "caseload":
        _apply_caseload(applying, seen)
    else:
        _apply_roster(applying, seen)
    seen.drop()
    run.findings.refuse_if_wrong()
    guarded = guarded_kinds(run.snapshot.modes)
    if confirming is None:
        check_removals(applying.tally, guarded, share=run.settings.import_removal_share)
    else:
        check_confirmed_removals(applying.tally, guarded, confirming["report"]["counts"])
    return _record_applied(uow, run, applying, confirming, by)


def _apply_roster(applying: Applying, seen: SeenRows) -> None:
    mirror_schools(applying, seen)
    mirror_people(applying, seen)
    mirror_statements(applying, seen)
    settle_people(applying)
    settle_relations(applying)


def _apply_caseload(applying: Applying, seen: SeenRows) -> None:
    for key in staff_on_roster(applying):
        applying.snapshot.run("DELETE FROM people WHERE key = ?", key)
        applying.snapshot.run("DELETE FROM roles WHERE person = ?", key)
    mirror_people(applying, seen)
    mirror_statements(applying, seen)
    mirror_caseload(applying, seen)
    settle_people(applying)
    settle_all_caseloads(applying)


def _lock_source(uow: UnitOfWork, source: str) -> None:
    upsert(uow.session, roster_sources, {"source": source}, key=["source"])
    uow.session.execute(select(roster_sources).where(roster_sources.c.source == source).with_for_update())


def _record_applied(
    uow: UnitOfWork, run: _Run, applying: Applying, confirming: Mapping[str, Any] | None, by: UUID | None
) -> ImportReport:
    tally = applying.tally
    is_unchanged = not tally.events and not any(counts.touched for counts in tally.counts.values())
    state: State = "confirmed" if confirming else "unchanged" if is_unchanged else "applied"
    import_id = confirming["import_id"] if confirming else None if is_unchanged else uuid4()
    report = _report(run, tally.counts, dict(tally.events), state, import_id)
    parked = (roster_imports.c.source == applying.source) & (roster_imports.c.state == "parked")
    if confirming:
        mine = roster_imports.c.import_id == import_id
        _decide(uow, mine, state="confirmed", by=by, report=report.document())
        parked &= ~mine
    elif import_id is not None:
        uow.session.execute(roster_imports.insert().values(**_row(uow, run, report), sealed_content=None))
    # Whatever else of this source waits is older than what has just been applied.
    _decide(uow, parked, state="rejected", by=None, reason="A later import of the same source was applied.")
    return report


def _park(uow: UnitOfWork, run: _Run, package: Package, refusal: RemovalTooLarge) -> ImportReport:
    same = select(roster_imports.c.import_id).where(
        roster_imports.c.source == run.snapshot.source,
        roster_imports.c.digest == run.digest,
        roster_imports.c.state == "parked",
    )
    import_id = uow.session.scalar(same) or uuid4()
    report = _report(run, refusal.tally.counts, {}, "parked", import_id, reason=refusal.reason)
    content = base64.b64encode(packed(package)).decode()
    sealed = Sealer.from_settings(run.settings).seal({"zip": content})
    upsert(uow.session, roster_imports, {**_row(uow, run, report), "sealed_content": sealed}, key=["import_id"])
    return report


def _report(
    run: _Run,
    counts: Mapping[Kind, Any],
    events: Mapping[str, int],
    state: State,
    import_id: UUID | None,
    *,
    reason: str | None = None,
) -> ImportReport:
    return ImportReport(
        state=state,
        source=run.snapshot.source,
        counts=dict(counts),
        events=dict(events),
        findings=run.findings.listed(),
        warnings=run.findings.warnings,
        import_id=import_id,
        reason=reason,
    )


def _row(uow: UnitOfWork, run: _Run, report: ImportReport) -> dict[str, Any]:
    return {
        "import_id": report.import_id,
        "kind": run.kind,
        "source": report.source,
        "file_name": run.package_name[:255],
        "digest": run.digest,
        "school_year": run.school_year,
        "state": report.state,
        "reason": report.reason,
        "report": report.document(),
        "imported_at": uow.clock.now(),
    }


def _parked(session: Session, import_id: UUID) -> Mapping[str, Any]:
    query = select(roster_imports).where(roster_imports.c.import_id == import_id).with_for_update()
    row = session.execute(query).mappings().first()
    if row is None:
        raise NotFound
    if row["state"] != "parked":
        raise ImportNotParked(f"The import is {row['state']} already.", state=row["state"])
    return dict(row)


def _decide(uow: UnitOfWork, which: Any, *, state: str, by: UUID | None, **values: Any) -> None:
    decided = {"state": state, "decided_by": by, "decided_at": uow.clock.now(), "sealed_content": None, **values}
    uow.session.execute(roster_imports.update().where(which).values(**decided))
