"""Many at once and no one held up by another; killed and stopped in the midst of it; forgotten in time."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from services.gateway.webhooks import handlers
from services.gateway.webhooks.claiming import claim_due
from services.gateway.webhooks.deliveries import forget_old
from services.gateway.webhooks.rules import Attempt
from services.gateway.webhooks.sending import LEASE_S
from services.gateway.webhooks.settling import Result, settle
from services.gateway.webhooks.tables import attempts, deliveries, secrets
from shared.messaging.worker.periodic import Tick
from tests.support.receivers import Answer, Receiver, receiver
from tests.unit.gateway.webhooks import OWNER, Hooks, hooks_in

DOWN, FINE = Answer(500), Answer(204)


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hooks]:
    with hooks_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


class TestConcurrency:
    def test_a_slow_endpoint_holds_up_nobody_else(self, tmp_path: Path, there: Receiver) -> None:
        release = threading.Event()
        with hooks_in(tmp_path) as hooks, receiver() as slow:
            slow.answers(Answer(until=release))
            slow_endpoint, fast_endpoint = hooks.endpoint(slow.url), hooks.endpoint(there.url)
            events = [hooks.happens() for _ in range(40)]

            for _ in range(40):
                hooks.dispatcher.turn(hooks.database)
                if len(there.got) == 40:
                    break
            hooks.dispatcher.turn(hooks.database)

            assert hooks.states(fast_endpoint) == dict.fromkeys(events, "delivered")
            assert Counter(hooks.states(slow_endpoint).values()) == {"sending": 8, "queued": 32}
            release.set()
            hooks.send()
            assert hooks.states(slow_endpoint) == dict.fromkeys(events, "delivered")
            assert slow.most_at_once == 8

    def test_a_failing_endpoint_is_only_probed(self, hooks: Hooks, there: Receiver) -> None:
        hooks.endpoint(there.url)
        there.answers(DOWN)
        for _ in range(3):
            hooks.happens()
        hooks.send()
        there.most_at_once = 0
        for _ in range(20):
            hooks.happens()

        hooks.send()

        assert there.most_at_once == 1

    def test_many_endpoints_share_the_places(self, tmp_path: Path, there: Receiver) -> None:
        with hooks_in(tmp_path, webhook_concurrency=4) as hooks:
            endpoints = [hooks.endpoint(there.url) for _ in range(6)]
            for _ in range(5):
                hooks.happens()

            with hooks.database.transaction() as uow:
                claims = claim_due(uow, capacity=4, per_endpoint=8, lease_s=60)

            assert len({claim.endpoint_id for claim in claims}) == 4
            hooks.clock.advance(seconds=LEASE_S + 6)
            hooks.send_until(hooks.clock.now() + timedelta(seconds=10))
            assert all(set(hooks.states(each).values()) == {"delivered"} for each in endpoints)


class TestCrashes:
    def test_what_a_killed_worker_held_is_sent_again_with_the_same_id(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        event_id = hooks.happens()
        with hooks.database.transaction() as uow:
            claim_due(uow, capacity=5, per_endpoint=8, lease_s=LEASE_S)  # and then it is killed
        hooks.send()
        assert there.got == []

        hooks.clock.advance(seconds=LEASE_S + 1)
        hooks.send_until(hooks.clock.now() + timedelta(seconds=6))

        assert there.ids == [event_id]
        assert [each.outcome for each in hooks.detail(endpoint, event_id).log] == ["outcome_unknown", "delivered"]
        assert hooks.row(endpoint).failures_in_row == 0

    def test_a_worker_thought_dead_is_believed_what_it_delivered_and_nothing_else(
        self, hooks: Hooks, there: Receiver
    ) -> None:
        endpoint = hooks.endpoint(there.url)
        lucky, unlucky = hooks.happens(), hooks.happens()
        with hooks.database.transaction() as uow:
            late = claim_due(uow, capacity=5, per_endpoint=8, lease_s=LEASE_S)
        hooks.clock.advance(seconds=LEASE_S + 1)
        hooks.send()  # gives them up

        outcome = {lucky: Attempt("delivered", 200), unlucky: Attempt("status_500", 500)}
        results = [Result(claim, outcome[str(claim.event_id)], 5) for claim in late]
        with hooks.database.transaction() as uow:
            settle(uow, results, randomness=hooks.dispatcher._randomness)

        assert hooks.states(endpoint) == {lucky: "delivered", unlucky: "queued"}
        assert hooks.row(endpoint).failures_in_row == 0

    def test_an_outcome_of_an_earlier_attempt_counts_for_nothing(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        event_id = hooks.happens()
        with hooks.database.transaction() as uow:
            [stale] = claim_due(uow, capacity=5, per_endpoint=8, lease_s=LEASE_S)
            uow.session.execute(update(deliveries).values(attempt_id=uuid4()))

        with hooks.database.transaction() as uow:
            settle(uow, [Result(stale, Attempt("gone", 410), 5)], randomness=hooks.dispatcher._randomness)

        assert hooks.states(endpoint) == {event_id: "sending"}
        assert hooks.row(endpoint).state == "active"

    def test_stopping_waits_for_what_is_under_way(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        release = threading.Event()
        there.answers(Answer(until=release))
        event_id = hooks.happens()
        hooks.dispatcher.turn(hooks.database)
        threading.Timer(0.3, release.set).start()

        hooks.dispatcher.finish(hooks.database)

        assert hooks.states(endpoint) == {event_id: "delivered"}

    def test_an_endpoint_removed_meanwhile_is_no_trouble(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        release = threading.Event()
        there.answers(Answer(until=release))
        hooks.happens()
        hooks.dispatcher.turn(hooks.database)
        with hooks.database.transaction() as uow:
            handlers.remove(endpoint, principal=OWNER, uow=uow)
        release.set()

        hooks.send()

        assert hooks.states(endpoint) == {}
        assert hooks.changes(endpoint) == ["created", "removed"]


def test_old_deliveries_are_forgotten(hooks: Hooks, there: Receiver) -> None:
    endpoint = hooks.endpoint(there.url)
    hooks.happens()
    hooks.send()
    hooks.clock.advance(days=20)
    kept = hooks.happens()
    hooks.send()
    hooks.clock.advance(days=11)

    assert forget_old(Tick(hooks.database, hooks.settings)) == 2
    assert forget_old(Tick(hooks.database, hooks.settings)) == 0

    assert list(hooks.states(endpoint)) == [kept]
    with hooks.database.reading() as session:
        assert [str(each) for each in session.scalars(select(attempts.c.event_id))] == [kept]


def test_a_secret_locked_with_a_lost_key_is_our_failure(hooks: Hooks, there: Receiver) -> None:
    endpoint = hooks.endpoint(there.url)
    with hooks.database.transaction() as uow:
        uow.session.execute(update(secrets).values(locked="gAAAAA-not-ours"))
    event_id = hooks.happens()

    hooks.send()

    assert hooks.detail(endpoint, event_id).reason == "secret_unreadable"
    assert hooks.row(endpoint).failures_in_row == 0
    assert there.got == []
