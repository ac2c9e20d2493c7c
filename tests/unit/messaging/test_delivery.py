"""Exactly once in effect: the inbox, parking, retries and dead letters of a consumer."""

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, func, select

from shared.database.database import Database, DatabaseAway, create_service_engine
from shared.database.migrations import service_metadata
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import PlanApproved, PlanSubmitted
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import (
    ReasonMissing,
    classes_of,
    discard,
    discard_class,
    list_dead_letters,
    replay,
    replay_class,
    show_dead_letter,
)
from shared.messaging.message import Message
from shared.messaging.reactions import NotYetKnown, Received, combine, reaction
from shared.messaging.relay import Relay, as_message, outbox_backlog, turn_for
from shared.messaging.tables import dead_letter_actions, inbox, outbox
from shared.problems import NotFound
from shared.testing import FakeClock

metadata = MetaData()
approvals = Table(
    "approvals",
    metadata,
    Column("plan_id", Uuid, primary_key=True),
    Column("version", Integer),
    Column("count", Integer),
)


class Receiver:
    """A service that counts approvals and answers each with an event of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.unknown: set[UUID] = set()
        self.broken: set[UUID] = set()
        self.consumer = Consumer(
            database,
            group="receiver",
            reactions=combine([reaction(PlanApproved, self.on_plan_approved)]),
            max_attempts=3,
            randomness=random.Random(1),
        )

    def on_plan_approved(self, received: Received[PlanApproved], *, uow: UnitOfWork) -> None:
        plan = received.event
        upsert(
            uow.session,
            approvals,
            {"plan_id": plan.plan_id, "version": plan.version, "count": 1},
            key=["plan_id"],
            newer_than="version",
        )
        uow.emit(
            PlanSubmitted(plan_id=plan.plan_id, student_id=plan.student_id, version=1, actor_id=plan.actor_id),
            version=1,
        )
        if plan.plan_id in self.unknown:
            raise NotYetKnown("plan", plan.plan_id)
        if plan.plan_id in self.broken:
            raise ValueError("the name of a child")

    def applied(self) -> int:
        return self.count(approvals)

    def count(self, table: Table) -> int:
        with self.database.reading() as session:
            return session.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def receiver(tmp_path: Path, clock: FakeClock) -> Iterator[Receiver]:
    engine = create_service_engine(f"sqlite:///{tmp_path}/receiver.sqlite3", pool_size=2)
    for each in service_metadata(metadata):
        each.create_all(engine)
    database = Database(engine, service="receiver", clock=clock)
    yield Receiver(database)
    database.dispose()


def approved(plan_id: UUID | None = None, version: int = 1) -> PlanApproved:
    return PlanApproved(plan_id=plan_id or uuid4(), student_id=uuid4(), version=version, actor_id=uuid4())


def messages_of(database: Database, *events: PlanApproved) -> list[Message]:
    """The events as the relay would send them, without leaving them in the outbox."""
    with database.transaction() as uow:
        for event in events:
            uow.emit(event, version=event.version)
    with database.transaction() as uow:
        rows = uow.session.execute(select(outbox).order_by(outbox.c.position)).all()
        uow.session.execute(outbox.delete())
    return [as_message(row) for row in rows]


class TestConsumer:
    def test_applies_a_batch_with_its_follow_on_events(self, receiver: Receiver) -> None:
        batch = messages_of(receiver.database, approved(), approved())

        receiver.consumer.apply(batch)

        assert (receiver.applied(), receiver.count(outbox), receiver.count(inbox)) == (2, 2, 2)

    def test_ignores_what_it_has_applied_already(self, receiver: Receiver) -> None:
        batch = messages_of(receiver.database, approved())

        receiver.consumer.apply([*batch, *batch])
        receiver.consumer.apply(batch)

        assert (receiver.applied(), receiver.count(outbox)) == (1, 1)

    def test_keeps_the_journey_of_what_it_reacts_to(self, receiver: Receiver) -> None:
        [message] = messages_of(receiver.database, approved())

        receiver.consumer.apply([message])

        with receiver.database.reading() as session:
            row = session.execute(select(outbox)).one()
        assert row.correlation_id == message.envelope().correlation_id
        assert row.causation_id == message.event_id

    def test_parks_the_failing_event_alone(self, receiver: Receiver) -> None:
        events = [approved() for _ in range(5)]
        receiver.broken.add(events[2].plan_id)

        receiver.consumer.apply(messages_of(receiver.database, *events))

        assert (receiver.applied(), receiver.count(outbox)) == (4, 4)
        [letter] = list_dead_letters(receiver.database, include_parked=True)
        assert (letter.state, letter.error_class, letter.attempts) == ("parked", "ValueError", 1)

    def test_parks_as_many_as_fail(self, receiver: Receiver) -> None:
        events = [approved() for _ in range(40)]
        receiver.broken |= {event.plan_id for event in events[::2]}

        receiver.consumer.apply(messages_of(receiver.database, *events))

        assert (receiver.applied(), receiver.count(outbox), receiver.count(inbox)) == (20, 20, 40)
        assert len(list_dead_letters(receiver.database, include_parked=True)) == 20

    def test_does_not_keep_the_text_of_errors_it_did_not_write(self, receiver: Receiver) -> None:
        event = approved()
        receiver.broken.add(event.plan_id)

        receiver.consumer.apply(messages_of(receiver.database, event))

        [letter] = list_dead_letters(receiver.database, include_parked=True)
        assert letter.error == "ValueError"

    def test_tries_a_parked_event_again_when_its_time_has_come(self, receiver: Receiver, clock: FakeClock) -> None:
        event = approved()
        receiver.unknown.add(event.plan_id)
        receiver.consumer.apply(messages_of(receiver.database, event))
        receiver.unknown.clear()

        assert receiver.consumer.retry_due() == 0
        clock.advance(seconds=2)
        assert receiver.consumer.retry_due() == 1

        assert (receiver.applied(), receiver.count(outbox)) == (1, 1)
        assert list_dead_letters(receiver.database, include_parked=True) == []

    def test_gives_up_after_the_last_attempt(self, receiver: Receiver, clock: FakeClock) -> None:
        event = approved()
        receiver.unknown.add(event.plan_id)
        receiver.consumer.apply(messages_of(receiver.database, event))

        for _ in range(2):
            clock.advance(hours=1)
            receiver.consumer.retry_due()

        [letter] = list_dead_letters(receiver.database)
        assert (letter.state, letter.attempts, letter.error) == ("dead", 3, f"plan {event.plan_id} is not known yet")
        assert (receiver.applied(), receiver.count(outbox)) == (0, 0)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"body": b"\xff\x00 not json"}, "plans.plan.approved.v1: body: json_invalid"),
            ({"body": b"{}"}, "plans.plan.approved.v1: plan_id: missing"),
            ({"content_type": "text/plain"}, "content type 'text/plain', expected 'application/json'"),
            ({"headers": {}}, "type '' is not one that receiver reacts to"),
            ({"headers": {"ce-type": "plans.plan.approved.v1", "ce-id": "x"}}, "envelope: id: uuid_parsing"),
            ({"headers": {"ce-type": "a\0\ud800"}}, "type 'a\\x00\\ud800' is not one"),
        ],
    )
    def test_keeps_what_it_cannot_read_as_a_dead_letter(
        self, receiver: Receiver, change: dict[str, object], reason: str
    ) -> None:
        good, bad = messages_of(receiver.database, approved(), approved())
        content = {"headers": bad.headers, "body": bad.body, "content_type": bad.content_type} | change
        unreadable = Message(**content)  # type: ignore[arg-type]

        receiver.consumer.apply([unreadable, good])
        receiver.consumer.apply([unreadable])

        assert receiver.applied() == 1
        [letter] = list_dead_letters(receiver.database)
        assert letter.error is not None
        assert letter.error.startswith(reason)

    def test_waits_for_a_version_that_knows_the_type(self, receiver: Receiver, clock: FakeClock) -> None:
        [message] = messages_of(receiver.database, approved())
        newer = Message(headers={**message.headers, "ce-type": "plans.plan.approved.v9"}, body=message.body)

        receiver.consumer.apply([newer])

        [letter] = list_dead_letters(receiver.database, include_parked=True)
        assert (letter.state, letter.error_class) == ("parked", "UnknownType")

    def test_commits_nothing_while_the_database_is_away(self, receiver: Receiver) -> None:
        batch = messages_of(receiver.database, approved())

        def away(received: object, *, uow: UnitOfWork) -> None:
            raise DatabaseAway("gone")

        consumer = Consumer(
            receiver.database, group="receiver", reactions=combine([reaction(PlanApproved, away)]), max_attempts=3
        )
        with pytest.raises(DatabaseAway):
            consumer.apply(batch)

        assert receiver.count(inbox) == 0


class TestDeadLetters:
    def test_replays_with_all_attempts_before_it(self, receiver: Receiver, clock: FakeClock) -> None:
        letter = self.dead(receiver, clock)
        receiver.unknown.clear()

        with receiver.database.transaction() as uow:
            assert replay(uow, [letter], actor="ops") == 1
        receiver.consumer.retry_due()

        assert receiver.applied() == 1
        assert receiver.count(dead_letter_actions) == 1

    def test_discards_with_a_reason_and_drops_the_body(self, receiver: Receiver, clock: FakeClock) -> None:
        letter = self.dead(receiver, clock)

        with receiver.database.transaction() as uow:
            discard(uow, [letter], actor="ops", reason="test student")

        with receiver.database.reading() as session:
            row = session.execute(select(inbox)).one()
        assert (row.state, row.body) == ("discarded", None)
        with pytest.raises(NotFound):
            show_dead_letter(receiver.database, letter)

    def test_refuses_to_discard_without_a_reason(self, receiver: Receiver, clock: FakeClock) -> None:
        letter = self.dead(receiver, clock)

        with pytest.raises(ReasonMissing), receiver.database.transaction() as uow:
            discard(uow, [letter], actor="ops", reason=" ")

        assert len(list_dead_letters(receiver.database)) == 1

    def test_changes_nothing_if_one_id_is_unknown(self, receiver: Receiver, clock: FakeClock) -> None:
        letter = self.dead(receiver, clock)

        with pytest.raises(NotFound), receiver.database.transaction() as uow:
            replay(uow, [letter, uuid4()], actor="ops")

        assert list_dead_letters(receiver.database)[0].state == "dead"

    def test_are_counted_by_class_and_decided_on_by_class_in_portions(
        self, receiver: Receiver, clock: FakeClock
    ) -> None:
        unknown, broken = [approved() for _ in range(5)], [approved() for _ in range(2)]
        receiver.unknown |= {event.plan_id for event in unknown}
        receiver.broken |= {event.plan_id for event in broken}
        begun = clock.now()
        receiver.consumer.apply(messages_of(receiver.database, *unknown, *broken))
        for _ in range(2):
            clock.advance(hours=1)
            receiver.consumer.retry_due()

        assert [(each.error_class, each.state, each.count, each.oldest) for each in classes_of(receiver.database)] == [
            ("NotYetKnown", "dead", 5, begun),
            ("ValueError", "dead", 2, begun),
        ]
        receiver.unknown.clear()
        portions = []
        for _ in range(3):
            with receiver.database.transaction() as uow:
                portions.append(replay_class(uow, "NotYetKnown", actor="ops", limit=3))
        with receiver.database.transaction() as uow:
            discarded = discard_class(uow, "ValueError", actor="ops", reason="test students")
        receiver.consumer.retry_due()

        assert (portions, discarded) == ([3, 2, 0], 2)
        assert receiver.applied() == 5
        assert classes_of(receiver.database, include_parked=True) == []
        assert receiver.count(dead_letter_actions) == 7

    def test_of_a_class_are_not_discarded_without_a_reason(self, receiver: Receiver, clock: FakeClock) -> None:
        self.dead(receiver, clock)

        with pytest.raises(ReasonMissing), receiver.database.transaction() as uow:
            discard_class(uow, "NotYetKnown", actor="ops", reason="")

        assert len(list_dead_letters(receiver.database)) == 1

    def dead(self, receiver: Receiver, clock: FakeClock) -> UUID:
        event = approved()
        receiver.unknown.add(event.plan_id)
        receiver.consumer.apply(messages_of(receiver.database, event))
        for _ in range(2):
            clock.advance(hours=1)
            receiver.consumer.retry_due()
        return list_dead_letters(receiver.database)[0].event_id


class TestOutbox:
    def test_writes_nothing_when_the_transaction_fails(self, receiver: Receiver) -> None:
        with pytest.raises(RuntimeError), receiver.database.transaction() as uow:
            uow.emit(approved(), version=1)
            raise RuntimeError

        assert receiver.count(outbox) == 0

    def test_only_one_relay_of_a_service_is_active(self, receiver: Receiver) -> None:
        first, second = turn_for(receiver.database), turn_for(receiver.database)

        assert (first.take(), second.take()) == (True, False)
        first.release()
        assert second.take()
        second.release()

    def test_shows_backlog_and_lag(self, receiver: Receiver, clock: FakeClock) -> None:
        with receiver.database.transaction() as uow:
            uow.emit(approved(), version=1)
        clock.advance(seconds=30)

        assert outbox_backlog(receiver.database) == (1, 30.0)

    def test_publishes_again_what_was_not_confirmed(self, receiver: Receiver) -> None:
        from shared.messaging.broker import BrokerAway

        attempts: list[list[UUID]] = []

        class Flaky:
            def publish(self, batch: list[Message]) -> None:
                attempts.append([message.event_id for message in batch])
                if len(attempts) == 1:
                    raise BrokerAway("lost confirm")

            def close(self) -> None: ...

        with receiver.database.transaction() as uow:
            uow.emit(approved(), version=1)
        relay = Relay(receiver.database, Flaky(), batch=10, turn=turn_for(receiver.database))  # type: ignore[arg-type]

        with pytest.raises(BrokerAway):
            relay.publish_batch()
        assert relay.publish_batch() == 1
        assert relay.publish_batch() == 0

        assert attempts[0] == attempts[1]
        relay.close()
