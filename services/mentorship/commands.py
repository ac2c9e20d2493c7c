"""Commands that the `signpost` command offers for mentorship."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from services.mentorship.partners import handlers
from services.mentorship.partners.rules import ImportPlan, Partner, PartnersRefused, parse_partners
from shared.database.database import Database, DatabaseAway
from shared.database.migrations import migrate
from shared.sealing import Sealer
from shared.settings import Settings

SERVICE = "mentorship"


def import_partners(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV file of partners")],
) -> None:
    """Import community partners from CSV. All or nothing; a partner listed no more becomes inactive."""
    settings = Settings()
    console = Console(stderr=True)
    try:
        listed = parse_partners(path.read_bytes(), file=path.name)
    except PartnersRefused as refused:
        for fault in refused.faults:
            console.print(str(fault), markup=False, highlight=False, soft_wrap=True)
        console.print("Nothing was imported.")
        raise typer.Exit(1) from None
    try:
        migrate(settings, SERVICE)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Importing partners", total=len(listed))
            plan = load_partners(listed, settings=settings, advance=lambda: progress.advance(task))
    except DatabaseAway as error:
        console.print(f"The mentorship database is away ({error}); nothing was changed.", markup=False)
        raise typer.Exit(1) from None
    typer.echo(
        f"{path.name}: {len(plan.added)} partners added, {len(plan.changed)} changed, "
        f"{len(plan.left)} left, {plan.unchanged} unchanged"
    )


def load_partners(
    listed: Sequence[Partner], *, settings: Settings, advance: handlers.Advance = handlers.ignore_progress
) -> ImportPlan:
    """
    Import partners already read into the service's migrated database, in one transaction.

    Raises:
        DatabaseAway: Nothing was changed.
    """
    database = Database.open(settings, SERVICE)
    sealer = Sealer.from_settings(settings)
    try:
        with database.transaction() as uow:
            return handlers.import_partners(listed, uow=uow, sealer=sealer, advance=advance)
    finally:
        database.dispose()
