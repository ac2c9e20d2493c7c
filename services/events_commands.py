"""`signpost events`: what the services say to one another, and whether the committed schemas still say it."""

import json
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.events.contract import contracts
from shared.events.differences import Difference, differences
from shared.events.export import SCHEMAS, Schema, schema_of, stale_schemas, write_schemas

if TYPE_CHECKING:
    from services.event_registry import RegisteredEvent

LISTENER = "gateway"  # writes every event down and acts on none
SCHEMA_FOLDER = "shared/events/schemas"
EventType = Annotated[str, typer.Argument(metavar="TYPE", help="Such as plans.plan.revised.v1")]

app = typer.Typer(no_args_is_help=True, help="List the event contracts, show one, keep the committed schemas true.")


@app.command("list")
def list_contracts() -> None:
    """Every event type, who publishes it, who reacts to it and what it says."""
    table = Table("type", "published by", "heard by", "about", "says", box=None, pad_edge=False)
    for event in _registry().values():
        heard_by = [service for service in event.consumers if service != LISTENER]
        listed = [*heard_by, *(["every service"] if event.projects_access else [])]
        about = event.contract.student_field or event.contract.subject_field
        table.add_row(event.type, event.producer, ", ".join(listed) or LISTENER, about, event.says.partition(". ")[0])
    console = Console()
    console.print(table)
    console.print(f"\nThe {LISTENER} hears every event, for journeys and the feed.", highlight=False)
    console.print("One of them in full: signpost events show plans.plan.revised.v1", highlight=False)


@app.command()
def show(event_type: EventType) -> None:
    """All that is known of one event, as JSON: producer, consumers, personal data by field, schema, example."""
    _known(event_type)
    typer.echo(json.dumps(_registry()[event_type].document(), indent=2, ensure_ascii=False))


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD_REV|FILE", help="A git revision, or a schema's JSON file")],
    event_type: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="Default: all, or the file's")] = None,
) -> None:
    """What changed in the contracts since, field by field. Exits 1 if a published version was broken."""
    if event_type is not None:
        _known(event_type)
    try:
        before = published_schemas(old, event_type)
    except UnknownPast as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    now = {each: schema_of(contract) for each, contract in contracts().items()}
    wanted = sorted(before if Path(old).is_file() else before.keys() | now.keys())
    broken = False
    for each in [event_type] if event_type else wanted:
        for change in _changes(each, before.get(each), now.get(each)):
            broken |= change.breaks
            typer.echo(f"{each}  {'BREAKS' if change.breaks else 'grows '}  {change.text}")
    if broken:
        typer.echo("A published version may only grow: make a new version beside it, with an upcaster.", err=True)
        raise typer.Exit(1)


def _changes(event_type: str, before: Schema | None, after: Schema | None) -> list[Difference]:
    if before is None:
        return [] if after is None else [Difference("a new event", breaks=False)]
    if after is None:
        return [Difference("the contract is gone", breaks=True)]
    return differences(before, after)


class UnknownPast(Exception):
    """Neither a revision with schemas nor a schema's file."""


def published_schemas(old: str, event_type: str | None) -> dict[str, Schema]:
    """
    Schemas by event type, as a file or a git revision has them.

    Raises:
        UnknownPast: There is no such file or revision, or no schema in it.
    """
    if Path(old).is_file():
        try:
            schema = json.loads(Path(old).read_text(encoding="utf-8"))
            named = event_type or str(schema["$id"]).removeprefix("/schemas/").removesuffix(".json")
        except (ValueError, KeyError, TypeError):
            raise UnknownPast(f"{old} is no schema of an event: it must be JSON with an `$id`.") from None
        return {named: schema}
    listed = _git("ls-tree", "--full-tree", "--name-only", f"{old}:{SCHEMA_FOLDER}")
    if listed is None:
        raise UnknownPast(f"{old!r} is neither a file nor a git revision with {SCHEMA_FOLDER}/.")
    names = [name.removesuffix(".json") for name in listed.split() if name.endswith(".json")]
    chosen = [name for name in names if event_type in (None, name)]
    return {name: json.loads(_git("show", f"{old}:{SCHEMA_FOLDER}/{name}.json") or "{}") for name in chosen}


def _git(*arguments: str) -> str | None:
    """What git says in this checkout; None if it refuses."""
    try:
        done = subprocess.run(  # noqa: S603  (arguments are a revision and our own paths, never a shell's)
            ["git", *arguments],  # noqa: S607
            cwd=SCHEMAS,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _registry() -> "Mapping[str, RegisteredEvent]":
    with warnings.catch_warnings():  # the workers' classes import eventlet, which says of itself that it is old
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
        from services.event_registry import registry

        return registry()


def _known(event_type: str) -> None:
    if event_type in contracts():
        return
    near = [known for known in contracts() if any(part in known for part in event_type.split(".")[:2])]
    hint = f" Did you mean {', '.join(near[:3])}?" if near else ""
    typer.echo(f"No event is called {event_type!r}.{hint} `signpost events list` shows all.", err=True)
    raise typer.Exit(1)


@app.command()
def schemas(
    check: Annotated[
        bool, typer.Option("--check", help="Fail if a committed schema differs from its contract")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the schemas anew from the contracts")] = False,
) -> None:
    """Check the committed JSON Schemas against the contracts, or write them anew."""
    if check == write:
        typer.echo("Say one of --check and --write.", err=True)
        raise typer.Exit(2)
    if write:
        touched = write_schemas()
        typer.echo("\n".join(f"written: {name}" for name in touched) or "The schemas were up to date.")
        return
    stale = stale_schemas()
    if stale:
        typer.echo("\n".join(f"differs from its contract: {name}" for name in stale), err=True)
        typer.echo("Write them anew: signpost events schemas --write", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(contracts())} schemas agree with their contracts.")
