"""`signpost replay`: events handed to one consumer group again, for whoever is on duty."""

import getpass
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.composition import SERVICES, consumer_groups
from services.reach import OutOfReach, reach
from shared.database.database import Database, DatabaseAway
from shared.events.contract import PRODUCERS, contracts, producer_of
from shared.events.patterns import is_pattern, matches
from shared.events.upcasting import older_versions
from shared.messaging import history, replays
from shared.messaging.consumer import APPLIED
from shared.messaging.history import Selection
from shared.messaging.replays import Wanted
from shared.messaging.tables import inbox
from shared.problems import NotFound, Problem
from shared.settings import Settings

LOOK_EVERY_S = 0.2
BEGUN_WITHIN_S = 15.0

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[EVENT_ID]...", help="These events")]
Pattern = Annotated[
    str | None, typer.Option("--type", "-t", metavar="PATTERN", help="All of this type: roster.student.*")
]
When = Annotated[datetime | None, typer.Option(help="When it happened, in the district's time zone")]

replays_app = typer.Typer(no_args_is_help=True, help="Replays asked for: how far they have come.")


def replay(
    to: Annotated[str, typer.Option("--to", metavar="GROUP", help=f"One of {', '.join(SERVICES)}")],
    event_ids: Ids = None,
    pattern: Pattern = None,
    since: When = None,
    until: When = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Only about this subject id")] = None,
    again: Annotated[bool, typer.Option("--again", help="Apply also what the group has applied")] = False,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; needed for --again, kept in the record")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be handed over")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show how far it comes")] = True,
) -> None:
    """Hand events to one consumer group again; what it has applied stays applied once."""
    settings = Settings()
    selection = _asked(settings, event_ids or (), pattern, since, until, subject or ())
    types = _reacted_types(to, selection.types, given=bool(pattern))
    wanted = Wanted(to, replace(selection, types=types), again=again, reason=reason)
    try:
        plan = _plan(settings, wanted)
        known = _applied_already(settings, to, plan)
        if dry_run:
            return _say(plan, known, to=to, again=again, done=None)
        actor = getpass.getuser()
        asked = {
            database: _request(database, each, actor=actor, settings=settings) for database, (each, _) in plan.items()
        }
        done = _follow(asked) if wait else sum(each.sent for each in asked.values())
        _say(plan, known, to=to, again=again, done=done)
    except (Problem, OutOfReach, DatabaseAway) as refusal:
        _fail(str(refusal))


@replays_app.command("list")
def list_replays() -> None:
    """Replays asked for lately, of every service that can be reached."""
    table = Table("service", "replay", "to", "state", "found", "handed over", "asked", "by", "why", box=None)
    missing = []
    for service in PRODUCERS:
        try:
            database = reach(Settings(), service, what="The list of replays")
        except OutOfReach:
            missing.append(service)
            continue
        with database.reading() as session:
            for each in replays.recent(session):
                when = each.asked_at.isoformat(timespec="seconds")
                why = each.error or each.reason or ""
                numbers = (str(each.found), str(each.sent))
                table.add_row(service, str(each.replay_id), each.consumer, each.state, *numbers, when, each.actor, why)
    Console(width=200).print(table)
    if missing:
        typer.echo(f"Out of reach from here: {', '.join(missing)}.", err=True)


@replays_app.command("stop")
def stop_replay(
    replay_id: Annotated[UUID, typer.Argument(metavar="REPLAY_ID", help="As `signpost replays list` shows it")],
) -> None:
    """Hand over no more of a replay; what was handed over stays."""
    for service in PRODUCERS:
        try:
            with reach(Settings(), service, what="The list of replays").transaction() as uow:
                stopped = replays.stop(uow, replay_id)
        except (OutOfReach, NotFound):
            continue
        typer.echo(f"Stopped after {stopped.sent} of {stopped.found} events.")
        return
    _fail(f"No running replay {replay_id} in any service that can be reached from here.")


def _asked(
    settings: Settings,
    event_ids: Sequence[UUID],
    pattern: str | None,
    since: datetime | None,
    until: datetime | None,
    subjects: Sequence[str],
) -> Selection:
    if bool(event_ids) == bool(pattern):
        _fail("Name event ids, or --type PATTERN with --since and --until: one of both.", code=2)
    if pattern and (since is None or until is None):
        _fail("With --type say the range too: --since 2026-11-01 --until 2026-11-02.", code=2)
    if pattern and not is_pattern(pattern):
        _fail(f"{pattern!r} is no pattern. Write a type, or * in place of parts of it: roster.student.*", code=2)
    types = [each for each in (*contracts(), *_old_types()) if pattern is None or matches(each, [pattern])]
    if not types:
        _fail(f"No event type fits {pattern!r}. `signpost events list` shows all.")
    zone = ZoneInfo(settings.time_zone)
    return Selection(
        types,
        event_ids=tuple(event_ids),
        subjects=tuple(subjects),
        since=since.replace(tzinfo=since.tzinfo or zone) if since else None,
        until=until.replace(tzinfo=until.tzinfo or zone) if until else None,
    )


