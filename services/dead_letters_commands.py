"""`signpost dead-letters`: events a service could not apply, for whoever is on duty."""

import getpass
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress
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
Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[EVENT_ID]...", help="As `list` shows them")]
Class = Annotated[
    str | None, typer.Option("--class", "-c", metavar="ERROR_CLASS", help="All of this class in place of ids")
]


@app.command("list")
def list_letters(
    service: Service = None,
    parked: Annotated[bool, typer.Option("--parked", help="Also those still being tried")] = False,
    error_class: Annotated[str | None, typer.Option("--error-class", help="Only this kind of error")] = None,
) -> None:
    """Dead letters by error class, and one by one, oldest first."""
    databases = _databases(service)
    if not _show_classes(databases, parked=parked, error_class=error_class):
        typer.echo("No dead letters." if parked else "No dead letters. Events still being tried: add --parked.")
        return
    table = Table("service", "event id", "type", "state", "tries", "since", "error", box=None, pad_edge=False)
    for database in databases:
        for letter in dead_letters.list_dead_letters(database, include_parked=parked, error_class=error_class):
            since = letter.received_at.isoformat(timespec="seconds")
            why = f"{letter.error_class}: {letter.error}"
            table.add_row(
                letter.consumer, str(letter.event_id), letter.type, letter.state, str(letter.attempts), since, why
            )
    Console(width=200).print(table)
    typer.echo("\nOne of them in full: signpost dead-letters show EVENT_ID")
    typer.echo("All of a class again: signpost dead-letters replay --class ERROR_CLASS --service SERVICE")


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
def replay(event_ids: Ids = None, service: Service = None, error_class: Class = None) -> None:
    """Try these events, or all of a class, again at once in every service that gave up on them."""
    actor = getpass.getuser()
    if _by_class(event_ids, error_class):
        name = str(error_class)
        count = _in_portions(name, service, lambda uow: dead_letters.replay_class(uow, name, actor=actor))
    else:
        count = _apply(event_ids or [], service, lambda uow, ids: dead_letters.replay(uow, ids, actor=actor))
    typer.echo(f"{count} put back; the worker tries them within a second. Then: signpost dead-letters list --parked")


@app.command()
def discard(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why it will never be applied; kept in the record")],
    event_ids: Ids = None,
    service: Service = None,
    error_class: Class = None,
) -> None:
    """Give up on these events, or on all of a class, for good."""
    actor = getpass.getuser()
    if _by_class(event_ids, error_class):
        name = str(error_class)
        count = _in_portions(
            name, service, lambda uow: dead_letters.discard_class(uow, name, actor=actor, reason=reason)
        )
    else:
        count = _apply(
            event_ids or [], service, lambda uow, ids: dead_letters.discard(uow, ids, actor=actor, reason=reason)
        )
    typer.echo(f"{count} discarded; who and why is in the table dead_letter_actions.")


def _show_classes(databases: Sequence[Database], *, parked: bool, error_class: str | None) -> bool:
    """A line per error class and service; False if there is none."""
    found = [
        each
        for database in databases
        for each in dead_letters.classes_of(database, include_parked=parked)
        if error_class in (None, each.error_class)
    ]
    if found:
        table = Table("service", "error class", "state", "count", "oldest", "newest", box=None, pad_edge=False)
        for each in found:
            oldest, newest = each.oldest.isoformat(timespec="seconds"), each.newest.isoformat(timespec="seconds")
            table.add_row(each.consumer, each.error_class, each.state, str(each.count), oldest, newest)
        Console(width=200).print(table)
        typer.echo("")
    return bool(found)


def _by_class(event_ids: Sequence[UUID] | None, error_class: str | None) -> bool:
    if bool(event_ids) == bool(error_class):
        _fail("Name event ids, or --class ERROR_CLASS: one of both. `signpost dead-letters list` shows them.", code=2)
    return error_class is not None


def _in_portions(error_class: str, service: str | None, act: Callable[[UnitOfWork], int]) -> int:
    """Do `act` to all of a class, a portion per transaction, and show how far it has come."""
    databases = _databases(service)
    totals = {
        database: sum(each.count for each in dead_letters.classes_of(database) if each.error_class == error_class)
        for database in databases
    }
    if not any(totals.values()):
        _fail(f"No dead letters of class {error_class!r}. `signpost dead-letters list` shows the classes there are.")
    count = 0
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(error_class, total=sum(totals.values()))
            for database, total in totals.items():
                left = total  # what dies again meanwhile is left for another time, or this might never end
                while left > 0:
                    with database.transaction() as uow:
                        done = act(uow)
                    if not done:
                        break
                    count, left = count + done, left - done
                    progress.advance(task, done)
    except Problem as problem:
        _fail(str(problem))
    return count


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


def _fail(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
