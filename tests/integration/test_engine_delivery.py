"""The promises of delivery, on both grounds: embedded with SQLite, and RabbitMQ with PostgreSQL."""

import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text, update

from shared.clock import SystemClock
from shared.database.database import Database, DatabaseAway
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import PlanApproved
from shared.messaging import rabbitmq
from shared.messaging.broker import BrokerAway
from shared.messaging.dead_letters import list_dead_letters
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.message import Message
from shared.messaging.rabbitmq import RabbitBroker, RabbitSource, channel_to
from shared.messaging.reactions import NotYetKnown, Received
from shared.messaging.relay import Relay, outbox_backlog, turn_for
from shared.messaging.tables import inbox, outbox
from shared.messaging.topology import DELIVERY_LIMIT
from shared.testing.databases import embedded_settings, postgres_urls
from tests.support import engines
from tests.support.ledger import approved, count, emit
from tests.support.stages import EmbeddedStage, RabbitStage, Stage, staged
from tests.support.waiting import wait_until


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Stage]:
    with staged(EmbeddedStage, embedded_settings(tmp_path)) as stage:
        yield stage


@pytest.fixture(scope="module")
def vhost(rabbit: engines.Rabbit) -> Iterator[str]:
    with rabbit.vhost() as url:
        yield url


@pytest.fixture
def real(tmp_path: Path, vhost: str, postgres_server: str) -> Iterator[RabbitStage]:
    exchange = f"test.{secrets.token_hex(4)}"  # queues are named after it
    with postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url:
        settings = embedded_settings(tmp_path, amqp_url=vhost, database_url=database_url, exchange=exchange)
        with staged(RabbitStage, settings) as stage:
            assert isinstance(stage, RabbitStage)
            yield stage


@pytest.fixture(params=["embedded", "real"])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue(request.param)
    return found


class OnceThen:
    """A fault that strikes a number of times."""

    def __init__(self, strike: object, times: int = 1) -> None:
        self._strike = strike
        self.left = times

    def __call__(self, received: Received[PlanApproved], uow: UnitOfWork) -> None:
        if self.left > 0:
            self.left -= 1
            self._strike(received, uow)  # type: ignore[operator]


