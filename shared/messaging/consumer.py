"""Applies events exactly once: inbox, effect and follow-on events in one transaction."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from opentelemetry.trace import SpanKind
from sqlalchemy import LargeBinary, Select, String, Uuid, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from shared.clock import Clock
from shared.database.database import Database, is_away, is_conflict
from shared.database.schema import insert
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.contract import TYPE_PATTERN, Event
from shared.identifiers import stable_id
from shared.messaging.backoff import retry_delay
from shared.messaging.message import Message, Unreadable
from shared.messaging.reactions import Reactions, Received
from shared.messaging.tables import inbox
from shared.telemetry.logs import fault, get_logger
from shared.telemetry.metrics import EVENTS_CONSUMED, QUEUE_AGE_S
from shared.telemetry.traces import span

log = get_logger(__name__)

APPLIED, PARKED, DEAD, DISCARDED = "applied", "parked", "dead", "discarded"
# So many failing events are taken out of a batch; with more, each is tried alone (docs/decisions/0010).
MOST_SPOILERS = 8
DEATH_REASON = "x-first-death-reason"  # RabbitMQ's header on what it moved to a dead queue


class UnknownType(Exception):
    """This group does not react to events of this type; perhaps a newer version of it does."""


class IdReused(Exception):
    """An event of this id and another content came before; one id stands for one fact."""


class GivenUp(Exception):
    """The broker gave up delivering the message: it ended its consumer each time."""


class Consumer:
    """
    One consumer group's way of taking events.

    `apply` returns once every message is committed as applied, parked or dead: only then
    may the caller acknowledge. It raises DatabaseAway alone, and then nothing was committed.
    """

    def __init__(
        self,
        database: Database,
        *,
        group: str,
        reactions: Reactions,
        max_attempts: int,
        randomness: random.Random | None = None,
    ) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._group = group
        self._reactions = reactions
        self._max_attempts = max_attempts
        self._ages = QUEUE_AGE_S.labels(group)
        self._randomness = randomness or random.Random()  # noqa: S311 (jitter, not a secret)

    def apply(self, batch: Sequence[Message]) -> None:
        """
        Apply a batch in one transaction; an event that fails is tried alone, and the others without it.

        Raises:
            DatabaseAway: Nothing was committed of what remains; deliver it again.
        """
        remaining: list[tuple[Message, Received[Event]]] = []
        distinct, reused = _apart(batch)
        for message in distinct:
            try:
                remaining.append((message, self._read(message)))
            except (Unreadable, UnknownType) as error:
                self._keep(message, error)
        self._apply_all(remaining)
        for message in reused:
            self._keep(message, IdReused())

    def record_given_up(self, batch: Sequence[Message]) -> None:
        """
        Record as dead letters what the broker moved to the group's dead queue, unless applied or kept already.

        Raises:
            DatabaseAway: Nothing was committed of what remains; deliver it again.
        """
        for message in _apart(batch)[0]:
            reason = str(message.headers.get(DEATH_REASON, "dead-lettered"))
            self._keep(message, GivenUp(reason.replace("_", " ")))

    def retry_due(self, limit: int = 100) -> int:
        """Try parked events again whose time has come; how many were tried. Raises DatabaseAway."""
        with self._database.reading() as session:  # so that an idle tick takes no write lock on SQLite
            if session.execute(self._due()).first() is None:
                return 0
        for tried in range(limit):
            if not self._retry_one():
                return tried
        return limit

    def _apply_all(self, remaining: list[tuple[Message, Received[Event]]]) -> None:
        for _ in range(MOST_SPOILERS):
            spoiler = self._apply_together(remaining)
            if spoiler is None:
                return
            self._apply_alone(*remaining.pop(spoiler))
        for each in remaining:
            self._apply_alone(*each)

    def _read(self, message: Message) -> Received[Event]:
        reaction = self._reactions.get(message.event_type)
        if reaction is not None:
            return message.received(reaction.contract)
        reason = f"type {message.event_type[:120]!r} is not one that {self._group} reacts to"
        raise UnknownType(reason) if TYPE_PATTERN.match(message.event_type) else Unreadable(reason)

    def _apply_together(self, batch: Sequence[tuple[Message, Received[Event]]]) -> int | None:
        """Apply all or nothing; the position of the event that was in hand when it failed."""
        if not batch:
            return None
        position = 0
        try:
            with self._database.transaction() as uow:
                fresh = self._take(uow, [message for message, _ in batch])
                uow.defer_upserts()
                for position, (message, received) in enumerate(batch):  # noqa: B007 (read where it failed)
                    if message.inbox_id in fresh:
                        self._react(received, uow)
        except Exception as error:
            if is_away(error) and not is_conflict(error):
                raise
            log.info("batch_falls_apart", consumer=self._group, size=len(batch), error=type(error).__name__)
            return position
        self._count((received, APPLIED if message.inbox_id in fresh else "seen") for message, received in batch)
        return None

    def _apply_alone(self, message: Message, received: Received[Event]) -> None:
        with self._database.transaction() as uow:
            if not self._take(uow, [message]):
                return
            try:
                with uow.attempt():
                    self._react(received, uow)
                outcome = APPLIED
            except Exception as error:
                outcome = self._park(uow, message, error, attempts=1)
        self._count([(received, outcome)])

    def _retry_one(self) -> bool:
        with self._database.transaction() as uow:
            row = uow.session.execute(self._due()).mappings().first()
            if row is None:
                return False
            message = Message(headers=row["headers"], body=row["body"])
            try:
                received = self._read(message)
                with uow.attempt():
                    self._react(received, uow)
            except Exception as error:
                self._park(uow, message, error, attempts=row["attempts"] + 1, inbox_id=row["event_id"])
                return True
            self._record(uow, row["event_id"], state=APPLIED, headers=None, body=None, error=None, error_class=None)
        self._count([(received, APPLIED)])
        return True

    def _due(self) -> Select[Any]:
        """The parked event whose time came first, skipping those another worker has in hand."""
        return (
            select(inbox)
            .where(
                inbox.c.consumer == self._group,
                inbox.c.state == PARKED,
                inbox.c.next_attempt_at <= self._clock.now(),
            )
            .order_by(inbox.c.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

    def _take(self, uow: UnitOfWork, messages: Sequence[Message]) -> set[UUID]:
        """Write the ids to the inbox; those that were not in it yet. Another event under a known id is kept apart."""
        fresh = self._insert(uow, messages)
        if len(fresh) < len(messages):
            for message in self._reusing(uow, [each for each in messages if each.inbox_id not in fresh]):
                self._keep_reused(uow, message)
        return fresh

    def _insert(self, uow: UnitOfWork, messages: Sequence[Message]) -> set[UUID]:
        ids = [message.inbox_id for message in messages]
        types = [_plain(message.event_type)[:120] for message in messages]
        digests = [message.digest for message in messages]
        statement = insert(uow.session, inbox)
        rest = {"consumer": self._group, "state": APPLIED, "received_at": self._clock.now(), "attempts": 1}
        if self._database.is_sqlite:
            fresh = statement.on_conflict_do_nothing().returning(inbox.c.event_id)
            rows = [
                {"event_id": event_id, "type": kind, "digest": digest, **rest}
                for event_id, kind, digest in zip(ids, types, digests, strict=True)
            ]
            return set(uow.session.execute(fresh, rows).scalars())
        # Three parameters, whatever the size of the batch.
        arrays = func.unnest(
            literal(ids, ARRAY(Uuid)), literal(types, ARRAY(String)), literal(digests, ARRAY(LargeBinary))
        )
        given = arrays.table_valued("id", "type", "digest").render_derived()
        columns = {
            "event_id": given.c.id,
            "type": given.c.type,
            "digest": given.c.digest,
            **{name: literal(it) for name, it in rest.items()},
        }
        fresh = statement.from_select(list(columns), select(*columns.values())).on_conflict_do_nothing()
        return set(uow.session.execute(fresh.returning(inbox.c.event_id)).scalars())

    def _reusing(self, uow: UnitOfWork, known: Sequence[Message]) -> list[Message]:
        """Of messages whose ids are in the inbox those that are not what came under the id before."""
        statement = select(inbox.c.event_id, inbox.c.digest).where(
            inbox.c.consumer == self._group, inbox.c.event_id.in_([message.inbox_id for message in known])
        )
        before = {row.event_id: row.digest for row in uow.session.execute(statement)}
        return [message for message in known if before.get(message.inbox_id) not in (None, message.digest)]

    def _keep_reused(self, uow: UnitOfWork, message: Message) -> None:
        """A dead letter beside what came first, under an id of its own; once, however often it is delivered."""
        inbox_id = stable_id("reused", str(message.inbox_id), message.digest.hex())
        row = {
            "consumer": self._group,
            "event_id": inbox_id,
            "type": _plain(message.event_type)[:120],
            "state": DEAD,
            "received_at": self._clock.now(),
            "attempts": 1,
            "digest": message.digest,
        }
        first = insert(uow.session, inbox).values(row).on_conflict_do_nothing().returning(inbox.c.event_id)
        if uow.session.execute(first).first() is not None:
            error = IdReused(f"id {message.event_id} came before with another content")
            self._park(uow, message, error, attempts=1, inbox_id=inbox_id)
            EVENTS_CONSUMED.labels(self._group, "unreadable", DEAD).inc()

    def _react(self, received: Received[Event], uow: UnitOfWork) -> None:
        envelope = received.envelope
        uow.cause = Cause.of(envelope)
        with span(
            f"{self._group} process {envelope.type}",
            kind=SpanKind.CONSUMER,
            parent=envelope.traceparent,
            attributes={
                "messaging.operation.type": "process",
                "messaging.consumer.group.name": self._group,
                "messaging.message.id": str(envelope.id),
                "signpost.correlation_id": str(envelope.correlation_id),
            },
        ):
            self._reactions[envelope.type](received, uow=uow)

    def _park(
        self, uow: UnitOfWork, message: Message, error: Exception, *, attempts: int, inbox_id: UUID | None = None
    ) -> str:
        """
        Keep an event that failed, to be tried again or, after the last attempt, as a dead letter.

        Raises:
            Exception: `error` itself if it is not the event's fault but the database went away.
        """
        if is_away(error) and not is_conflict(error):
            raise error
        now, state, retry_at = self._clock.now(), DEAD, None
        hopeless = isinstance(error, Unreadable | GivenUp | IdReused)
        if is_conflict(error) or (attempts < self._max_attempts and not hopeless):
            state, retry_at = PARKED, now + timedelta(seconds=retry_delay(attempts, self._randomness))
        inbox_id = inbox_id or message.inbox_id
        self._record(
            uow,
            inbox_id,
            state=state,
            attempts=attempts,
            next_attempt_at=retry_at,
            headers=_storable(message),
            body=message.body,
            error=_reason(error),
            error_class=type(error).__name__,
        )
        log.warning(
            "event_parked" if state == PARKED else "event_dead",
            consumer=self._group,
            event_id=str(inbox_id),
            type=_plain(message.event_type)[:120],
            attempts=attempts,
            **fault(error),
        )
        return state

    def _keep(self, message: Message, error: Exception) -> None:
        """Keep a message that was not tried, once, however often it is delivered."""
        with self._database.transaction() as uow:
            if not self._take(uow, [message]):
                return
            state = self._park(uow, message, error, attempts=1)
        EVENTS_CONSUMED.labels(self._group, "unreadable", state).inc()

    def _record(self, uow: UnitOfWork, inbox_id: UUID, **values: Any) -> None:
        """By the id in the inbox: what is kept of a stranger's headers may not give the same one again."""
        uow.session.execute(
            update(inbox).where(inbox.c.consumer == self._group, inbox.c.event_id == inbox_id).values(**values)
        )

    def _count(self, outcomes: Iterable[tuple[Received[Event], str]]) -> None:
        now, counted = self._clock.now(), Counter[tuple[str, str]]()
        for received, outcome in outcomes:
            counted[received.envelope.type, outcome] += 1
            self._ages.observe(max(0.0, (now - received.envelope.time).total_seconds()))
        for (event_type, outcome), number in counted.items():
            EVENTS_CONSUMED.labels(self._group, event_type, outcome).inc(number)


def _apart(batch: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """The messages of a batch once each, and those that come under the id of another one."""
    first: dict[UUID, Message] = {}
    reused = []
    for message in batch:
        known = first.setdefault(message.inbox_id, message)
        if known is not message and known.digest != message.digest:
            reused.append(message)
    return list(first.values()), reused


def _plain(text: str) -> str:
    """Text as every database can hold it: a stranger's message may have half characters or zeros in it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _storable(message: Message) -> dict[str, Any]:
    """Headers as JSON can hold them: a stranger's message may carry anything."""
    return {
        _plain(str(name)): value if isinstance(value, int | None) else _plain(str(value))
        for name, value in message.headers.items()
    }


def _reason(error: Exception) -> str:
    """Why it failed, for the person who looks; only messages written by us, others may quote the data."""
    ours = type(error).__module__.startswith(("shared.", "services."))
    return _plain(str(error))[:500] if ours else type(error).__name__
