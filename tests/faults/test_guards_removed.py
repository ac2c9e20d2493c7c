"""The counting is shown to see what it looks for: each guard is taken away, and the loss is counted."""

from contextlib import ExitStack
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.faults.conftest import Faults, Piping
from tests.support.chaos import Chaos
from tests.support.counting import Counts
from tests.support.pipeline import record_change
from tests.support.running_pipeline import Pipeline
from tests.support.unguarded import GO_ON, HESITATING, Guard, Strike, environment
from tests.support.waiting import wait_until

SUBJECTS = [UUID(int=number + 1) for number in range(10)]
LATE = UUID(int=99)
ROUNDS = 3
WORKER = "ledger mirror"


def struck(running: Pipeline, *strikes: Strike, without: tuple[Guard, ...] = ()) -> None:
    """A worker dies at each of these moments; the one after it lives on."""
    for _ in range(ROUNDS):
        running.make(SUBJECTS)
    asked = environment(strikes=strikes, without=without)
    for _ in strikes:
        running.spawn(WORKER, asked)
        wait_until(lambda: running.has_died(WORKER), timeout_s=30, what="the worker to die")
    running.start(WORKER, **asked)


def committed_late(running: Pipeline, *, without: tuple[Guard, ...] = ()) -> None:
    """A change takes its place in the outbox early and is committed after later ones were published."""
    running.start(WORKER, **environment(without=without))
    with running.databases["ledger"].transaction() as uow:
        record_change(LATE, uow=uow)
        uow.flush_events()
        running.wait_arrived(running.make(SUBJECTS))


def swallowed(running: Pipeline, proxy: Chaos, *, without: tuple[Guard, ...] = ()) -> None:
    """What is published goes nowhere, and then the connection breaks."""
    running.start(WORKER, **environment(without=without))
    running.wait_arrived(running.make(SUBJECTS))
    proxy.fault = "silence"
    before = proxy.swallowed
    running.make(SUBJECTS)
    wait_until(
        lambda: proxy.swallowed > before + 5000 or not running.unpublished()["ledger"],
        timeout_s=10,
        what="the batch to be sent",
    )
    proxy.fault = "none"
    proxy.reset()


def at_rest(running: Pipeline) -> Counts:
    """
    The counts once changes made last, which nothing befell, have arrived everywhere.

    Without a guard some of these may be lost, too, to a connection that nobody has noticed is broken.
    """

    def arrive() -> bool:
        try:
            running.wait_arrived(running.make(SUBJECTS), timeout_s=8)
        except AssertionError:
            return False
        return True

    wait_until(arrive, timeout_s=60, what="changes that nothing befell to arrive")
    return running.counts()


class TestWithEveryGuard:
    def test_bad_moments_cost_nothing(self, faults: Faults, piping: Piping) -> None:
        with piping() as running:
            struck(
                running, "batch not sent yet", "confirmed, not marked", "event in hand", "committed, not acknowledged"
            )
            running.wait_settled()

            faults.judge("one change has one effect", "killed at each bad moment", running.counts())

    def test_a_late_commit_and_a_swallowed_batch_cost_nothing(self, piping: Piping, vhost: str) -> None:
        with ExitStack() as stack:
            proxy = stack.enter_context(Chaos(urlsplit(vhost).port or 5672))
            running = stack.enter_context(piping(extra={"SIGNPOST_AMQP_URL": proxy.before(vhost)}))
            committed_late(running)
            running.wait_settled()
            running.stop(WORKER)
            swallowed(running, proxy)
            running.wait_settled()

            assert running.counts().broken == []


class TestWithoutAGuard:
    @pytest.mark.parametrize(
        ("guard", "strike", "seen"),
        [
            ("acknowledge after the commit", "event in hand", "lost"),
            ("inbox", "committed, not acknowledged", "doubled"),
            ("mark after the confirm", "batch not sent yet", "lost"),
        ],
    )
    def test_a_bad_moment_is_seen(
        self, faults: Faults, piping: Piping, guard: Guard, strike: Strike, seen: str
    ) -> None:
        with piping() as running:
            struck(running, strike, without=(guard,))

            faults.expose(guard, at_rest(running), kind=seen)

    def test_a_late_commit_is_seen(self, faults: Faults, piping: Piping) -> None:
        guard: Guard = "select by not yet published"
        with piping() as running:
            committed_late(running, without=(guard,))

            counts = at_rest(running)
            faults.expose(guard, counts, kind="lost")
        assert (counts.lost, counts.left_behind) == (2, 1)  # neither mirror nor ledger heard of it

    def test_a_swallowed_batch_is_seen(self, faults: Faults, piping: Piping, vhost: str) -> None:
        guard: Guard = "publisher confirms"
        with ExitStack() as stack:
            proxy = stack.enter_context(Chaos(urlsplit(vhost).port or 5672))
            running = stack.enter_context(piping(extra={"SIGNPOST_AMQP_URL": proxy.before(vhost)}))
            swallowed(running, proxy, without=(guard,))

            faults.expose(guard, at_rest(running), kind="lost")

    def test_two_relays_at_once_are_seen(self, faults: Faults, piping: Piping) -> None:
        guard: Guard = "one relay at a time"
        with piping() as running:
            running.start(WORKER, "ledger 2", **environment(without=(guard,)))
            made = [running.make(SUBJECTS) for _ in range(ROUNDS)]
            wait_until((running.settings.home / HESITATING).exists, timeout_s=20, what="a relay to hesitate")
            running.wait_arrived(made[-1], "mirror")
            (running.settings.home / GO_ON).touch()

            faults.expose(guard, at_rest(running), kind="out_of_order")
