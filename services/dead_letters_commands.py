"""`signpost dead-letters`: events a service could not apply, for whoever is on duty."""

import getpass
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from services.composition import SERVICES
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import dead_letters
from shared.messaging.tables import inbox
from shared.problems import Problem
from shared.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="Events that could not be applied: look, try again, or give up with a reason."
)

Service = Annotated[str | None, typer.Option("--service", "-s", help=f"One of {', '.join(SERVICES)}; default all")]
Ids = Annotated[list[UUID], typer.Argument(metavar="EVENT_ID...", help="As `list` shows them")]


@app.command("list")
def list_letters(
    service: Service = None,
    parked: Annotated[bool, typer.Option("--parked", help="Also those still being tried")] = False,
    error_class: Annotated[str | None, typer.Option("--error-class", help="Only this kind of error")] = None,
) -> None:
    """Dead letters of all services, oldest first."""
    table = Table("service", "event id", "type", "state", "tries", "since", "error", box=None, pad_edge=False)
    count = 0
    for database in _databases(service):
        for letter in dead_letters.list_dead_letters(database, include_parked=parked, error_class=error_class):
            count += 1
            since = letter.received_at.isoformat(timespec="seconds")
            why = f"{letter.error_class}: {letter.error}"
            table.add_row(
                letter.consumer, str(letter.event_id), letter.type, letter.state, str(letter.attempts), since, why
            )
    if not count:
        typer.echo("No dead letters." if parked else "No dead letters. Events still being tried: add --parked.")
        return
    Console(width=200).print(table)
    typer.echo("\nOne of them in full: signpost dead-letters show EVENT_ID")


@app.command()
def show(event_id: Annotated[UUID, typer.Argument(metavar="EVENT_ID")], service: Service = None) -> None:
    """What is known of one event: its envelope and its error, never its body."""
    found = False
    for database in _databases(service):
        try:
            letters = dead_letters.show_dead_letter(database, event_id)
        except Problem:
            continue
        for letter in letters:
            found = True
            typer.echo(f"service   {letter.consumer}\nstate     {letter.state}, tried {letter.attempts} times")
            typer.echo(f"error     {letter.error_class}: {letter.error}")
            for name, value in sorted(letter.headers.items()):
                typer.echo(f"{name:<20} {value}")
            typer.echo(f"\nOnce its cause is mended: signpost dead-letters replay {event_id}")
    if not found:
        _fail(f"No parked or dead event {event_id}. `signpost dead-letters list --parked` shows all.")


@app.command()
def replay(event_ids: Ids, service: Service = None) -> None:
    """Try these events again, at once, in every service that gave up on them."""
    count = _apply(event_ids, service, lambda uow, ids: dead_letters.replay(uow, ids, actor=getpass.getuser()))
    typer.echo(f"{count} put back; the worker tries them within a second. Then: signpost dead-letters list --parked")


@app.command()
def discard(
    event_ids: Ids,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why it will never be applied; kept in the record")],
    service: Service = None,
) -> None:
    """Give up on these events for good."""
    count = _apply(
        event_ids,
        service,
        lambda uow, ids: dead_letters.discard(uow, ids, actor=getpass.getuser(), reason=reason),
    )
    typer.echo(f"{count} discarded; who and why is in the table dead_letter_actions.")


def _apply(event_ids: Sequence[UUID], service: str | None, action: Callable[[UnitOfWork, list[UUID]], int]) -> int:
    """Do `action` in each service with those of the ids it has; refuse if nobody has one of them."""
    wanted = {database: [each for each in event_ids if _has(database, each)] for database in _databases(service)}
    missing = set(event_ids) - {each for ids in wanted.values() for each in ids}
    if missing:
        _fail(f"Not parked or dead anywhere: {', '.join(sorted(map(str, missing)))}. Nothing was changed.")
    count = 0
    try:
        for database, ids in wanted.items():
            if ids:
                with database.transaction() as uow:
                    count += action(uow, ids)
    except Problem as problem:
        _fail(str(problem))
    return count


def _has(database: Database, event_id: UUID) -> bool:
    try:
        return bool(dead_letters.show_dead_letter(database, event_id))
    except Problem:
        return False


def _databases(service: str | None) -> list[Database]:
    if service is not None and service not in SERVICES:
        _fail(f"{service!r} is no service; it must be one of {', '.join(SERVICES)}.")
    settings = Settings()
    databases = [Database.open(settings, each) for each in ([service] if service else SERVICES)]
    try:
        for database in databases:
            if not inspect(database.engine).has_table(inbox.name):
                _fail(f"The database of {database.service} is not set up. Next: signpost migrate {database.service}")
    except SQLAlchemyError as error:
        _fail(f"The database cannot be reached ({type(error).__name__}). Check SIGNPOST_DATABASE_URL or SIGNPOST_HOME.")
    return databases


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
