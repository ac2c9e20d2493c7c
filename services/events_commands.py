"""`signpost events`: what the services say to one another, and whether the committed schemas still say it."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.events.contract import contracts, producer_of
from shared.events.export import example_of, schema_of, stale_schemas, write_schemas

app = typer.Typer(no_args_is_help=True, help="List the event contracts, show one, keep the committed schemas true.")


@app.command("list")
def list_contracts() -> None:
    """Every event type, who publishes it and what it says."""
    table = Table("type", "published by", "about", "says", box=None, pad_edge=False)
    for event_type, contract in contracts().items():
        says = (contract.__doc__ or "").strip().splitlines()[0]
        table.add_row(event_type, producer_of(event_type), contract.student_field or contract.subject_field, says)
    console = Console()
    console.print(table)
    console.print("\nOne of them in full: signpost events show plans.plan.revised.v1", highlight=False)


@app.command()
def show(event_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as plans.plan.revised.v1")]) -> None:
    """The JSON Schema of one event and an example of it."""
    contract = contracts().get(event_type)
    if contract is None:
        near = [known for known in contracts() if any(part in known for part in event_type.split(".")[:2])]
        hint = f" Did you mean {', '.join(near[:3])}?" if near else ""
        typer.echo(f"No event is called {event_type!r}.{hint} `signpost events list` shows all.", err=True)
        raise typer.Exit(1)
    document = {"schema": schema_of(contract), "example": example_of(event_type)}
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


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
