"""Moves events from a service's outbox to the broker, in order, and marks them only after the confirm."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import UUID

from opentelemetry.trace import SpanKind
from sqlalchemy import BigInteger, ColumnElement, Connection, Row, any_, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from shared.database.database import Database
from shared.events.envelope import Envelope
from shared.messaging.broker import Broker, BrokerAway
from shared.messaging.message import Message
from shared.messaging.tables import outbox
from shared.telemetry.metrics import EVENTS_PUBLISHED, PUBLISH_FAILURES
from shared.telemetry.traces import span


class Turn(Protocol):
    """The right to be the one active relay of a service."""

    def take(self) -> bool:
        """True while this relay may publish; tries to get the turn if it has not. Raises DatabaseAway."""

    def statement(self, *, writes: bool) -> AbstractContextManager[Session | Connection]:
        """Where the holder of the turn executes one statement, committed at the end. Raises DatabaseAway."""

    def release(self) -> None: ...


class DatabaseTurn:
    """
    A session-level advisory lock: lost with the connection, so a dead relay never blocks another.

    The outbox is read and marked on the very connection that holds the lock. Whoever lost
    the lock can therefore not go on, and a batch costs two round trips.
    """

    # Tell a host that vanished without a goodbye from a quiet one, or the lock would stay with it for hours.
    _NOTICE_SILENCE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._held = False

    def take(self) -> bool:
        if not self._held:
            lock = text("SELECT pg_try_advisory_lock(hashtext('signpost-relay'), hashtext(:service))")
            with self.statement(writes=True) as connection:
                self._held = bool(connection.execute(lock, {"service": self._database.service}).scalar())
        return self._held

    @contextmanager
    def statement(self, *, writes: bool) -> Iterator[Connection]:
        with self._database.translating():
            try:
                yield self._connected()
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        connection, self._connection, self._held = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(self._NOTICE_SILENCE)
            self._connection = connection
        return self._connection


class FileTurn:
    """A lock file beside the SQLite database; the kernel frees it when the process ends, however it ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._path = Path(f"{database.engine.url.database}.relay")
        self._file: IO[str] | None = None

    def take(self) -> bool:
        if self._file is not None:
            return True
        handle = self._path.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return False
        self._file = handle
        return True

    @contextmanager
    def statement(self, *, writes: bool) -> Iterator[Session]:
        if writes:
            with self._database.transaction() as uow:
                yield uow.session
        else:
            with self._database.reading() as session:
                yield session

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def turn_for(database: Database) -> Turn:
    return FileTurn(database) if database.is_sqlite else DatabaseTurn(database)


class Relay:
    """Publishes unpublished outbox rows in batches. One is active per service; others stand by."""

    def __init__(self, database: Database, broker: Broker, *, batch: int, turn: Turn) -> None:
        self._database = database
        self._broker = broker
        self._batch = batch
        self._turn = turn
        self.is_active = False

    def publish_batch(self) -> int:
        """
        Publish the oldest unpublished events; how many.

        Selecting by "not yet published" and never by "id greater than" also finds rows of
        transactions that took their position early and committed late.

        Raises:
            BrokerAway: None of the batch was marked; all of it will be published again.
            DatabaseAway: Likewise.
        """
        self.is_active = self._turn.take()
        if not self.is_active:
            return 0
        rows = self._unpublished()
        if not rows:
            return 0
        try:
            with span(
                f"{self._database.service} publish",
                kind=SpanKind.PRODUCER,
                parent=rows[0].traceparent,
                links=[row.traceparent for row in rows[1:] if row.traceparent][:32],
                attributes={"messaging.batch.message_count": len(rows), "messaging.operation.type": "send"},
            ):
                self._broker.publish([as_message(row) for row in rows])
        except BrokerAway as error:
            PUBLISH_FAILURES.labels(self._database.service, type(error.__cause__ or error).__name__).inc()
            raise
        self._mark([row.position for row in rows])
        EVENTS_PUBLISHED.labels(self._database.service).inc(len(rows))
        return len(rows)

    def drain(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Publish until the outbox is empty, the turn is another's or `stopping` says so; how many."""
        total = 0
        while not stopping() and (published := self.publish_batch()):
            total += published
        return total

    def close(self) -> None:
        self.is_active = False
        self._turn.release()
        self._broker.close()

    def _unpublished(self) -> Sequence[Row[Any]]:
        oldest = select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.position).limit(self._batch)
        with self._turn.statement(writes=False) as session:
            return session.execute(oldest).all()

    def _mark(self, positions: Sequence[int]) -> None:
        published: ColumnElement[bool]
        if self._database.is_sqlite:
            published = outbox.c.position.in_(positions)
        else:  # one parameter, whatever the size of the batch
            published = outbox.c.position == any_(literal(positions, ARRAY(BigInteger)))
        with self._turn.statement(writes=True) as session:
            session.execute(update(outbox).where(published).values(published_at=self._database.clock.now()))


def as_message(row: Row[Any]) -> Message:
    """The message that carries an outbox row; the same each time it is published."""
    event_id: UUID = row.event_id
    envelope = Envelope(
        id=event_id,
        type=row.type,
        subject=row.subject,
        subject_version=row.subject_version,
        time=row.occurred_at,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        traceparent=row.traceparent,
    )
    return Message(headers=envelope.headers(), body=row.body)


def outbox_backlog(database: Database) -> tuple[int, float]:
    """Events not yet published, and the age of the oldest in seconds."""
    with database.reading() as session:
        pending, oldest = session.execute(
            select(func.count(), func.min(outbox.c.occurred_at)).where(outbox.c.published_at.is_(None))
        ).one()
    return pending, max(0.0, (database.clock.now() - oldest).total_seconds()) if oldest else 0.0
