"""`signpost topology`: the exchanges and queues that events travel through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from services.composition import consumer_groups
from services.gateway.integrators import handlers as integrators
from services.gateway.integrators import tables
from shared.database.database import Database, DatabaseAway
from shared.messaging.administration import AdministrationFailed, AdministrationMissing, administration
from shared.messaging.broker import BrokerAway
from shared.messaging.topology import Binding, EventLog, Topology, TopologyMissing
from shared.settings import Settings

if TYPE_CHECKING:
    from amqp import Channel

MOST_LISTED = 20
app = typer.Typer(no_args_is_help=True, help="The exchanges and queues that events travel through.")


@app.command()
def apply() -> None:
    """Declare exchanges, queues and bindings, and migrate those of an older release. Safe to repeat."""
    settings = Settings()
    with _broker(settings) as (topology, channel):
        topology.apply(channel)
    typer.echo("The exchanges and all queues are there, and bound.")
    with _integrators(settings) as database:
        if database is not None and (renewed := integrators.renew(database, settings)):
            typer.echo(f"The queues of {renewed} integrators are bound to the events of this release.")


@app.command()
def check() -> None:
    """Fail if something that events rely on is not there. Changes nothing."""
    settings = Settings()
    with _broker(settings) as (topology, channel):
        topology.check(channel)
    typer.echo("The exchanges and all queues are there.")
    actual, why = _bindings(settings)
    found = [] if actual is None else _missing(topology, actual)
    with _integrators(settings) as database:
        found += [] if database is None else integrators.differences(database, settings, actual=actual)
    if found:
        more = [f"and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else []
        _fail("\n".join([*found[:MOST_LISTED], *more]))
    if actual is None:
        _fail(f"The bindings were not looked at. {why}", code=2)
    typer.echo("All of them are bound.")


@app.command()
def reroute() -> None:
    """Put events that no service took before them again, once a release that knows them is installed."""
    from shared.messaging.unroutable import reroute as put_again

    with _broker(Settings()) as (topology, channel):
        rerouted = put_again(channel, topology)
    typer.echo(f"{rerouted.taken} events went to the services that react to them.")
    if rerouted.back:
        listed = ", ".join(f"{event_type[:120]} ({count})" for event_type, count in sorted(rerouted.back.items()))
        _fail(f"Still nobody takes: {listed}. They are kept; this release does not know these types.")


def _bindings(settings: Settings) -> tuple[frozenset[Binding] | None, str]:
    """What is really bound; or nothing, and why."""
    try:
        return administration(settings).bindings(), ""
    except (AdministrationMissing, AdministrationFailed, BrokerAway) as error:
        return None, str(error)


def _missing(topology: Topology, actual: frozenset[Binding]) -> list[str]:
    missing = [f"not bound: {each}: run `signpost topology apply`" for each in topology.bindings if each not in actual]
    outdated = [
        f"bound as by an older release: {each}: run `signpost topology apply`"
        for each in topology.outdated_bindings
        if each in actual
    ]
    return missing + outdated


@contextmanager
def _integrators(settings: Settings) -> Iterator[Database | None]:
    """The gateway's database; None where it is not set up, for then there is no integrator."""
    if settings.database_url is None and not (settings.home / "gateway.sqlite3").exists():
        yield None
        return
    database = Database.open(settings, "gateway")
    try:
        yield database if inspect(database.engine).has_table(tables.integrators.name) else None
    except (DatabaseAway, SQLAlchemyError) as error:
        _fail(f"Integrators' queues were left out: the gateway's database is away ({type(error).__name__}).")
    except (BrokerAway, TopologyMissing) as error:
        _fail(str(error))
    finally:
        database.dispose()


@contextmanager
def _broker(settings: Settings) -> "Iterator[tuple[Topology, Channel]]":
    """The deployment's topology and a channel to declare it on; faults end the command in one line."""
    from shared.messaging.rabbitmq import channel_to

    if settings.amqp_url is None:
        _fail("There is no broker to talk to: set SIGNPOST_AMQP_URL. Embedded, queues are not needed.")
    topology = Topology.of(settings.exchange, consumer_groups(), log=EventLog.of(settings))
    try:
        with channel_to(settings.amqp_url) as channel:
            yield topology, channel
    except (BrokerAway, TopologyMissing) as error:
        _fail(str(error))


def _fail(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