def _reacted_types(group: str, types: Collection[str], *, given: bool) -> list[str]:
    """Of these types those the group reacts to."""
    groups = consumer_groups()
    if group not in groups:
        _fail(f"{group!r} is no consumer group; there are {', '.join(groups)}.", code=2)
    reacted = [each for each in types if each in groups[group]]
    if not reacted and given:
        others = [name for name, reactions in groups.items() if any(each in reactions for each in types)]
        _fail(f"{group} reacts to none of these types. To them react: {', '.join(others) or 'none'}.")
    return reacted


def _plan(settings: Settings, wanted: Wanted) -> Mapping[Database, tuple[Wanted, int]]:
    """Per database of a producer what is wanted of it, and how many events that is."""
    plan: dict[Database, tuple[Wanted, int]] = {}
    sought = set(wanted.selection.event_ids)
    unreached: list[str] = []
    # An id does not say who published it, nor of which type it is.
    producers = PRODUCERS if sought else sorted({producer_of(each) for each in wanted.selection.types})
    for producer in producers:
        try:
            database = reach(settings, producer, what="The outbox")
        except OutOfReach as error:
            unreached.append(str(error))
            continue
        own = [each for each in wanted.selection.types if producer_of(each) == producer]
        part = replace(wanted, selection=replace(wanted.selection, types=own))
        with database.reading() as session:
            sought -= _found_ids(session, wanted)
            if not history.count(session, part.selection):
                continue
            now = database.clock.now()
            plan[database] = part, replays.look(session, part, now=now, inbox_days=settings.inbox_days)
    if unreached and (sought or not wanted.selection.event_ids):
        raise OutOfReach(unreached[0])
    if sought:
        known = f"Outboxes keep events for {settings.outbox_days} days and the newest of each subject for longer."
        raise NotFound(f"No published event {', '.join(sorted(map(str, sought)))}. {known}")
    if not plan:
        raise NotFound("No published event of these types happened in that time.")
    return plan


def _found_ids(session: Session, wanted: Wanted) -> set[UUID]:
    """Which of the ids are this producer's; refused if one is of a type the group does not react to."""
    ids = wanted.selection.event_ids
    if not ids:
        return set()
    any_type = replace(wanted.selection, types=[*contracts(), *_old_types()])
    found = {row.event_id: row.type for row in history.page(session, any_type, after=history.BEGINNING)}
    groups = consumer_groups()
    for event_id, event_type in found.items():
        if event_type not in groups[wanted.consumer]:
            others = [name for name, reactions in groups.items() if event_type in reactions]
            _fail(
                f"{event_id} is a {event_type}, and {wanted.consumer} does not react to it. "
                f"To it react: {', '.join(others) or 'none'}."
            )
    return set(found)


def _old_types() -> list[str]:
    return [older for each in contracts() for older in older_versions(each)]


def _applied_already(settings: Settings, group: str, plan: Mapping[Database, tuple[Wanted, int]]) -> int | None:
    """How many of the events the group's inbox has as applied; None where the group's database is out of reach."""
    try:
        own = reach(settings, group, what="The inbox")
    except OutOfReach:
        return None
    known = 0
    for database, (wanted, _) in plan.items():
        position = history.BEGINNING
        while True:
            with database.reading() as session:
                rows = history.page(session, wanted.selection, after=position, limit=500)
            if not rows:
                break
            position = rows[-1].position
            statement = select(func.count()).where(
                inbox.c.consumer == group,
                inbox.c.state == APPLIED,
                inbox.c.event_id.in_([row.event_id for row in rows]),
            )
            with own.reading() as session:
                known += session.execute(statement).scalar_one()
    return known


def _request(database: Database, wanted: Wanted, *, actor: str, settings: Settings) -> replays.Progress:
    with database.transaction() as uow:
        return replays.request(uow, wanted, actor=actor, inbox_days=settings.inbox_days)


def _follow(asked: Mapping[Database, replays.Progress]) -> int:
    """Show how far the workers have come until all is handed over; how many events."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    pending, handed, begun = dict(asked), 0, time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {
            database: shown.add_task(f"{database.service} to {each.consumer}", total=each.found)
            for database, each in asked.items()
        }
        while pending:
            for database, each in list(pending.items()):
                with database.reading() as session:
                    now = replays.show(session, each.replay_id)
                shown.update(tasks[database], completed=now.sent)
                if now.state == replays.REFUSED:
                    raise replays.ReplayRefused(str(now.error))
                if now.state != replays.RUNNING:
                    handed += now.sent
                    del pending[database]
                elif now.sent == 0 and time.monotonic() - begun > BEGUN_WITHIN_S:
                    _fail(
                        f"The worker of {database.service} has not begun; it carries the replay out once it runs. "
                        "Next: signpost replays list"
                    )
            time.sleep(LOOK_EVERY_S)
    return handed


def _say(
    plan: Mapping[Database, tuple[Wanted, int]], known: int | None, *, to: str, again: bool, done: int | None
) -> None:
    found = sum(number for _, number in plan.values())
    typer.echo(f"found        {found}  ({', '.join(f'{each.service} {n}' for each, (_, n) in plan.items())})")
    if known is None:
        typer.echo(f"applied      not known: the inbox of {to} is out of reach from here; it decides all the same")
    else:
        typer.echo(f"applied      {known} before, {'applied again' if again else 'skipped by the inbox'}")
    if done is None:
        typer.echo("Nothing was handed over. next: the same without --dry-run")
        return
    typer.echo(f"handed over  {done}")
    typer.echo(f"next: signpost dead-letters list --parked --service {to}")


def _fail(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
