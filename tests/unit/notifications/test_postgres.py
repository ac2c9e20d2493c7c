"""What SQLite cannot show: several workers on one PostgreSQL, each row claimed by one of them."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.clock import SystemClock
from shared.testing.databases import postgres_urls
from tests.unit.notifications.stage import FINANCE, Stage, flipped, proposed, revised

pytestmark = pytest.mark.postgres

WORKERS = 4
CHANGES = 60


@pytest.fixture
def stage(tmp_path: Path, postgres_server: str) -> Iterator[Stage]:
    with postgres_urls(postgres_server, ["notifications"]) as url:
        # The database's own clock runs leases here, so time cannot be made to stand still.
        stage = Stage(tmp_path, clock=SystemClock(), database_url=url, send_batch=7)
        stage.receive_family()
        yield stage
        stage.database.dispose()


class TestSeveralWorkers:
    def test_each_message_is_sent_by_one_of_them(self, stage: Stage) -> None:
        for version in range(2, 2 + CHANGES):
            stage.receive(revised(version, unmet=(FINANCE,)))
        begin = threading.Barrier(WORKERS)

        def work() -> None:
            outbound = stage.new_outbound()
            begin.wait()
            while outbound.send_due(stage.database):
                pass

        workers = [threading.Thread(target=work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        stage.send()

        assert len(stage.email.taken) == len({message["Message-ID"] for message in stage.email.taken}) == CHANGES
        assert len(stage.sms.taken) == CHANGES
        assert Counter(state for _, state in stage.states()) == {"accepted": 2 * CHANGES, "cancelled": CHANGES}
        assert len(stage.emitted("notice.delivered")) == 2 * CHANGES

    def test_a_lapsed_lease_is_taken_up_again(self, stage: Stage) -> None:
        stage.receive(revised())
        stage.email.can_be_asked = True
        original = stage.email.send

        class Killed(BaseException):
            pass

        def take_and_die(message):
            original(message)
            raise Killed

        stage.email.send = take_and_die  # type: ignore[method-assign]
        with pytest.raises(Killed):
            stage.send()
        stage.email.send = original  # type: ignore[method-assign]
        with stage.database.transaction() as uow:
            uow.session.execute(
                text("UPDATE messages SET claimed_until = now() - interval '1 s' WHERE state='sending'")
            )

        stage.send()

        assert len(stage.email.taken) == 1
        assert len(stage.emitted("notice.delivered")) == 2

    def test_tasks_merge_and_close_as_on_sqlite(self, stage: Stage) -> None:
        stage.receive(flipped(2))
        stage.receive(flipped(3))
        stage.receive(proposed())
        stage.receive(flipped(4, unmet=()))

        assert sorted((task.kind, task.state, task.cause_count) for task in stage.tasks()) == [
            ("approve_match", "open", 1),
            ("plan_off_track", "done", 2),
        ]

    def test_a_worker_whose_clock_is_behind_still_finds_what_is_due(self, stage: Stage) -> None:
        class Behind(SystemClock):
            def now(self):
                return super().now() - timedelta(minutes=5)

        stage.clock = Behind()
        stage.receive(revised())
        stage.outbound = stage.new_outbound()

        assert stage.send() > 0
        assert len(stage.email.taken) == 1
