"""Commands that the `signpost` command offers for plans."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.plans.imports.handlers import PlansReport
from services.plans.imports.handlers import import_plans as take_over
from services.plans.imports.rules import PlansRefused, read_records
from services.plans.settings import PlansSettings
from shared.database.database import Database
from shared.database.migrations import migrate

SHOWN = 20


def import_plans(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="File of plans")],
    source: Annotated[str, typer.Option("--source", help="The roster's source, as `signpost import` printed it")],
) -> None:
    """Take over four-year plans made elsewhere. A plan already begun here is kept; nobody is written to."""
    settings = PlansSettings()
    migrate(settings, "plans")
    try:
        with path.open(encoding="utf-8") as file:
            total = sum(1 for _ in read_records(file, file=path.name))
    except PlansRefused as refused:
        for fault in refused.faults:
            typer.echo(str(fault), err=True)
        typer.echo("Nothing was imported.", err=True)
        raise typer.Exit(1) from None
    report = load_plans(path, source=source, settings=settings, total=total)
    typer.echo(f"{path.name}: {report.taken} plans taken over, {report.kept} kept, {len(report.refused)} refused")
    for refusal in report.refused[:SHOWN]:
        typer.echo(f"  {refusal}", err=True)
    if report.refused:
        raise typer.Exit(1)


def load_plans(path: Path, *, source: str, settings: PlansSettings, total: int | None = None) -> PlansReport:
    """Take over a file of plans already checked, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    database = Database.open(settings, "plans")
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress, path.open() as file:
            task = progress.add_task("Plans", total=total)
            return take_over(
                read_records(file, file=path.name),
                source=source,
                database=database,
                settings=settings,
                advance=lambda count: progress.advance(task, count),
            )
    finally:
        database.dispose()
