"""`signpost rebuild`: a projection made anew from the events, while it keeps serving."""

from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import func, select

from services.composition import SERVICES, worker_class
from services.reach import OutOfReach, reach
from shared.database.database import Database, DatabaseAway
from shared.messaging.projections import Projection
from shared.messaging.rebuild import CannotRebuild, Outcome
from shared.messaging.rebuild import rebuild as rebuild_projection
from shared.settings import Settings

NEXT_LIST = "`signpost rebuild --list` shows all."


def rebuild(
    name: Annotated[
        str | None, typer.Argument(metavar="[SERVICE.PROJECTION]", help="Such as mentorship.students")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what can be rebuilt, and change nothing")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is not as the events say")] = False,
) -> None:
    """Make a projection anew from the events; readers see the old one until the new one is complete."""
    if list_:
        return _list(Settings())
    if name is None:
        _fail(f"Say which projection: signpost rebuild SERVICE.PROJECTION. {NEXT_LIST}", code=2)
    service, projection = _named(name)
    settings = Settings()
    try:
        live = reach(settings, service, what=f"The projection {projection.name}")
        sources = {each: reach(settings, each, what="The outbox") for each in projection.producers}
        outcome = _shown(projection, live, sources, settings, dry_run=dry_run)
    except (OutOfReach, CannotRebuild, DatabaseAway) as error:
        _fail(str(error))
    _say(name, outcome, projection, dry_run=dry_run)


def _shown(
    projection: Projection, live: Database, sources: dict[str, Database], settings: Settings, *, dry_run: bool
) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(step)
            shown.update(tasks[step], completed=done, total=total)

        return rebuild_projection(
            projection,
            live=live,
            group=live.service,
            sources=sources,
            inbox_days=settings.inbox_days,
            dry_run=dry_run,
            report=report,
        )


def _say(name: str, outcome: Outcome, projection: Projection, *, dry_run: bool) -> None:
    typer.echo(f"{name}: {outcome.read} events read")
    for each in outcome.differences:
        typer.echo(
            f"  {each.table}: {each.rows} rows; {each.missing} were missing, {each.different} different, "
            f"{each.unfounded} without an event"
        )
    if outcome.left_out:
        typer.echo(f"  {outcome.left_out} events were left out, as the service has not applied them yet.")
        service = name.partition(".")[0]
        patterns = " or ".join(f"'{each}.*'" for each in projection.producers)
        typer.echo(f"  Never delivered? next: signpost replay --to {service} --type {patterns} --since ... --until ...")
    wrong = sum(each.total for each in outcome.differences)
    if dry_run:
        typer.echo(f"Nothing was changed. next: signpost rebuild {name}" if wrong else "It is as the events say.")
    else:
        typer.echo(f"Rebuilt and checked; writers waited {outcome.held_off_s:.1f} s, readers did not.")


def _list(settings: Settings) -> None:
    table = Table("projection", "made of events of", "rows", box=None, pad_edge=False)
    for service in SERVICES:
        try:
            database: Database | None = reach(settings, service, what="The list of projections")
        except OutOfReach:
            database = None
        for each in worker_class(service).projections().values():
            rows = "out of reach from here" if database is None else str(_rows(database, each))
            table.add_row(f"{service}.{each.name}", ", ".join(each.producers), rows)
    Console(width=120).print(table)
    typer.echo("\nWhat would change: signpost rebuild SERVICE.PROJECTION --dry-run")


def _rows(database: Database, projection: Projection) -> int:
    with database.reading() as session:
        return sum(session.execute(select(func.count()).select_from(table)).scalar_one() for table in projection.tables)


def _named(name: str) -> tuple[str, Projection]:
    service, _, wanted = name.partition(".")
    if service not in SERVICES:
        _fail(f"{service!r} is no service; there are {', '.join(SERVICES)}. {NEXT_LIST}", code=2)
    found = worker_class(service).projections()
    if wanted not in found:
        _fail(f"{service} has no projection {wanted!r}; it has {', '.join(found)}. {NEXT_LIST}", code=2)
    return service, found[wanted]


def _fail(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
