"""`signpost topology`: the exchanges and queues that events travel through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from services.composition import consumer_groups
from shared.messaging.broker import BrokerAway
from shared.messaging.topology import EventLog, Topology, TopologyMissing
from shared.settings import Settings

if TYPE_CHECKING:
    from amqp import Channel

app = typer.Typer(no_args_is_help=True, help="The exchanges and queues that events travel through.")


@app.command()
def apply() -> None:
    """Declare exchanges, queues and bindings, and migrate those of an older release. Safe to repeat."""
    with _broker(Settings()) as (topology, channel):
        topology.apply(channel)
    typer.echo("The exchanges and all queues are there, and bound.")


@app.command()
def check() -> None:
    """Fail if something that events rely on is not there."""
    with _broker(Settings()) as (topology, channel):
        topology.check(channel)
    typer.echo("The exchanges and all queues are there.")


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


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