class TestDelivery:
    def test_hands_on_every_event_once_and_in_order(self, stage: Stage) -> None:
        ids = [each for portion in range(6) for each in emit(stage.ledger, 20, first=portion * 20 + 1)]

        stage.settle(recorded=120)

        assert stage.noted() == ids
        assert outbox_backlog(stage.ledger) == (0, 0.0)

    def test_applies_once_what_is_published_twice(self, stage: Stage) -> None:
        ids = emit(stage.ledger, 70)
        stage.settle(recorded=70)

        with stage.ledger.transaction() as uow:
            uow.session.execute(update(outbox).values(published_at=None))
        more = emit(stage.ledger, 1)
        stage.settle(recorded=71)

        assert stage.noted() == [*ids, *more]

    def test_keeps_events_in_the_outbox_while_the_broker_is_away(self, stage: Stage) -> None:
        emit(stage.ledger, 1)
        stage.settle(recorded=1)
        stage.break_broker()
        emit(stage.ledger, 10)

        with pytest.raises(BrokerAway):
            stage.relay.drain()
        assert outbox_backlog(stage.ledger)[0] == 10
        stage.repair_broker()
        stage.settle(recorded=11)

        assert len(set(stage.noted())) == len(stage.noted()) == 11

    def test_takes_nothing_while_the_database_is_away(self, stage: Stage) -> None:
        ids = emit(stage.ledger, 10)
        fault = OnceThen(stage.lose_database)
        stage.before_noting.append(fault)

        with pytest.raises((DatabaseAway, BrokerAway)):  # embedded, the relay hears of it as of its broker
            stage.settle(recorded=10)
        assert (fault.left, stage.recorded(), len(stage.noted())) == (0, 0, 0)
        stage.settle(recorded=10)

        assert stage.noted() == ids

    def test_takes_nothing_when_the_database_goes_while_each_is_tried_alone(self, stage: Stage) -> None:
        ids = emit(stage.ledger, 4)

        def fail(received: Received[PlanApproved], uow: UnitOfWork) -> None:
            raise NotYetKnown("student", received.event.student_id)

        stage.before_noting += [OnceThen(fail), OnceThen(stage.lose_database)]

        with pytest.raises((DatabaseAway, BrokerAway)):
            stage.settle(recorded=4)
        stage.settle(recorded=4)

        assert stage.noted() == ids
        assert list_dead_letters(stage.mirror, include_parked=True) == []

    def test_parks_the_poison_alone(self, stage: Stage) -> None:
        ids = emit(stage.ledger, 100)
        poison = ids[57]

        def fail(received: Received[PlanApproved], uow: UnitOfWork) -> None:
            if received.envelope.id == poison:
                raise ValueError("the name of a child")

        stage.before_noting.append(fail)
        stage.settle(recorded=100)

        assert stage.noted() == [each for each in ids if each != poison]
        [letter] = list_dead_letters(stage.mirror, include_parked=True)
        assert (letter.event_id, letter.state, letter.error) == (poison, "parked", "ValueError")

    def test_keeps_messages_of_strangers_whatever_is_in_them(self, stage: Stage) -> None:
        stranger = Message(
            headers={
                "ce-type": PlanApproved.event_type,
                "ce-id": "nonsense\0",
                "odd": "\0",
                "nested": {"a": [1]},
                "number": 1.5,
            },
            body=b"\x00\xff",
        )
        stage.relay_through(stage.broker())._broker.publish([stranger])
        stage.settle(recorded=1)

        [letter] = list_dead_letters(stage.mirror)
        assert letter.error_class == "Unreadable"

    def test_refuses_to_publish_before_the_groups_are_there(self, embedded: Stage) -> None:
        emit(embedded.ledger, 3)
        relay = embedded.relay_through(EmbeddedBroker(expected=["mirror"]))

        embedded.relay.close()
        with pytest.raises(BrokerAway, match="not subscribed yet: mirror"):
            relay.drain()

        assert outbox_backlog(embedded.ledger)[0] == 3
        relay.close()

    def test_shares_parked_events_between_workers(self, stage: Stage) -> None:
        ids = emit(stage.ledger, 30)

        def fail(received: Received[PlanApproved], uow: UnitOfWork) -> None:
            raise NotYetKnown("student", received.event.student_id)

        stage.before_noting.append(fail)
        stage.settle(recorded=30)
        stage.before_noting.clear()
        with stage.mirror.transaction() as uow:
            uow.session.execute(update(inbox).values(next_attempt_at=SystemClock().now()))

        databases = [Database.open(stage.settings, "mirror") for _ in range(3)]
        workers = [threading.Thread(target=stage.consumer_on(each).retry_due) for each in databases]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for each in databases:
            each.dispose()

        assert sorted(map(str, stage.noted())) == sorted(map(str, ids))
        assert list_dead_letters(stage.mirror, include_parked=True) == []


class TestDatabaseConflicts:
    def test_parks_what_lost_against_another_transaction_and_never_gives_up(self, real: RabbitStage) -> None:
        ids = emit(real.ledger, 5)
        unlucky = ids[2]

        def deadlock(received: Received[PlanApproved], uow: UnitOfWork) -> None:
            if received.envelope.id == unlucky:
                uow.session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"))

        real.before_noting.append(deadlock)
        real.consumer = real.consumer_on(real.mirror, max_attempts=1)
        real.settle(recorded=5)

        assert real.noted() == [each for each in ids if each != unlucky]
        [letter] = list_dead_letters(real.mirror, include_parked=True)
        assert (letter.state, letter.error_class) == ("parked", "OperationalError")

    def test_calls_a_full_pool_a_database_that_is_away(self, real: RabbitStage) -> None:
        starved = Database.open(real.settings.model_copy(update={"db_pool_size": 1}), "mirror")
        starved.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
        held = [starved.engine.connect() for _ in range(3)]

        with pytest.raises(DatabaseAway):
            starved.ping()

        for each in held:
            each.close()
        starved.dispose()


