"""
Events handed to one consumer group again, out of the outbox of the service that published them.

Whoever asks writes a row into that service's database. Its active relay carries the row out in portions, after what is
new: to the group's queue alone, or embedded to the group's consumer. So nobody needs more than the one database, the
group's inbox decides as ever what it has applied, and a portion that was sent twice changes nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, RowMapping, select, update
from sqlalchemy.orm import Session

from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import history
from shared.messaging.broker import Broker
from shared.messaging.history import Selection
from shared.messaging.message import AGAIN_HEADER, Message
from shared.messaging.relay import as_message
from shared.messaging.tables import replays
from shared.problems import NotFound, Problem

RUNNING, DONE, REFUSED, STOPPED = "running", "done", "refused", "stopped"
PORTION = 200
# So many messages may wait in a group's queue before a replay adds to them: live events wait behind no more than these.
MOST_WAITING = 500
SHOWN = 50


class ReplayRefused(Problem):
    """The replay would do something other than what was meant."""

    code = "replay-refused"
    status = 422


@dataclass(frozen=True)
class Wanted:
    """Which events of one service are to go to which group."""

    consumer: str
    selection: Selection
    again: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a replay has come. No event's content, no person."""

    replay_id: UUID
    asked_at: datetime
    actor: str
    reason: str | None
    consumer: str
    again: bool
    state: str
    found: int
    sent: int
    finished_at: datetime | None
    error: str | None


def look(session: Session, wanted: Wanted, *, now: datetime, inbox_days: int) -> int:
    """
    How many events a replay would hand over.

    Args:
        inbox_days: How long a group remembers what it has applied.

    Raises:
        ReplayRefused: The group may have forgotten that it applied some of them, or there is no reason for `again`.
        NotFound: There is no such event.
    """
    if wanted.again and not wanted.reason.strip():
        raise ReplayRefused("Say why the events are to be applied again: it is kept in the record.")
    since, until = wanted.selection.since, wanted.selection.until
    if since is not None and until is not None and since >= until:
        raise ReplayRefused(f"`since` must be before `until`, and {since.isoformat()} is not.")
    found = history.count(session, wanted.selection)
    if not found:
        raise NotFound("No published event fits. Outboxes keep events for as long as SIGNPOST_OUTBOX_DAYS says.")
    oldest = history.oldest_publication(session, wanted.selection)
    remembered = now - timedelta(days=inbox_days)
    if not wanted.again and oldest is not None and oldest < remembered:
        raise ReplayRefused(
            f"Some of these events were published before {remembered:%Y-%m-%d}, and {wanted.consumer} remembers for "
            f"{inbox_days} days what it has applied: it would apply them a second time. Take a later `since`, or say "
            "`again` with a reason."
        )
    return found


def request(uow: UnitOfWork, wanted: Wanted, *, actor: str, inbox_days: int) -> Progress:
    """
    Have a replay carried out; the record of who asked and why stays.

    Raises:
        ReplayRefused, NotFound: As `look` says; nothing is recorded then.
    """
    found = look(uow.session, wanted, now=uow.clock.now(), inbox_days=inbox_days)
    selection = wanted.selection
    row = {
        "replay_id": uuid4(),
        "asked_at": uow.clock.now(),
        "actor": actor,
        "reason": wanted.reason.strip() or None,
        "consumer": wanted.consumer,
        "types": sorted(selection.types),
        "event_ids": [str(each) for each in selection.event_ids] or None,
        "subjects": sorted(selection.subjects) or None,
        "since": selection.since,
        "until": selection.until,
        "again": wanted.again,
        "state": RUNNING,
        "position": history.BEGINNING,
        "end_position": history.last_position(uow.session),
        "found": found,
        "sent": 0,
    }
    uow.session.execute(replays.insert().values(row))
    return _progress(row | {"finished_at": None, "error": None})


def stop(uow: UnitOfWork, replay_id: UUID) -> Progress:
    """
    Hand over no more; what was handed over stays.

    Raises:
        NotFound: There is no such replay in this service, or it has ended.
    """
    ended = update(replays).where(replays.c.replay_id == replay_id, replays.c.state == RUNNING)
    row = uow.session.execute(ended.values(state=STOPPED, finished_at=uow.clock.now()).returning(replays)).mappings()
    found = row.first()
    if found is None:
        raise NotFound(f"No running replay {replay_id} here.")
    return _progress(found)


