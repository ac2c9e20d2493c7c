"""Whatever a message is like, it is parked or kept with a reason, and nothing behind it waits; on both grounds."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.clock import SystemClock
from shared.events.plans import PlanApproved
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetter, list_dead_letters, replay
from shared.messaging.message import Message
from shared.messaging.reactions import NotYetKnown, Received, combine
from shared.messaging.relay import as_message
from shared.messaging.tables import inbox, outbox
from shared.testing.databases import embedded_settings, postgres_urls
from tests.support import engines
from tests.support.ledger import emit
from tests.support.stages import GROUP, EmbeddedStage, RabbitStage, Stage, staged

TWENTY_MEGABYTES = 20_000_000


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Stage]:
    with staged(EmbeddedStage, embedded_settings(tmp_path)) as stage:
        yield stage


@pytest.fixture(scope="module")
def vhost(rabbit: engines.Rabbit) -> Iterator[str]:
    with rabbit.vhost() as url:
        yield url


@pytest.fixture
def real(tmp_path: Path, vhost: str, postgres_server: str) -> Iterator[Stage]:
    exchange = f"test.{secrets.token_hex(4)}"
    with postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url:
        where = embedded_settings(tmp_path, amqp_url=vhost, database_url=database_url, exchange=exchange)
        with staged(RabbitStage, where) as stage:
            yield stage


@pytest.fixture(params=["embedded", "real"])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue(request.param)
    return found


def messages(stage: Stage, number: int) -> list[Message]:
    """Good messages as the relay would send them, which it does not."""
    emit(stage.ledger, number)
    with stage.ledger.transaction() as uow:
        rows = uow.session.execute(select(outbox).order_by(outbox.c.position)).all()
        uow.session.execute(outbox.delete())
    return [as_message(row) for row in rows]


def send(stage: Stage, *batch: Message, recorded: int) -> None:
    """To the group's own address, as a stranger could; until the group has so many in its inbox."""
    address = stage.topology.queue(GROUP) if isinstance(stage, RabbitStage) else GROUP
    broker = stage.broker()
    broker.publish_to(address, batch)
    broker.close()
    stage.receive(until=lambda: stage.recorded() >= recorded)


def with_headers(message: Message, **headers: Any) -> Message:
    return replace(message, headers={**message.headers, **{f"ce-{name}": value for name, value in headers.items()}})


def letters(stage: Stage) -> list[DeadLetter]:
    return list_dead_letters(stage.mirror, include_parked=True)


FAULTS: dict[str, tuple[Callable[[Message], Message], str, str]] = {
    "unreadable bytes": (lambda good: replace(good, body=b"\xff\x00\x80"), "Unreadable", "body: json_invalid"),
    "the wrong content type": (
        lambda good: replace(good, content_type="application/xml"),
        "Unreadable",
        "content type 'application/xml'",
    ),
    "another version": (
        lambda good: with_headers(good, type="plans.plan.approved.v7"),
        "UnknownType",
        "type 'plans.plan.approved.v7' is not one that mirror reacts to",
    ),
    "another type": (
        lambda good: with_headers(good, type="plans.plan.eaten.v1"),
        "UnknownType",
        "type 'plans.plan.eaten.v1' is not one that mirror reacts to",
    ),
    "twenty megabytes of nothing": (
        lambda good: replace(good, body=b" " * TWENTY_MEGABYTES),
        "Unreadable",
        "body: json_invalid",
    ),
}