class TestRabbitMQ:
    def test_publishes_again_what_was_never_confirmed(self, real: RabbitStage, monkeypatch: pytest.MonkeyPatch) -> None:
        emit(real.ledger, 1)
        real.settle(recorded=1)
        ids = emit(real.ledger, 20)
        monkeypatch.setattr(rabbitmq, "ANSWER_TIMEOUT_S", 0.5)
        real.proxy.fault = "lose_answers"

        with pytest.raises(BrokerAway, match="confirms missing"):
            real.relay.drain()
        assert real.proxy.swallowed > 0
        real.proxy.fault = "none"
        real.relay.drain()
        queue = real.topology.queue("mirror")
        wait_until(lambda: real.held(queue) == 40, timeout_s=5, what="both copies of each")
        [last] = emit(real.ledger, 1)
        real.settle(recorded=22)

        assert real.noted()[1:] == [*ids, last]

    @pytest.mark.parametrize("fault", ["silence", "refuse"])
    def test_gives_up_on_a_broker_that_does_not_answer(
        self, real: RabbitStage, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        monkeypatch.setattr(rabbitmq, "ANSWER_TIMEOUT_S", 0.3)
        monkeypatch.setattr(rabbitmq, "CONNECT_TIMEOUT_S", 0.3)
        real.proxy.fault = fault  # type: ignore[assignment]
        emit(real.ledger, 1)

        with pytest.raises(BrokerAway):
            real.relay.drain()

    def test_takes_what_was_delivered_before_one_at_a_time(self, real: RabbitStage) -> None:
        emit(real.ledger, 10)
        real.relay.drain()
        with channel_to(real.url) as channel:  # a consumer that dies with all of it in hand
            for _ in range(10):
                channel.basic_get(real.topology.queue("mirror"))
        sizes: list[int] = []

        def take(batch: list[Message]) -> None:
            sizes.append(len(batch))
            real.consumer.apply(batch)

        real.source().run(take, stopping=lambda: real.recorded() >= 10)  # type: ignore[arg-type]

        assert sizes == [1] * 10

    def test_takes_batches_once_there_is_something_new(self, real: RabbitStage) -> None:
        emit(real.ledger, 101)
        real.relay.drain()
        sizes: list[int] = []

        def take(batch: list[Message]) -> None:
            sizes.append(len(batch))
            real.consumer.apply(batch)

        real.source().run(take, stopping=lambda: real.recorded() >= 101)  # type: ignore[arg-type]

        assert (sizes[0], sum(sizes)) == (1, 101)
        assert len(sizes) < 12

    def test_records_what_the_broker_gave_up_on(self, real: RabbitStage) -> None:
        [killer] = emit(real.ledger, 1)
        real.relay.drain()
        with channel_to(real.url) as channel:
            for _ in range(DELIVERY_LIMIT + 1):
                message = channel.basic_get(real.topology.queue("mirror"))
                channel.basic_reject(message.delivery_tag, requeue=True)
        dead = real.source(real.topology.dead_queue("mirror"))

        dead.run(real.consumer.record_given_up, stopping=lambda: real.recorded() == 1)

        [letter] = list_dead_letters(real.mirror)
        assert (letter.event_id, letter.error, letter.error_class) == (killer, "delivery limit", "GivenUp")
        assert real.noted() == []

    def test_keeps_an_idle_connection(self, real: RabbitStage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rabbitmq, "HEARTBEAT_S", 1)
        pause = threading.Event()
        emit(real.ledger, 1)
        real.relay.drain()
        broker = real.relay._broker
        assert isinstance(broker, RabbitBroker)
        connection = broker._connection

        for _ in range(16):  # four seconds; the broker ends a silent connection after two
            broker.keep_alive()
            pause.wait(0.25)
        emit(real.ledger, 1)
        real.relay.drain()

        assert connection is not None
        assert broker._connection is connection

    def test_notices_a_broker_that_fell_silent(self, real: RabbitStage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rabbitmq, "HEARTBEAT_S", 1)
        source = RabbitSource(real.proxy.before(real.url), queue=real.topology.queue("mirror"), batch=10)

        def fall_silent() -> None:
            real.proxy.fault = "silence"

        with pytest.raises(BrokerAway):
            source.run(real.consumer.apply, stopping=lambda: False, subscribed=fall_silent)

    def test_keeps_the_connection_of_a_batch_that_waits(
        self, real: RabbitStage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rabbitmq, "HEARTBEAT_S", 1)
        pause = threading.Event()
        emit(real.ledger, 5)
        real.relay.drain()
        source, delivered = real.source(), 0

        def take(batch: list[Message]) -> None:
            nonlocal delivered
            delivered += len(batch)
            for _ in range(14 if delivered == 1 else 0):  # the broker ends a silent connection after two seconds
                source.keep_alive()
                pause.wait(0.25)
            real.consumer.apply(batch)

        source.run(take, stopping=lambda: real.recorded() == 5)  # type: ignore[arg-type]

        assert delivered == 5


class TestRelay:
    def test_finds_events_whose_transaction_committed_late(self, real: RabbitStage) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def write_late() -> None:
            with real.ledger.transaction() as uow:
                uow.emit(approved(), version=1)
                uow.flush_events()
                begun.set()
                go_on.wait(10)
                uow._rows.clear()

        writer = threading.Thread(target=write_late)
        writer.start()
        begun.wait(10)
        emit(real.ledger, 5)
        real.settle(recorded=5)
        go_on.set()
        writer.join()

        real.settle(recorded=6)

        assert len(set(real.noted())) == 6

    def test_hands_the_turn_on_when_its_connection_is_lost(self, real: RabbitStage, postgres_server: str) -> None:
        emit(real.ledger, 1)
        other = Database.open(real.settings, "ledger")
        standby = Relay(other, RabbitBroker(real.url, exchange=real.settings.exchange), batch=10, turn=turn_for(other))
        assert real.relay.drain() == 1
        emit(real.ledger, 2)
        assert (standby.drain(), standby.is_active) == (0, False)

        with psycopg.connect(postgres_server, autocommit=True) as admin:
            holder = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            admin.execute(
                holder + "WHERE l.locktype = 'advisory' AND d.datname = %s", [real.ledger.engine.url.database]
            )
        published = wait_until(standby.drain, timeout_s=5, what="the standby's turn")

        assert published == 2
        with pytest.raises(DatabaseAway):  # it learns that its turn is over before it publishes again
            real.relay.drain()
        assert (real.relay.drain(), real.relay.is_active) == (0, False)
        standby.close()
        other.dispose()


class TestRetention:
    def test_removes_what_has_served_its_time(self, stage: Stage) -> None:
        from shared.messaging.periodic import Tick
        from shared.messaging.retention import remove_old

        emit(stage.ledger, 5)
        stage.settle(recorded=5)
        emit(stage.ledger, 2)
        long_ago = SystemClock().now() - timedelta(days=100)
        with stage.ledger.transaction() as uow:
            published = outbox.c.published_at.is_not(None)
            uow.session.execute(update(outbox).where(published).values(published_at=long_ago))
        with stage.mirror.transaction() as uow:
            uow.session.execute(update(inbox).values(received_at=long_ago))
            first = select(inbox.c.event_id).limit(1).scalar_subquery()
            uow.session.execute(update(inbox).where(inbox.c.event_id == first).values(state="dead"))

        removed = [remove_old(Tick(stage.ledger, stage.settings), portion=3) for _ in range(3)]
        remove_old(Tick(stage.mirror, stage.settings))

        assert removed == [3, 2, 0]
        assert (count(stage.ledger, outbox), count(stage.mirror, inbox)) == (2, 1)
