"""Commands of the roster: `signpost import oneroster|edfi|caseload` and `signpost roster ...`."""

import csv
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from services.roster.guardianships import court_orders
from services.roster.imports import handlers
from services.roster.imports.findings import Finding, ImportRefused
from services.roster.imports.report import KINDS, ImportReport
from services.roster.people.contacts import find_people
from services.roster.settings import RosterSettings
from shared.database.database import Database, DatabaseAway
from shared.database.migrations import migrate
from shared.events.roster import FULL_GUARDIAN_RIGHTS, GuardianRight
from shared.identifiers import stable_id
from shared.problems import NotFound, Problem
from shared.telemetry.logs import configure_logs

SERVICE = "roster"
T = TypeVar("T")

import_app = typer.Typer(no_args_is_help=True, help="Take in rosters, catalogs, rules and partners.")
roster_app = typer.Typer(no_args_is_help=True, help="Parked imports and court orders.")

RosterPath = Annotated[Path, typer.Argument(exists=True, readable=True, help="Zip or folder")]
CaseloadPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV file")]
Source = Annotated[str | None, typer.Option(help="Keep these people under this name instead of the package's own")]
SchoolYear = Annotated[
    int | None, typer.Option(help="Year in which the school year begins, for grades taken from the age")
]
By = Annotated[UUID | None, typer.Option("--by", help="Your Signpost id; default: made from your login name")]
ImportId = Annotated[UUID, typer.Argument(metavar="ID", help="As shown by `signpost roster imports`")]
OrderId = Annotated[UUID, typer.Argument(metavar="ORDER", help="As shown by `signpost roster restrictions`")]


@import_app.command("oneroster")
def import_oneroster(path: RosterPath, source: Source = None, school_year: SchoolYear = None) -> None:
    """Import OneRoster 1.1 or 1.2 CSV, or Microsoft SDS 2.1; all or nothing."""
    _import(path, "oneroster", source, school_year)


@import_app.command("edfi")
def import_edfi(path: RosterPath, source: Source = None, school_year: SchoolYear = None) -> None:
    """Import Ed-Fi 5.2 XML interchanges; all or nothing."""
    _import(path, "edfi", source, school_year)


@import_app.command("caseload")
def import_caseload(path: CaseloadPath, source: Source = None) -> None:
    """Import who is counselor, case manager or teacher of whom, complete; all or nothing."""
    _import(path, "caseload", source, None)


@import_app.command("confirm")
@roster_app.command("confirm")
def confirm(import_id: ImportId, by: By = None) -> None:
    """Apply a parked import, removals included."""
    with _database() as (database, settings), _progress() as progress, database.transaction() as uow:
        report = handlers.confirm_import(import_id, uow=uow, settings=settings, by=_actor(by), progress=progress)
    _show(report)


@import_app.command("reject")
@roster_app.command("reject")
def reject(import_id: ImportId, by: By = None) -> None:
    """Discard a parked import."""
    with _database() as (database, _), database.transaction() as uow:
        handlers.reject_import(import_id, uow=uow, by=_actor(by))
    typer.echo(f"{import_id}: rejected; nothing was changed")


@roster_app.command()
def imports(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """Imports that changed something or wait for a decision, the latest first."""
    with _database() as (database, _), database.reading() as session:
        rows = handlers.list_imports(session, limit=limit)
    for row in rows:
        at = row["imported_at"].strftime("%Y-%m-%d %H:%M")
        typer.echo(
            f"{row['import_id']}  {at}Z  {row['state']:9}  {row['kind']:9}  {row['source']}  {row['reason'] or ''}"
        )
    if not rows:
        typer.echo("There are none. Next: signpost import oneroster PATH")


@roster_app.command()
def restrict(
    student: Annotated[str | None, typer.Argument(help="Signpost id, or the id the source uses")] = None,
    guardian: Annotated[str | None, typer.Argument(help="Signpost id, or the id the source uses")] = None,
    document: Annotated[str | None, typer.Option(help="Where the order is kept, such as a docket number")] = None,
    leave: Annotated[
        list[str] | None, typer.Option(help=f"A right that remains: {', '.join(FULL_GUARDIAN_RIGHTS)}; default: barred")
    ] = None,
    begins_on: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="First day; default: at once")] = None,
    ends_on: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day; default: until lifted")] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            "--from", exists=True, dir_okay=False, help="CSV: student_sourced_id,guardian_sourced_id,document"
        ),
    ] = None,
    by: By = None,
) -> None:
    """File a court order about a guardian. It withholds at once; a second administrator confirms it."""
    if orders is not None:
        with orders.open(newline="", encoding="utf-8-sig") as file:
            wanted = [
                (row["student_sourced_id"], row["guardian_sourced_id"], row["document"]) for row in csv.DictReader(file)
            ]
    elif student and guardian and document:
        wanted = [(student, guardian, document)]
    else:
        _fail("Say STUDENT, GUARDIAN and --document, or give a file with --from.")
    rights = _rights(leave or [])
    filed = []
    with _database() as (database, settings), database.transaction() as uow:
        for student_key, guardian_key, reference in wanted:
            row = court_orders.file_order(
                student_id=_person(uow.session, student_key, "student"),
                guardian_id=_person(uow.session, guardian_key, "guardian"),
                document=reference,
                barred=not rights,
                rights=rights,
                begins_on=_day(begins_on),
                ends_on=_day(ends_on),
                by=_actor(by),
                today=uow.clock.now().astimezone(ZoneInfo(settings.time_zone)).date(),
                uow=uow,
            )
            filed.append(row)
    for row in filed:
        typer.echo(f"{row['order_id']}: filed; what it withholds is withheld from {row['begins_on'] or 'now'} on")
    typer.echo("Next, by another administrator: signpost roster confirm-restriction ORDER --by THEIR_ID")


