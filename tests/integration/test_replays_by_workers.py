"""A replay is carried out by the workers that are there, whatever becomes of them; on both grounds."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from shared.clock import SystemClock
from shared.events.plans import PlanApproved
from shared.messaging.operations import replays
from shared.messaging.operations.history import Selection
from shared.messaging.operations.replays import Wanted
from shared.messaging.tables import inbox
from shared.testing.databases import embedded_settings, postgres_urls
from tests.integration.test_engine_workers import Workers, with_queues, workers_on
from tests.support import engines
from tests.support.ledger import effects, emit, noted
from tests.support.waiting import wait_until

EVENTS = 1500


@pytest.fixture(params=["embedded", "real"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    if request.param == "embedded":
        with workers_on(embedded_settings(tmp_path)) as found:
            yield found
        return
    rabbit: engines.Rabbit = request.getfixturevalue("rabbit")
    server: str = request.getfixturevalue("postgres_server")
    with (
        rabbit.vhost() as amqp_url,
        postgres_urls(server, ["ledger", "mirror"]) as database_url,
        workers_on(embedded_settings(tmp_path, amqp_url=with_queues(amqp_url), database_url=database_url)) as found,
    ):
        yield found


def ask(workers: Workers, *, again: bool = False) -> UUID:
    now = SystemClock().now()
    selection = Selection([PlanApproved.event_type], since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    with workers.ledger.transaction() as uow:
        wanted = Wanted("mirror", selection, again=again, reason="test" if again else "")
        return replays.request(uow, wanted, actor="test", inbox_days=90).replay_id


def progress(workers: Workers, replay_id: UUID) -> replays.Progress:
    with workers.ledger.reading() as session:
        return replays.show(session, replay_id)


def effects_in(workers: Workers) -> tuple[int, int]:
    """Of the ledger and of the mirror."""
    numbers = []
    for database in (workers.ledger, workers.mirror):
        with database.reading() as session:
            numbers.append(session.execute(select(func.count()).select_from(effects)).scalar_one())
    return numbers[0], numbers[1]


class TestReplayByWorkers:
    def test_reaches_its_group_alone_though_a_worker_is_killed(self, workers: Workers) -> None:
        worker = workers.started()
        ids = emit(workers.ledger, EVENTS)
        wait_until(lambda: effects_in(workers) == (EVENTS, EVENTS), timeout_s=60, what="all effects")
        with workers.mirror.transaction() as uow:  # as if the group had never heard of them
            uow.session.execute(inbox.delete())
            uow.session.execute(effects.delete())

        replay_id = ask(workers)
        wait_until(lambda: progress(workers, replay_id).sent > 0, timeout_s=30, what="the first portion")
        worker.kill()
        worker.wait()
        workers.started()
        live = emit(workers.ledger, 1)  # what is new does not wait for the end of the replay
        wait_until(lambda: progress(workers, replay_id).state == "done", timeout_s=60, what="the replay")
        wait_until(lambda: effects_in(workers) == (EVENTS + 1, EVENTS + 1), timeout_s=60, what="all effects again")

        assert progress(workers, replay_id).sent == EVENTS
        assert Counter(noted(workers.mirror)) == Counter([*ids, *live])
        assert Counter(noted(workers.ledger)) == Counter([*ids, *live])

    def test_applies_again_what_was_applied_once(self, workers: Workers) -> None:
        workers.started()
        ids = emit(workers.ledger, 300)
        wait_until(lambda: effects_in(workers) == (300, 300), timeout_s=30, what="all effects")

        skipped, again = ask(workers), ask(workers, again=True)
        wait_until(lambda: progress(workers, again).state == "done", timeout_s=30, what="both replays")
        wait_until(lambda: effects_in(workers)[1] >= 600, timeout_s=30, what="all effects again")

        assert progress(workers, skipped).sent == 300
        assert Counter(noted(workers.mirror)) == Counter([*ids, *ids])
        assert effects_in(workers) == (300, 600)

    def test_is_refused_where_the_group_does_not_react(self, workers: Workers) -> None:
        workers.started()
        emit(workers.ledger, 1)
        wait_until(lambda: effects_in(workers) == (1, 1), timeout_s=30, what="the effect")
        with workers.ledger.transaction() as uow:
            refused = replays.request(
                uow, Wanted("nobody", Selection([PlanApproved.event_type])), actor="test", inbox_days=90
            ).replay_id

        wait_until(lambda: progress(workers, refused).state == "refused", timeout_s=30, what="the refusal")

        assert progress(workers, refused).error == "nobody is no consumer group; there are ledger, mirror"
