"""Commands that the `signpost` command offers for the catalog."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.catalog.conflicts.rules import Conflict
from services.catalog.conflicts.tables import stored_conflicts
from services.catalog.courses.handlers import CatalogPublication, publish_catalog
from services.catalog.courses.parsing import CatalogFile, parse_catalog
from services.catalog.courses.rules import is_school_year, school_year_of
from services.catalog.imports import Defect, ImportRefused
from services.catalog.requirements import documents
from services.catalog.requirements.handlers import RequirementsPublication, publish_document
from services.catalog.requirements.tables import set_rows
from services.catalog.settings import CatalogSettings
from shared.database.database import Database, DatabaseAway
from shared.database.migrations import migrate

SHOWN_DEFECTS = 50
catalog_app = typer.Typer(no_args_is_help=True, help="What the catalog says of itself.")

InputPath = Annotated[Path, typer.Argument(exists=True, readable=True, help="A file, or a folder that holds one")]
ShowNotes = Annotated[bool, typer.Option("--notes", help="List the notes too, not the conflicts alone")]


def import_catalog(
    path: InputPath,
    school_year: Annotated[
        str | None, typer.Option(help="Such as 2026-27; default: the file's own, else the present one")
    ] = None,
    notes: ShowNotes = False,
) -> None:
    """
    Import courses from JSON or CSV. All or nothing; a course listed no more is retired.

    CSV columns: code,title,department,grades,credits, and where they apply terms,prerequisites,tags.
    """
    settings = CatalogSettings()
    if school_year is not None and not is_school_year(school_year):
        raise typer.BadParameter(f"{school_year!r} is no school year; write it like 2026-27")
    with _refusals_told(), _database(settings) as database:
        source = _chosen(path, ("catalog.json",), (".json", ".csv"))
        read = parse_catalog(source.read_bytes(), file=source.name, limit=settings.max_catalog_bytes)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Publishing courses", total=len(read.courses))
            done = load_catalog(
                read,
                database=database,
                settings=settings,
                source=source.name,
                school_year=school_year,
                advance=lambda: progress.advance(task),
            )
        typer.echo(_catalog_summary(source.name, done))
        _show_conflicts(_conflicts(database), with_notes=notes)
        typer.echo(f"Next: {_next_command(database)}")


def load_catalog(
    read: CatalogFile,
    *,
    database: Database,
    settings: CatalogSettings,
    source: str,
    school_year: str | None = None,
    advance: Callable[[], None] = lambda: None,
) -> CatalogPublication:
    """Publish a catalog already read, in one transaction."""
    today = datetime.now(ZoneInfo(settings.time_zone)).date()
    with database.transaction() as uow:
        return publish_catalog(
            read.courses,
            uow=uow,
            school_year=school_year or read.school_year or school_year_of(today),
            source=source,
            notes=read.notes,
            advance=advance,
        )


def import_requirements(
    path: InputPath,
    make_default: Annotated[
        bool, typer.Option("--make-default", help="Check plans against its first track from now on")
    ] = False,
    notes: ShowNotes = False,
) -> None:
    """Import a rule set from YAML: each of its tracks becomes a requirement set. All or nothing."""
    settings = CatalogSettings()
    with _refusals_told(), _database(settings) as database:
        source = _chosen(path, ("requirements.yaml", "requirements.yml"), (".yaml", ".yml"))
        content = source.read_bytes()
        done = load_requirements(
            content, database=database, settings=settings, source=source.name, make_default=make_default
        )
        typer.echo(_requirements_summary(source.name, done))
        _show_conflicts(_conflicts(database), with_notes=notes)
        typer.echo(f"Next: {_next_command(database)}")


def load_requirements(
    content: bytes, *, database: Database, settings: CatalogSettings, source: str, make_default: bool = False
) -> RequirementsPublication:
    """
    Publish a rule set against the catalog as it stands, in one transaction.

    Raises:
        ImportRefused: A line cannot be read or expressed, or there is no catalog to resolve it against.
    """
    document = documents.load(content, file=source, limit=settings.max_requirements_bytes)
    with database.transaction() as uow:
        return publish_document(document, uow=uow, file=source, make_default=make_default)


@catalog_app.callback()
def _catalog() -> None:
    """What the catalog says of itself."""


@catalog_app.command("conflicts")
def list_conflicts(notes: ShowNotes = False) -> None:
    """Contradictions found in the courses and rules as they stand."""
    with _database(CatalogSettings()) as database:
        _show_conflicts(_conflicts(database), with_notes=notes)


@contextmanager
def _database(settings: CatalogSettings) -> Iterator[Database]:
    """The catalog's database, brought up to date; says so where it is away."""
    database = None
    try:
        migrate(settings, "catalog")
        database = Database.open(settings, "catalog")
        yield database
    except DatabaseAway as error:
        typer.echo(f"The catalog's database is away ({error}); nothing was changed.", err=True)
        raise typer.Exit(1) from None
    finally:
        if database is not None:
            database.dispose()


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except ImportRefused as refused:
        console = Console(stderr=True)
        for each in refused.defects[:SHOWN_DEFECTS]:
            console.print(str(each), markup=False, highlight=False, soft_wrap=True)
        left = len(refused.defects) - SHOWN_DEFECTS
        if left > 0:
            console.print(f"... and {left} more.")
        console.print("Nothing was imported.")
        raise typer.Exit(1) from None


