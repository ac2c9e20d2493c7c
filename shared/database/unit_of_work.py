"""One transaction: the state it changes and the events that say so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from shared.clock import Clock
from shared.database.bulk import insert_many
from shared.database.deferred import DeferredUpserts
from shared.database.schema import DEFERRED
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.messaging.tables import outbox
from shared.telemetry.traces import current_traceparent


@dataclass(frozen=True)
class Cause:
    """What an action belongs to: its journey, the event directly behind it, and the trace it continues."""

    correlation_id: UUID = field(default_factory=uuid4)
    causation_id: UUID | None = None
    traceparent: str | None = None

    @classmethod
    def of(cls, envelope: Envelope) -> "Cause":
        """The cause of whatever `envelope` leads to."""
        return cls(envelope.correlation_id, envelope.id, envelope.traceparent)


class UnitOfWork:
    """
    A session, the cause of what is done in it, and the events that come of it.

    Events are written to the outbox with the commit. Lock the row of the aggregate before
    emitting, so that the order of outbox rows is the order of versions.
    """

    def __init__(self, session: Session, *, clock: Clock, cause: Cause) -> None:
        self.session = session
        self.clock = clock
        self.cause = cause
        self._rows: list[dict[str, object]] = []
        self._flushed = 0
        self._after_commit: list[Callable[[], None]] = []
        self._deferred: DeferredUpserts | None = None

    def defer_upserts(self) -> None:
        """From now on write the upserts of many events together; for whoever applies a batch."""
        self._deferred = self.session.info[DEFERRED] = DeferredUpserts(self.session)

    def emit(self, event: Event, *, version: int, caused_by: Envelope | None = None) -> Envelope:
        """
        Record a fact, to be published after the commit.

        Args:
            version: The subject's version that this fact led to.
            caused_by: An earlier event of the same transaction that is directly behind this one.
        """
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=version,
            time=self.clock.now(),
            correlation_id=self.cause.correlation_id,
            causation_id=caused_by.id if caused_by else self.cause.causation_id,
            traceparent=current_traceparent() or self.cause.traceparent,
        )
        self._rows.append(
            {
                "event_id": envelope.id,
                "type": envelope.type,
                "subject": envelope.subject,
                "subject_version": version,
                "occurred_at": envelope.time,
                "correlation_id": envelope.correlation_id,
                "causation_id": envelope.causation_id,
                "traceparent": envelope.traceparent,
                "body": event.model_dump_json(exclude_none=True).encode(),
            }
        )
        return envelope

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A savepoint: on an exception what was done inside is undone, events included, and the exception goes on."""
        rows, actions = len(self._rows), len(self._after_commit)
        self._write_deferred()
        try:
            with self.session.begin_nested():
                yield
                self._write_deferred()
        except BaseException:
            if self._deferred:
                self._deferred.forget()
            del self._rows[rows:]
            del self._after_commit[actions:]
            raise

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once this transaction is durable; not if it rolls back."""
        self._after_commit.append(action)

    @property
    def emitted(self) -> int:
        return self._flushed + len(self._rows)

    def flush_events(self) -> None:
        """
        Write the recorded events to the outbox. Called by the transaction that owns this.

        A transaction of very many events calls it now and then itself, so that they need not all be
        held in memory; never inside `attempt`, which undoes only what is still held.
        """
        self._write_deferred()
        if self._rows:
            insert_many(self.session, outbox, self._rows)
            self._flushed += len(self._rows)
            self._rows.clear()

    def committed(self) -> None:
        for action in self._after_commit:
            action()

    def _write_deferred(self) -> None:
        if self._deferred:
            self._deferred.write()