@roster_app.command()
def restrictions() -> None:
    """Court orders that wait for a second administrator."""
    with _database() as (database, _), database.reading() as session:
        rows = court_orders.list_orders(session, open_only=True)
    for row in rows:
        what = "barred" if row["barred"] else f"leaves {', '.join(row['rights']) or 'nothing'}"
        typer.echo(f"{row['order_id']}  {row['state']:8}  {what}  student {row['student_id']}  by {row['filed_by']}")
    if not rows:
        typer.echo("None waits.")


@roster_app.command("confirm-restriction")
def confirm_restriction(order_id: OrderId, by: By = None) -> None:
    """Confirm, as a second administrator, a court order or its lifting."""
    with _database() as (database, settings), database.transaction() as uow:
        today = uow.clock.now().astimezone(ZoneInfo(settings.time_zone)).date()
        row = court_orders.confirm_order(order_id, by=_actor(by), today=today, uow=uow)
    typer.echo(f"{order_id}: {row['state']}")


@roster_app.command("lift-restriction")
def lift_restriction(
    order_id: OrderId,
    document: Annotated[str, typer.Option(help="Where the decision that lifts it is kept")],
    by: By = None,
) -> None:
    """Ask for a court order to be lifted; it withholds on until a second administrator confirms."""
    with _database() as (database, _), database.transaction() as uow:
        court_orders.ask_to_lift(order_id, document=document, by=_actor(by), uow=uow)
    typer.echo(f"{order_id}: lifting; next, by another administrator: signpost roster confirm-restriction {order_id}")


def _import(path: Path, kind: handlers.ImportKind, source: str | None, school_year: int | None) -> None:
    with _database() as (database, settings), _progress() as progress:
        report = handlers.import_roster(
            path,
            kind,
            database=database,
            settings=settings,
            progress=progress,
            source=source,
            school_year=school_year,
        )
    _show(report)


@contextmanager
def _database() -> Iterator[tuple[Database, RosterSettings]]:
    """The migrated database; refusals and faults of the surroundings become a line and exit code 1."""
    settings = RosterSettings()
    configure_logs(service=SERVICE, level="WARNING")
    try:
        migrate(settings, SERVICE)
        database = Database.open(settings, SERVICE)
        try:
            yield database, settings
        finally:
            database.dispose()
    except ImportRefused as refused:
        _list(refused.findings.listed())
        _fail(
            f"Refused: {refused.findings.errors} error(s), {refused.findings.warnings} warning(s). Nothing was changed."
        )
    except NotFound:
        _fail("There is no such import, order, or link between this guardian and this student.")
    except Problem as problem:
        _fail(problem.detail or problem.title)
    except DatabaseAway as error:
        _fail(f"The roster database is away ({error}); nothing was changed. Is SIGNPOST_DATABASE_URL right?")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=max(total, 1))

        yield show


def _show(report: ImportReport) -> None:
    _list(report.findings)
    for kind in KINDS:
        counts = report.counts[kind]
        if counts.touched or counts.unchanged:
            typer.echo(
                f"{kind}: {counts.added} added, {counts.changed} changed, {counts.removed} removed, "
                f"{counts.unchanged} unchanged"
            )
    typer.echo(f"{report.event_count} events, {report.warnings} warnings; source {report.source}")
    match report.state:
        case "parked":
            typer.echo(f"Parked, nothing was changed. {report.reason}")
            typer.echo(f"Next: signpost import confirm {report.import_id}")
            typer.echo(f"  or: signpost import reject {report.import_id}")
        case "unchanged":
            typer.echo("The roster says all of this already.")
        case state:
            typer.echo(f"{state.capitalize()} as import {report.import_id}.")


def _list(findings: list[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{finding.severity}: {finding}", err=True)


def _person(session: Session, key: str, kind: str) -> UUID:
    try:
        return UUID(key)
    except ValueError:
        pass
    found = [row["person_id"] for row in find_people(session, key) if kind == "guardian" or row["kind"] == kind]
    if len(found) != 1:
        _fail(f"{key!r} is the id of {len(found)} people as {kind}; give the Signpost id, a UUID.")
    person_id: UUID = found[0]
    return person_id


def _rights(named: list[str]) -> list[GuardianRight]:
    unknown = set(named) - set(FULL_GUARDIAN_RIGHTS)
    if unknown:
        _fail(f"--leave must be one of {', '.join(FULL_GUARDIAN_RIGHTS)}; got {', '.join(sorted(unknown))}.")
    return [right for right in FULL_GUARDIAN_RIGHTS if right in named]


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        _fail(f"{text!r} is no date; write YYYY-MM-DD.")


def _actor(by: UUID | None) -> UUID:
    return by or stable_id("operator", getpass.getuser())


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
