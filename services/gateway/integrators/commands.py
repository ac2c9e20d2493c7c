"""`signpost integrators`: who may consume events from the broker, for whoever administers the district."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import inspect

from services.gateway.integrators import handlers, rules, tables
from services.gateway.settings import GatewaySettings
from shared.auth.access import Principal
from shared.database.database import Database, DatabaseAway
from shared.identifiers import stable_id
from shared.messaging.administration import AdministrationFailed, AdministrationMissing
from shared.messaging.broker import BrokerAway
from shared.messaging.topology import TopologyMissing
from shared.problems import NotFound, Problem
from shared.telemetry.logs import configure_logs

app = typer.Typer(no_args_is_help=True, help="Integrators who consume events from RabbitMQ.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `signpost integrators list` shows it")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens")],
    events: Annotated[
        list[str] | None, typer.Option("--events", help="Event types, such as 'plans.plan.*'; repeat for more")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Reads everything, again and again: for the district's own systems")
    ] = False,
    yes: Sure = False,
) -> None:
    """Make a queue of these events and a user who may read it. Prints the password, this once."""
    if bool(events) == stream:
        _fail("Say what it reads: --events 'plans.plan.*' (repeat for more), or --stream for everything.", code=2)
    if stream and not yes:
        typer.confirm("The stream has all events, guardians' links and court orders included. Go on?", abort=True)
    with _database() as (database, settings):
        made = handlers.add(
            name, events or [], reads_stream=stream, principal=_me(), database=database, settings=settings
        )
    _tell(made)


@app.command("list")
def list_integrators() -> None:
    """Every integrator, what it reads and how much of it waits."""
    with _database() as (database, settings):
        readings = handlers.readings(database, settings)
    if not readings:
        typer.echo("There are none. Next: signpost integrators add NAME --events 'plans.plan.*'")
        return
    table = Table("name", "since", "password of", "waiting", "consumers", "reads", box=None, pad_edge=False)
    for each in readings:
        days = (f"{each.row.created_at:%Y-%m-%d}", f"{each.row.rotated_at:%Y-%m-%d}")
        table.add_row(each.row.name, *days, *_state(each), _reads(each))
    Console(width=200).print(table)


@app.command()
def show(name: Name) -> None:
    """One integrator: its user, its queue, the types it is given, and what was done to it by whom."""
    with _database() as (database, settings):
        reading, history = handlers.reading(name, database, settings)
    waiting, consumers = _state(reading)
    typer.echo(f"user      {reading.user}\nqueue     {reading.queue}\nreads     {_reads(reading)}")
    typer.echo(f"waiting   {waiting}\nconsumers {consumers}")
    typer.echo(f"disclosed to {reading.row.integrator_id} in the disclosure log")
    for event_type in sorted(reading.types):
        typer.echo(f"type      {event_type}")
    for change in history:
        typer.echo(f"{change.at.isoformat(timespec='seconds')}  {change.kind} by {change.by_role} {change.by_id}")


@app.command()
def rotate(name: Name) -> None:
    """Another password at once; who is connected with the old one is disconnected. Its queue stays as it is."""
    with _database() as (database, settings):
        made = handlers.rotate(name, principal=_me(), database=database, settings=settings)
    _tell(made)


@app.command()
def remove(name: Name, yes: Sure = False) -> None:
    """Delete its user and its queue, with everything that waits in it."""
    if not yes:
        typer.confirm(f"Delete {name}, its queue and what waits in it?", abort=True)
    with _database() as (database, settings):
        handlers.remove(name, principal=_me(), database=database, settings=settings)
    typer.echo(f"{name}: removed. What was done stays in the table amqp_integrator_changes.")


@contextmanager
def _database() -> Iterator[tuple[Database, GatewaySettings]]:
    settings = GatewaySettings()
    if settings.is_embedded:
        _fail(
            "There is no RabbitMQ to consume from: SIGNPOST_AMQP_URL is not set. Without it integrators read the event "
            "feed (docs/how-to/read-the-event-feed.md) or are sent webhooks (signpost webhooks add)."
        )
    configure_logs(service="gateway", level="WARNING")
    database = Database.open(settings, "gateway")
    try:
        if not inspect(database.engine).has_table(tables.integrators.name):
            _fail("The gateway's database is not set up. Next: signpost migrate gateway")
        yield database, settings
    except NotFound:
        _fail("There is no such integrator. Next: signpost integrators list")
    except Problem as problem:
        _fail(problem.detail or problem.title)
    except (AdministrationMissing, AdministrationFailed, BrokerAway, TopologyMissing) as error:
        _fail(str(error))
    except DatabaseAway as error:
        _fail(f"The gateway's database is away ({error}). Check SIGNPOST_DATABASE_URL.")
    finally:
        database.dispose()


def _tell(made: rules.Credentials) -> None:
    typer.echo(f"user     {made.user}\npassword {made.password}\nqueue    {made.queue}\nurl      {made.url}")
    typer.echo("The password is shown this once. How to consume: docs/how-to/subscribe-by-amqp.md")


def _state(reading: handlers.Reading) -> tuple[str, str]:
    if reading.row.reads_stream:
        return "-", "-"
    if reading.waiting is None:
        return "NO QUEUE: signpost topology apply", "-"
    return str(reading.waiting), str(reading.consumers)


def _reads(reading: handlers.Reading) -> str:
    return "everything (stream)" if reading.row.reads_stream else " ".join(reading.row.events)


def _me() -> Principal:
    """Who has a shell here administers the district; on record under an id made from the login name."""
    return Principal(stable_id("operator", getpass.getuser()), "district_admin")


def _fail(reason: str, *, code: int = 1) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(code)
