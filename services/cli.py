"""The `signpost` command: everything that is started, imported, looked at or repaired from a shell."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer

from services import dead_letters_commands, events_commands, topology_commands
from services.catalog.commands import catalog_app, import_catalog, import_requirements
from services.composition import SERVICES
from services.gateway.commands import webhooks_app
from services.gateway.integrators import commands as integrators_commands
from services.mentorship.commands import import_partners
from services.plans.commands import import_plans
from services.rebuild_commands import rebuild
from services.replay_commands import replay, replays_app
from services.roster.commands import import_app, roster_app
from services.sample.commands import sample
from shared.auth.keys import Keys
from shared.auth.tokens import ROLES, issue_token
from shared.database.database import DatabaseAway
from shared.database.migrations import migrate as migrate_database
from shared.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they may hold personal data
    help="Individual Learning Plans that act. A newcomer types `signpost run`.",
)
keys_app = typer.Typer(no_args_is_help=True, help="The deployment's own secrets.")

import_app.command("catalog")(import_catalog)
import_app.command("requirements")(import_requirements)
import_app.command("partners")(import_partners)
import_app.command("plans")(import_plans)
app.add_typer(import_app, name="import")
app.add_typer(roster_app, name="roster")
app.add_typer(catalog_app, name="catalog")
app.add_typer(events_commands.app, name="events")
app.add_typer(dead_letters_commands.app, name="dead-letters")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(integrators_commands.app, name="integrators")
app.add_typer(topology_commands.app, name="topology")
app.add_typer(keys_app, name="keys")
app.command("sample")(sample)
app.command("replay")(replay)
app.add_typer(replays_app, name="replays")
app.command("rebuild")(rebuild)

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(SERVICES)}")]


@app.command()
def run(
    students: Annotated[int, typer.Option(help="Students of the sample district made on the first run")] = 1000,
    port: Annotated[int | None, typer.Option(help="The gateway's port; default 8080")] = None,
) -> None:
    """Start the whole system here, with a sample district, and say when it is ready."""
    from services.local import run_here

    settings = Settings()
    raise typer.Exit(run_here(settings, students=students, port=port or settings.http_port))


@app.command()
def api(service: ServiceName) -> None:
    """Serve one service's HTTP API."""
    from services.web_process import run_api

    run_api(_known(service), Settings())


@app.command()
def web() -> None:
    """Serve every API and the gateway from one process; without a broker, the local mailbox too."""
    from services.local import run_web

    run_web(Settings())


@app.command()
def worker(
    services: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Default: all")] = None,
) -> None:
    """React to events and do due work, for one or several services."""
    names = [_known(service) for service in services or SERVICES]
    # A new interpreter: the standard library must be made cooperative before anything else is imported.
    os.execv(sys.executable, [sys.executable, "-m", "services.worker_process", *names])  # noqa: S606


@app.command()
def migrate(service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Default: all")] = None) -> None:
    """Bring databases to the newest revision."""
    settings = Settings()
    for each in [_known(service)] if service else SERVICES:
        try:
            migrate_database(settings, each)
        except Exception as error:
            if not isinstance(error.__cause__ or error, OSError) and "connect" not in str(error).lower():
                raise
            _fail(f"{each}: the database cannot be reached ({type(error).__name__}). Check SIGNPOST_DATABASE_URL.")
        typer.echo(f"{each}: up to date")


@app.command()
def token(
    who: Annotated[str, typer.Option("--as", metavar="ROLE:ID", help=f"Role: {', '.join(sorted(ROLES))}")],
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="How long it holds")] = 12,
    scope: Annotated[str, typer.Option(help="What an integrator may read, such as 'events:plans.plan.*'")] = "",
) -> None:
    """A token for local use, signed with this deployment's own key."""
    role, _, person = who.partition(":")
    if role not in ROLES:
        _fail(f"{role!r} is no role. Write --as ROLE:ID with one of {', '.join(sorted(ROLES))}.")
    try:
        person_id = UUID(person)
    except ValueError:
        _fail(f"{person!r} is no id. Write --as {role}:ID with the person's Signpost id, a UUID.")
    lifetime_s = int(hours * 3600)
    typer.echo(issue_token(Settings(), role=role, person_id=person_id, lifetime_s=lifetime_s, scope=scope))


@keys_app.command("generate")
def keys_generate(
    out: Annotated[Path, typer.Option("--out", dir_okay=False, help="File to make; never replaced")],
) -> None:
    """Make signing, sealing and link keys. Give the file to the services as SIGNPOST_KEYS_FILE."""
    if out.exists():
        _fail(f"{out} exists; replacing keys would make all tokens, links and sealed contacts unreadable.")
    out.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(Keys.generate().model_dump_json(indent=2))
    typer.echo(f"Keys are in {out}. Next: SIGNPOST_KEYS_FILE={out}")


@keys_app.command("jwks")
def keys_jwks() -> None:
    """The public key set that checks our own tokens."""
    typer.echo(json.dumps(Keys.from_settings(Settings()).jwks(), indent=2))


@app.command("dev-mailbox")
def dev_mailbox() -> None:
    """An SMTP server and an SMS provider that keep everything here, with a page to read it."""
    from services.local import run_mailbox

    run_mailbox(Settings())


@app.command(hidden=True)
def health(url: str) -> None:
    """Exit 0 if the address answers 200: for container healthchecks."""
    import requests

    try:
        answer = requests.get(url, timeout=3)
    except requests.RequestException as error:
        _fail(f"{url}: {type(error).__name__}")
    raise typer.Exit(0 if answer.status_code == 200 else 1)


def _known(service: str) -> str:
    if service not in SERVICES:
        _fail(f"{service!r} is no service; it must be one of {', '.join(SERVICES)}.")
    return service


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point: faults of the surroundings in one line, not as a traceback."""
    try:
        app()
    except DatabaseAway as error:
        typer.echo(f"The database cannot be reached: {error}. Is SIGNPOST_DATABASE_URL right?", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