class TestAMessage:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_that_is_bad_is_kept_with_a_reason_and_holds_nothing_up(self, stage: Stage, fault: str) -> None:
        spoil, error_class, reason = FAULTS[fault]
        first, bad, last = messages(stage, 3)

        send(stage, first, spoil(bad), last, recorded=3)

        assert list(stage.noted()) == [first.event_id, last.event_id]
        [letter] = letters(stage)
        assert letter.error_class == error_class
        assert reason in str(letter.error)

    def test_of_twenty_megabytes_that_is_a_fact_is_applied(self, stage: Stage) -> None:
        [good] = messages(stage, 1)
        big = replace(good, body=good.body[:-1] + b', "padding": "' + b"x" * TWENTY_MEGABYTES + b'"}')

        send(stage, big, recorded=1)

        assert list(stage.noted()) == [good.event_id]

    def test_about_an_unknown_student_waits_alone(self, stage: Stage) -> None:
        first, unknown, last = messages(stage, 3)

        def check(received: Received[PlanApproved], uow: object) -> None:
            if received.envelope.id == unknown.event_id:
                raise NotYetKnown("student", received.event.student_id)

        stage.before_noting.append(check)
        send(stage, first, unknown, last, recorded=3)

        assert list(stage.noted()) == [first.event_id, last.event_id]
        [letter] = letters(stage)
        assert (letter.state, letter.error_class) == ("parked", "NotYetKnown")

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_of_a_clock_that_is_an_hour_off_is_applied_at_once_and_in_its_place(self, stage: Stage, hours: int) -> None:
        first, skewed, last = messages(stage, 3)
        time = (SystemClock().now() + timedelta(hours=hours)).isoformat()
        ages: list[float] = []

        consumer = stage.consumer
        consumer._ages = _Ages(ages)  # type: ignore[assignment]
        send(stage, first, with_headers(skewed, time=time), last, recorded=3)

        assert list(stage.noted()) == [first.event_id, skewed.event_id, last.event_id]
        assert letters(stage) == []
        assert len(ages) == 3
        assert min(ages) >= 0
        assert (max(ages) > 3000) == (hours < 0)


class _Ages:
    def __init__(self, ages: list[float]) -> None:
        self.observe = ages.append


class TestAnIdUsedTwice:
    def test_with_another_content_is_kept_as_a_dead_letter(self, stage: Stage) -> None:
        first, second, last = messages(stage, 3)
        reused = with_headers(second, id=str(first.event_id))

        send(stage, first, recorded=1)
        send(stage, reused, last, recorded=3)
        send(stage, reused, first, recorded=3)  # delivered again, both

        assert list(stage.noted()) == [first.event_id, last.event_id]
        [letter] = letters(stage)
        assert (letter.state, letter.error_class) == ("dead", "IdReused")
        assert letter.error == f"id {first.event_id} came before with another content"
        assert letter.event_id != first.event_id

    def test_within_one_batch_keeps_the_second(self, stage: Stage) -> None:
        first, second, last = messages(stage, 3)

        send(stage, first, with_headers(second, id=str(first.event_id)), last, recorded=3)

        assert list(stage.noted()) == [first.event_id, last.event_id]
        assert [letter.error_class for letter in letters(stage)] == ["IdReused"]

    def test_is_applied_when_somebody_replays_it(self, stage: Stage) -> None:
        first, second = messages(stage, 2)
        send(stage, first, with_headers(second, id=str(first.event_id)), recorded=2)
        [letter] = letters(stage)

        with stage.mirror.transaction() as uow:
            replay(uow, [letter.event_id], actor="ops")
        assert stage.consumer.retry_due() == 1

        assert list(stage.noted()) == [first.event_id, first.event_id]
        assert letters(stage) == []

    def test_for_what_an_older_release_applied_is_taken_for_a_redelivery(self, stage: Stage) -> None:
        first, second = messages(stage, 2)
        send(stage, first, recorded=1)
        with stage.mirror.transaction() as uow:
            uow.session.execute(inbox.update().values(digest=None))

        send(stage, with_headers(second, id=str(first.event_id)), second, recorded=2)

        assert list(stage.noted()) == [first.event_id, second.event_id]
        assert letters(stage) == []


class TestADeadLetterOfAStranger:
    def test_that_is_replayed_dies_again_and_does_not_spin(self, stage: Stage) -> None:
        """What is kept of its headers does not give the id again under which it is kept."""
        stranger = Message(headers={"ce-type": PlanApproved.event_type, "odd": 1.5, "nested": {"a": [1]}}, body=b"{")
        send(stage, stranger, recorded=1)
        [letter] = letters(stage)

        with stage.mirror.transaction() as uow:
            replay(uow, [letter.event_id], actor="ops")
        tried = stage.consumer.retry_due(limit=10)

        assert tried == 1
        assert [each.state for each in letters(stage)] == ["dead"]


def test_a_group_that_reacts_to_nothing_parks_everything(stage: Stage) -> None:
    [message] = messages(stage, 1)
    deaf = Consumer(stage.mirror, group="deaf", reactions=combine([]), max_attempts=3)

    deaf.apply([message])

    [letter] = letters(stage)
    assert (letter.consumer, letter.error_class) == ("deaf", "UnknownType")