def show(session: Session, replay_id: UUID) -> Progress:
    """
    Raises:
        NotFound: There is no such replay in this service.
    """
    row = session.execute(select(replays).where(replays.c.replay_id == replay_id)).mappings().first()
    if row is None:
        raise NotFound(f"No replay {replay_id} here.")
    return _progress(row)


def recent(session: Session) -> list[Progress]:
    """The newest first."""
    rows = session.execute(select(replays).order_by(replays.c.asked_at.desc()).limit(SHOWN)).mappings()
    return [_progress(row) for row in rows]


@dataclass
class Replayer:
    """
    Carries out the replays of one service, a portion at a time. Only its active relay may.

    Args:
        address: Where a group's messages go: its queue, or embedded its name.
        reacts: The types each group of the deployment reacts to.
    """

    database: Database
    broker: Broker
    address: Callable[[str], str]
    reacts: Mapping[str, Collection[str]]
    portion: int = PORTION
    is_busy: bool = field(default=False, init=False)

    def hand_over(self) -> int:
        """
        Hand over a portion of the oldest replay that is not done, if the group has room for it; how many events.

        Raises:
            BrokerAway: It may have got through; the same portion goes again, and inboxes recognise it.
            DatabaseAway: Likewise.
        """
        with self.database.reading() as session:
            statement = select(replays).where(replays.c.state == RUNNING).order_by(replays.c.asked_at).limit(1)
            replay = session.execute(statement).first()
        self.is_busy = replay is not None
        if replay is None:
            return 0
        if refusal := self._refusal(replay):
            self._end(replay, state=REFUSED, error=refusal)
            return 0
        if self.broker.waiting(self.address(replay.consumer)) > MOST_WAITING:
            return 0
        with self.database.reading() as session:
            selection = _selection(replay, self.reacts[replay.consumer])
            rows = history.page(
                session, selection, after=replay.position, up_to=replay.end_position, limit=self.portion
            )
        if rows:
            self.broker.publish_to(self.address(replay.consumer), [_message(row, replay) for row in rows])
            self._advance(replay, rows)
        if len(rows) < self.portion:
            deaf = replay.found - replay.sent - len(rows)
            left = f"{replay.consumer} does not react to the types of {deaf} events" if deaf > 0 else None
            self._end(replay, state=DONE, error=left)
        return len(rows)

    def _refusal(self, replay: Row[Any]) -> str | None:
        reacted = self.reacts.get(replay.consumer)
        if reacted is None:
            return f"{replay.consumer} is no consumer group; there are {', '.join(sorted(self.reacts))}"
        if not set(replay.types) & set(reacted):
            others = sorted(group for group, types in self.reacts.items() if set(types) & set(replay.types))
            return f"{replay.consumer} reacts to none of these types; to them react: {', '.join(others) or 'none'}"
        return None

    def _advance(self, replay: Row[Any], rows: Sequence[Row[Any]]) -> None:
        with self.database.transaction() as uow:
            moved = update(replays).where(
                replays.c.replay_id == replay.replay_id, replays.c.position == replay.position
            )
            uow.session.execute(moved.values(position=rows[-1].position, sent=replays.c.sent + len(rows)))

    def _end(self, replay: Row[Any], *, state: str, error: str | None) -> None:
        with self.database.transaction() as uow:
            ended = update(replays).where(replays.c.replay_id == replay.replay_id, replays.c.state == RUNNING)
            uow.session.execute(ended.values(state=state, error=error, finished_at=uow.clock.now()))


def _selection(replay: Row[Any], reacted: Collection[str]) -> Selection:
    return Selection(
        types=set(replay.types) & set(reacted),
        event_ids=[UUID(each) for each in replay.event_ids or ()],
        subjects=replay.subjects or (),
        since=replay.since,
        until=replay.until,
    )


def _message(row: Row[Any], replay: Row[Any]) -> Message:
    message = as_message(row)
    if not replay.again:
        return message
    return Message(headers={**message.headers, AGAIN_HEADER: str(replay.replay_id)}, body=message.body)


def _progress(row: Mapping[str, Any] | RowMapping) -> Progress:
    return Progress(**{name: row[name] for name in Progress.__dataclass_fields__})
