"""The command that writes a sample district."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.sample.people import FEWEST_STUDENTS, MOST_STUDENTS
from services.sample.writing import write_district


def sample(
    students: Annotated[
        int, typer.Option("--students", min=FEWEST_STUDENTS, max=MOST_STUDENTS, help="How many students")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed and size give the same files")] = 1,
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder to write to")] = Path("sample"),
) -> None:
    """Make up a school district: roster, catalog, requirements, partners and four-year plans, as files to import."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Students", total=students)
        written = write_district(out, students=students, seed=seed, advance=lambda count: progress.advance(task, count))
    typer.echo(
        f"{written.folder}: {written.students} students and {written.guardians} guardians in {written.schools} "
        f"schools, {written.restrictions} court orders"
    )