def _chosen(path: Path, preferred: tuple[str, ...], endings: tuple[str, ...]) -> Path:
    """
    The file meant by a path.

    Raises:
        ImportRefused: A folder with no such file, or with several.
    """
    if path.is_file():
        return path
    for name in preferred:
        if (path / name).is_file():
            return path / name
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in endings)
    if len(found) == 1:
        return found[0]
    held = ", ".join(each.name for each in found) or "none"
    expected = f"{preferred[0]} or exactly one file ending in {' or '.join(endings)} in the folder; found: {held}"
    raise ImportRefused([Defect(path.name, "folder", "file", "", expected)])


def _conflicts(database: Database) -> list[Conflict]:
    with database.reading() as session:
        return list(stored_conflicts(session))


def _next_command(database: Database) -> str:
    with database.reading() as session:
        return "signpost catalog conflicts --notes" if set_rows(session) else "signpost import requirements PATH"


def _show_conflicts(found: list[Conflict], *, with_notes: bool) -> None:
    notes = sum(each.severity == "note" for each in found)
    shown = [each for each in found if with_notes or each.severity == "conflict"]
    if shown:
        table = Table("", "what", "about", "where", "finding", title="Conflicts found", title_justify="left")
        table.columns[4].overflow = "fold"
        for each in shown:
            mark = "conflict" if each.severity == "conflict" else "note"
            place = each.where or each.scope
            table.add_row(mark, each.kind, each.subject, place, each.detail)
        Console().print(table, markup=False, highlight=False)
    hint = "" if with_notes or not notes else " (--notes lists them)"
    typer.echo(f"{len(found) - notes} conflicts and {notes} notes{hint}.")


def _catalog_summary(name: str, done: CatalogPublication) -> str:
    if not done.changed_anything:
        return f"{name}: {done.course_count} courses, as they were already; nothing changed."
    return (
        f"{name}: {done.course_count} courses for {done.school_year}: {len(done.changed_codes)} new or changed, "
        f"{len(done.retired_codes)} retired."
    )


def _requirements_summary(name: str, done: RequirementsPublication) -> str:
    if not done.changed_keys:
        said = f"{name}: {len(done.keys)} requirement sets, as they were already; nothing changed."
    else:
        said = f"{name}: published {', '.join(done.changed_keys)}. Plans are checked against {done.default_key}."
    if done.left_keys:
        said += f" No longer in the file, but kept for the plans that use them: {', '.join(done.left_keys)}."
    return said
