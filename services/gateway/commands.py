"""`signpost webhooks`: where integrators are sent events, for whoever administers the district."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import deliveries, handlers, reading, schemas
from shared.auth.access import Principal
from shared.database.database import Database, DatabaseAway
from shared.identifiers import stable_id
from shared.problems import NotFound, Problem
from shared.telemetry.logs import configure_logs

webhooks_app = typer.Typer(no_args_is_help=True, help="Events sent to integrators' own addresses.")

EndpointId = Annotated[UUID, typer.Argument(metavar="ENDPOINT", help="As shown by `signpost webhooks list`")]
Events = Annotated[list[str], typer.Option("--events", help="Event types, such as 'plans.plan.*'; repeat for more")]
_MOST_LISTED = 1_000


@webhooks_app.command("list")
def list_webhooks() -> None:
    """Every endpoint, its owner, state and what it is sent."""
    with _database() as (database, _), database.reading() as session:
        rows = reading.list_endpoints(session, _me(), after=None, limit=_MOST_LISTED)
    if not rows:
        typer.echo("There are none. Next: signpost webhooks add URL --owner ID --events 'plans.plan.*'")
        return
    table = Table("endpoint", "owner", "state", "why", "failing since", "events", "address", box=None, pad_edge=False)
    for row in rows:
        failing = row.failing_since.isoformat(timespec="minutes") if row.failing_since else ""
        ids = (str(row.endpoint_id), str(row.owner_id))
        table.add_row(*ids, row.state, row.reason or "", failing, " ".join(row.events), row.url)
    Console(width=240).print(table)


@webhooks_app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where to send, https://")],
    owner: Annotated[UUID, typer.Option(help="Signpost id of the integrator")],
    events: Events,
    description: Annotated[str, typer.Option(help="For people to recognise it")] = "",
) -> None:
    """Send events to an address from now on. Prints its id and its secret; both belong to the integrator."""
    draft = schemas.EndpointDraft(url=url, events=events, owner_id=owner, description=description)
    with _database() as (database, settings), database.transaction() as uow:
        row = handlers.register(draft, principal=_me(), settings=settings, uow=uow)
        secret = handlers.read_secret(uow.session, row, settings=settings, now=uow.clock.now()).secret
    typer.echo(f"endpoint {row.endpoint_id}\nsecret   {secret}\nNext: signpost webhooks test {row.endpoint_id}")


@webhooks_app.command()
def test(endpoint_id: EndpointId) -> None:
    """Send an event that says nothing; the worker does so within a second."""
    with _database() as (database, _), database.transaction() as uow:
        reading.find_endpoint(uow.session, _me(), endpoint_id)
        event_id = deliveries.queue_test(endpoint_id, uow=uow)
    typer.echo(f"{event_id}: queued. What became of it: GET /v1/webhooks/{endpoint_id}/deliveries/{event_id}")


@webhooks_app.command()
def resend(
    endpoint_id: EndpointId,
    event: Annotated[UUID | None, typer.Option(help="This event alone")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; without a zone UTC")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; default: now")] = None,
    delivered: Annotated[bool, typer.Option("--delivered", help="Also what was delivered already")] = False,
) -> None:
    """Send one event again, or those of a time, under the ids they had."""
    if (event is None) == (since is None):
        _fail("Say what to send: --event ID, or --since TIME.")
    with _database() as (database, _), database.transaction() as uow:
        reading.find_endpoint(uow.session, _me(), endpoint_id)
        if event is not None:
            deliveries.resend(endpoint_id, event, uow=uow)
            count = 1
        else:
            begins = _instant(str(since))
            ends = _instant(until) if until else uow.clock.now()
            count = deliveries.resend_range(
                endpoint_id, since=begins, until=ends, only_undelivered=not delivered, uow=uow
            )
    typer.echo(f"{count} queued")


@webhooks_app.command()
def disable(endpoint_id: EndpointId) -> None:
    """Send nothing more there; what is queued is dropped. An administrator can resume it."""
    with _database() as (database, _), database.transaction() as uow:
        handlers.stop(endpoint_id, principal=_me(), uow=uow)
    typer.echo(f"{endpoint_id}: disabled")


@contextmanager
def _database() -> Iterator[tuple[Database, GatewaySettings]]:
    settings = GatewaySettings()
    configure_logs(service="gateway", level="WARNING")
    database = Database.open(settings, "gateway")
    try:
        yield database, settings
    except NotFound:
        _fail("There is no such endpoint or event. Next: signpost webhooks list")
    except Problem as problem:
        _fail(problem.detail or problem.title)
    except DatabaseAway as error:
        _fail(f"The gateway's database is away ({error}). Check SIGNPOST_DATABASE_URL.")
    finally:
        database.dispose()


def _me() -> Principal:
    """Who has a shell here administers the district; on record under an id made from the login name."""
    return Principal(stable_id("operator", getpass.getuser()), "district_admin")


def _instant(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"{text!r} is no time. Write one such as 2026-09-15T08:00.")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(1)
