"""
Makes a worker of the pipeline worse: it dies at a bad moment, or does without one of the guards.

Each `Strike` ends the process as kill -9 does, once per deployment: the process started after it lives on.
Each `Guard` taken away must be seen by the counting, or the counting proves nothing.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import Row, select

from shared.events.contract import Event
from shared.messaging.consumer import Consumer
from shared.messaging.message import Message
from shared.messaging.rabbitmq.client import RabbitBroker, RabbitSource
from shared.messaging.reactions import Received
from shared.messaging.relay import DatabaseTurn, Relay, as_message
from shared.messaging.tables import outbox
from shared.messaging.worker import extensions
from shared.messaging.worker.greenlets import Stop
from shared.messaging.worker.hosting import EventService
from shared.settings import Settings

Strike = Literal["event in hand", "committed, not acknowledged", "batch not sent yet", "confirmed, not marked"]
Guard = Literal[
    "acknowledge after the commit",
    "inbox",
    "mark after the confirm",
    "select by not yet published",
    "publisher confirms",
    "one relay at a time",
]
STRIKES, WITHOUT = "SIGNPOST_TEST_STRIKES", "SIGNPOST_TEST_WITHOUT"
HESITATING, GO_ON = "hesitating", "go-on"  # files: a relay holds a batch back, until it may go on
BETWEEN = ";"


def environment(*, strikes: Sequence[Strike] = (), without: Sequence[Guard] = ()) -> dict[str, str]:
    return {STRIKES: BETWEEN.join(strikes), WITHOUT: BETWEEN.join(without)}


def spoil(
    settings: Settings,
    *,
    mirror: type[EventService],
    before_keeping: list[Callable[[Received[Event]], None]],
) -> None:
    """Do to this process what its environment asks for."""
    strikes, without = (list(filter(None, os.environ.get(name, "").split(BETWEEN))) for name in (STRIKES, WITHOUT))
    assert set(strikes) <= set(get_args(Strike)), strikes
    assert set(without) <= set(get_args(Guard)), without
    for guard in without:
        _REMOVALS[guard](settings.home)
    for strike in strikes:
        _MOMENTS[strike](_Once(settings.home / strike.replace(" ", "-")), mirror, before_keeping)


class _Once:
    """Ends the process the first time it is called in a deployment."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __call__(self) -> None:
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


# Bad moments


def _in_hand(die: _Once, _: type[EventService], before_keeping: list[Callable[[Received[Event]], None]]) -> None:
    before_keeping.append(lambda received: die())


def _committed(die: _Once, mirror: type[EventService], _: Any) -> None:
    apply = Consumer.apply

    @wraps(apply)
    def apply_and_die(self: Consumer, batch: Sequence[Message]) -> None:
        apply(self, batch)
        if self._group == mirror.name:
            die()

    Consumer.apply = apply_and_die  # type: ignore[method-assign]


def _not_sent(die: _Once, *_: Any) -> None:
    publish = RabbitBroker.publish

    @wraps(publish)
    def die_and_publish(self: RabbitBroker, batch: Sequence[Message]) -> None:
        die()
        publish(self, batch)

    RabbitBroker.publish = die_and_publish  # type: ignore[method-assign]


def _confirmed(die: _Once, *_: Any) -> None:
    publish = RabbitBroker.publish

    @wraps(publish)
    def publish_and_die(self: RabbitBroker, batch: Sequence[Message]) -> None:
        publish(self, batch)
        die()

    RabbitBroker.publish = publish_and_die  # type: ignore[method-assign]


_MOMENTS: dict[str, Callable[..., None]] = {
    "event in hand": _in_hand,
    "committed, not acknowledged": _committed,
    "batch not sent yet": _not_sent,
    "confirmed, not marked": _confirmed,
}


# Guards taken away


def _acknowledge_first(_: Path) -> None:
    collect = RabbitSource._collect

    @wraps(collect)
    def collect_and_acknowledge(self: RabbitSource) -> list[Any]:
        batch = collect(self)
        if batch and self._connection is not None:
            channel = self._connection.default_channel
            type(channel).basic_ack(channel, batch[-1].tag, multiple=True)
            # Answered after the acknowledgement is heeded: a killed process's reset may otherwise overtake that.
            channel.queue_declare(self._queue, passive=True)
            channel.basic_ack = lambda *_, **__: None  # what comes after the commit comes too late
        return batch

    RabbitSource._collect = collect_and_acknowledge  # type: ignore[method-assign]


def _no_inbox(_: Path) -> None:
    Consumer._take = lambda self, uow, messages: {each.event_id for each in messages}  # type: ignore[method-assign]


def _mark_first(_: Path) -> None:
    def publish_batch(self: Relay) -> int:
        self.is_active = self._turn.take()
        rows = self._unpublished() if self.is_active else []
        if rows:
            self._mark([row.position for row in rows])
            self._broker.publish([as_message(row) for row in rows])
        return len(rows)

    Relay.publish_batch = publish_batch  # type: ignore[method-assign]


def _select_by_position(_: Path) -> None:
    def later(self: Relay) -> Sequence[Row[Any]]:
        last = getattr(self, "last", 0)
        newer = select(outbox).where(outbox.c.position > last).order_by(outbox.c.position).limit(self._batch)
        with self._turn.statement(writes=False) as session:
            rows = session.execute(newer).all()
        self.last = rows[-1].position if rows else last  # type: ignore[attr-defined]
        return rows

    Relay._unpublished = later  # type: ignore[method-assign]


def _no_confirms(_: Path) -> None:
    RabbitBroker._await_confirms = lambda self: self._unconfirmed.clear()  # type: ignore[method-assign]


def _shared_outbox(home: Path) -> None:
    """Several relays, each taking what no other has in hand; the first to come hesitates with its batch."""

    class NobodysTurn(DatabaseTurn):
        def take(self) -> bool:
            return True

        @contextmanager
        def statement(self, *, writes: bool) -> Iterator[Any]:
            if self._connection is None:
                self._connection = self._database.engine.connect()
            yield self._connection
            if writes:
                self._connection.commit()

    def claimed(self: Relay) -> Sequence[Row[Any]]:
        oldest = select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.position).limit(2)
        with self._turn.statement(writes=False) as session:
            return session.execute(oldest.with_for_update(skip_locked=True)).all()

    publish = RabbitBroker.publish

    @wraps(publish)
    def hesitate_and_publish(self: RabbitBroker, batch: Sequence[Message]) -> None:
        try:
            (home / HESITATING).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            _wait_for(home / GO_ON)
        publish(self, batch)

    extensions.turn_for = NobodysTurn  # type: ignore[attr-defined]
    Relay._unpublished = claimed  # type: ignore[method-assign]
    RabbitBroker.publish = hesitate_and_publish  # type: ignore[method-assign]


def _wait_for(path: Path) -> None:
    stop = Stop()
    while not path.exists():
        stop.pause(0.02)


_REMOVALS: dict[str, Callable[[Path], None]] = {
    "acknowledge after the commit": _acknowledge_first,
    "inbox": _no_inbox,
    "mark after the confirm": _mark_first,
    "select by not yet published": _select_by_position,
    "publisher confirms": _no_confirms,
    "one relay at a time": _shared_outbox,
}
