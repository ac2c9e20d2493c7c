"""Applies events exactly once: inbox, effect and follow-on events in one transaction."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from opentelemetry.trace import SpanKind
from sqlalchemy import select, update

from shared.clock import Clock
from shared.database.database import Database, DatabaseAway
from shared.database.schema import insert
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.contract import Event
from shared.messaging.backoff import retry_delay
from shared.messaging.message import Message, Unreadable
from shared.messaging.reactions import Reactions, Received
from shared.messaging.tables import inbox
from shared.telemetry.logs import get_logger
from shared.telemetry.metrics import EVENTS_CONSUMED, QUEUE_AGE_S
from shared.telemetry.traces import span

log = get_logger(__name__)

APPLIED, PARKED, DEAD, DISCARDED = "applied", "parked", "dead", "discarded"


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
        self._randomness = randomness or random.Random()  # noqa: S311 (jitter, not a secret)

    def apply(self, batch: Sequence[Message]) -> None:
        """
        Apply a batch in one transaction; if one event fails, each in its own.

        Raises:
            DatabaseAway: Nothing was committed of what remains; deliver it again.
        """
        messages = list({message.event_id: message for message in batch}.values())
        readable: list[tuple[Message, Received[Event]]] = []
        for message in messages:
            try:
                readable.append((message, self._read(message)))
            except Unreadable as error:
                self._bury(message, error)
        if not readable:
            return
        try:
            self._apply_together(readable)
        except DatabaseAway:
            raise
        except Exception as error:
            log.info("batch_falls_apart", consumer=self._group, size=len(readable), error=type(error).__name__)
            for message, received in readable:
                self._apply_alone(message, received)

    def retry_due(self, limit: int = 100) -> int:
        """Try parked events again whose time has come; how many were tried. Raises DatabaseAway."""
        for tried in range(limit):
            if not self._retry_one():
                return tried
        return limit

    def _read(self, message: Message) -> Received[Event]:
        reaction = self._reactions.get(message.event_type)
        if reaction is None:
            raise Unreadable(f"type {message.event_type[:120]!r} is not one that {self._group} reacts to")
        return message.received(reaction.contract)

    def _apply_together(self, batch: Sequence[tuple[Message, Received[Event]]]) -> None:
        with self._database.transaction() as uow:
            fresh = self._take(uow, [message for message, _ in batch])
            for _, received in batch:
                if received.envelope.id in fresh:
                    self._react(received, uow)
        for _, received in batch:
            self._count(received, APPLIED if received.envelope.id in fresh else "seen")

    def _apply_alone(self, message: Message, received: Received[Event]) -> None:
        outcome = APPLIED
        with self._database.transaction() as uow:
            if not self._take(uow, [message]):
                return
            try:
                with uow.attempt():
                    self._react(received, uow)
            except DatabaseAway:
                raise
            except Exception as error:
                outcome = self._park(uow, message, error, attempts=1)
        self._count(received, outcome)

    def _retry_one(self) -> bool:
        now = self._clock.now()
        due = (
            select(inbox)
            .where(inbox.c.consumer == self._group, inbox.c.state == PARKED, inbox.c.next_attempt_at <= now)
            .order_by(inbox.c.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.reading() as session:  # so that an idle tick takes no write lock on SQLite
            if session.execute(due).first() is None:
                return False
        with self._database.transaction() as uow:
            row = uow.session.execute(due).mappings().first()
            if row is None:
                return False
            message = Message(headers=row["headers"], body=row["body"])
            try:
                received = self._read(message)
                with uow.attempt():
                    self._react(received, uow)
            except DatabaseAway:
                raise
            except Exception as error:
                self._park(uow, message, error, attempts=row["attempts"] + 1)
            else:
                self._record(uow, message, state=APPLIED, headers=None, body=None, error=None, error_class=None)
                self._count(received, APPLIED)
        return True

    def _take(self, uow: UnitOfWork, messages: Sequence[Message]) -> set[Any]:
        """Write the ids to the inbox; those that were not in it yet."""
        now = self._clock.now()
        rows = [
            {
                "consumer": self._group,
                "event_id": message.event_id,
                "type": message.event_type[:120],
                "state": APPLIED,
                "received_at": now,
                "attempts": 1,
            }
            for message in messages
        ]
        statement = insert(uow.session, inbox).on_conflict_do_nothing().returning(inbox.c.event_id)
        return set(uow.session.execute(statement, rows).scalars())

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

    def _park(self, uow: UnitOfWork, message: Message, error: Exception, *, attempts: int) -> str:
        now, state, retry_at = self._clock.now(), DEAD, None
        if attempts < self._max_attempts and not isinstance(error, Unreadable):
            state, retry_at = PARKED, now + timedelta(seconds=retry_delay(attempts, self._randomness))
        self._record(
            uow,
            message,
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
            event_id=str(message.event_id),
            type=message.event_type,
            attempts=attempts,
            error=type(error).__name__,
        )
        return state

    def _bury(self, message: Message, error: Unreadable) -> None:
        """Keep a message nobody can read as a dead letter, once, however often it is delivered."""
        with self._database.transaction() as uow:
            if self._take(uow, [message]):
                self._park(uow, message, error, attempts=1)
        EVENTS_CONSUMED.labels(self._group, "unreadable", DEAD).inc()

    def _record(self, uow: UnitOfWork, message: Message, **values: Any) -> None:
        uow.session.execute(
            update(inbox).where(inbox.c.consumer == self._group, inbox.c.event_id == message.event_id).values(**values)
        )

    def _count(self, received: Received[Event], outcome: str) -> None:
        EVENTS_CONSUMED.labels(self._group, received.envelope.type, outcome).inc()
        QUEUE_AGE_S.labels(self._group).observe(_age_s(received.envelope.time, self._clock.now()))


def _age_s(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


def _storable(message: Message) -> dict[str, Any]:
    """Headers as JSON can hold them: a stranger's message may carry anything."""
    plain = str | int | None
    return {str(name): value if isinstance(value, plain) else str(value) for name, value in message.headers.items()}


def _reason(error: Exception) -> str:
    """Why it failed, for the person who looks; only messages written by us, others may quote the data."""
    ours = type(error).__module__.startswith(("shared.", "services."))
    return str(error)[:500] if ours else type(error).__name__
