"""The broker killed, cut off, deaf and mute: producers go on, and the outbox empties by itself once it is back."""

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.conftest import leave_out
from tests.faults.conftest import Faults, Piping
from tests.support.chaos import Chaos
from tests.support.engines import Missing
from tests.support.pipeline import numbered
from tests.support.pipeline_clients import Clients
from tests.support.private_rabbitmq import Node, leader, nodes, wait_whole
from tests.support.running_pipeline import API, Pipeline
from tests.support.waiting import wait_until

RECOVERED_S = 10.0
RABBITMQ = Missing("RabbitMQ", "install it (Debian: `apt-get install rabbitmq-server`)")
GIVEN_UP = "confirms missing"
AMID_BYTES = 20_000
PER_S = 60
WORKERS = ("ledger", "mirror")


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    with nodes() as found:
        if found is None:
            leave_out(request.config, RABBITMQ)
        else:
            yield found[0]


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    with nodes(3) as found:
        if found is None:
            leave_out(request.config, RABBITMQ)
        else:
            yield found


@pytest.fixture(scope="module")
def proxy(vhost: str) -> Iterator[Chaos]:
    with Chaos(urlsplit(vhost).port or 5672) as opened:
        yield opened


@pytest.fixture(scope="module")
def behind(proxy: Chaos, vhost: str, piping: Piping) -> Iterator[Pipeline]:
    """A pipeline whose workers reach their broker through the proxy, for all faults but a broker's own."""
    with piping(extra={"SIGNPOST_AMQP_URL": proxy.before(vhost)}) as running:
        running.start(API, *WORKERS)
        yield running
        assert not any(running.has_died(name) for name in WORKERS), "it should not need a restart"


def without_broker(clients: Clients, away: Callable[[], None], back: Callable[[], None]) -> float:
    """
    Changes go on while the broker goes and comes; seconds from its return to an outbox that is empty.

    Args:
        away: Takes the broker away and returns when it is to come back.
    """
    with clients:
        clients.wait_answered(30)
        away()
        clients.wait_answered(30)  # the API never talks to the broker
    back()
    return clients.pipeline.wait_settled()


class TestKilledBroker:
    def test_loses_nothing(self, faults: Faults, piping: Piping, node: Node) -> None:
        kills = faults.times(1, 5)
        recoveries: list[float] = []

        def away() -> None:
            node.kill()

        def back() -> None:
            node.start()
            node.wait_started()

        with piping(amqp_url=node.url) as running:
            running.start(API, *WORKERS)
            for number in range(kills):
                faults.say(f"kill {number + 1} of {kills}")
                recoveries.append(without_broker(Clients(running, per_second=PER_S), away, back))

            faults.judge(
                "relay recovers alone",
                f"broker killed (kill -9) and started again {kills} times",
                running.counts(),
                recovery_s=max(recoveries),
                recovered_within_s=RECOVERED_S,
            )


class TestUnreachableBroker:
    def test_is_waited_for(self, faults: Faults, behind: Pipeline, proxy: Chaos) -> None:
        seconds = faults.times(3, 60)

        def away() -> None:
            proxy.fault = "refuse"
            proxy.reset()
            faults.say(f"unreachable for {seconds} s")
            threading.Event().wait(seconds)

        def back() -> None:
            proxy.fault = "none"

        clients = Clients(behind, first=1000, per_second=PER_S)
        recovery_s = without_broker(clients, away, back)

        faults.judge(
            "relay recovers alone",
            f"broker unreachable for {seconds} s",
            behind.counts(of=clients.subjects),
            recovery_s=recovery_s,
            recovered_within_s=RECOVERED_S,
        )


class TestConnection:
    @pytest.mark.parametrize(
        ("fault", "what", "first"), [("silence", "blackholed", 2000), ("lose_answers", "whose confirms are lost", 3000)]
    )
    def test_that_fell_silent_is_given_up(
        self, faults: Faults, behind: Pipeline, proxy: Chaos, fault: str, what: str, first: int
    ) -> None:
        given_up = behind.log("ledger").count(GIVEN_UP)

        def away() -> None:
            proxy.fault = fault  # type: ignore[assignment]
            wait_until(
                lambda: behind.log("ledger").count(GIVEN_UP) > given_up, timeout_s=30, what="the relay to give up"
            )

        def back() -> None:
            proxy.fault = "none"
            proxy.reset()  # of what went through them, bytes are missing

        clients = Clients(behind, first=first, per_second=PER_S)
        recovery_s = without_broker(clients, away, back)

        faults.judge(
            "no confirmed event is lost",
            f"connection to the broker {what}",
            behind.counts(of=clients.subjects),
            recovery_s=recovery_s,
            recovered_within_s=RECOVERED_S,
        )

    def test_that_breaks_amid_a_batch_loses_nothing(self, faults: Faults, behind: Pipeline, proxy: Chaos) -> None:
        resets, subjects = faults.times(5, 50), numbered(400, first=4000)
        for number in range(resets):
            passed = proxy.passed
            behind.make(subjects)
            wait_until(lambda: proxy.passed > passed + AMID_BYTES, timeout_s=120, what="some of it to pass")  # noqa: B023
            proxy.reset()
            if number % 10 == 9:
                faults.say(f"reset {number + 1} of {resets}")
        recovery_s = behind.wait_settled()

        faults.judge(
            "no confirmed event is lost",
            f"connection reset amid a batch {resets} times",
            behind.counts(of=subjects),
            recovery_s=recovery_s,
        )


class TestCluster:
    """Three nodes take a minute to start on a busy machine, so that this is left to `make faults`."""

    def test_loses_nothing_when_the_leader_of_a_queue_goes(
        self, request: pytest.FixtureRequest, faults: Faults, piping: Piping
    ) -> None:
        if not faults.full:
            pytest.skip("three RabbitMQ nodes start only with --full, as `make faults` does")
        cluster: list[Node] = request.getfixturevalue("cluster")
        rounds, portion = 10, 500
        changes = 60_000 // portion
        with (
            Chaos(cluster[0].port) as proxy,  # a load balancer, whose health check is this test
            piping(amqp_url=cluster[0].url, extra={"SIGNPOST_AMQP_URL": proxy.before(cluster[0].url)}) as running,
        ):
            running.start(*WORKERS)
            queue = f"{running.settings.exchange}.mirror"
            for number in range(rounds):
                struck = leader(cluster, queue)
                paused = number % 2 == 1
                faults.say(f"leader {'paused' if paused else 'killed'}, {number + 1} of {rounds}")
                for portion_number in range(changes // rounds):
                    running.make(numbered(portion))
                    if portion_number == 2:
                        struck.pause() if paused else struck.kill()
                        standing = next(each for each in cluster if each is not struck)
                        proxy.turn_to(standing.port)
                wait_until(lambda: running.unpublished()["ledger"] < portion, timeout_s=120, what="the others to go on")
                if paused:
                    struck.resume()
                else:
                    struck.start()
                struck.wait_started()
                wait_whole(cluster, queue)
            recovery_s = running.wait_settled(timeout_s=180)

            faults.judge(
                "no confirmed event is lost",
                f"three-node cluster, leader of the queue killed or paused {rounds} times",
                running.counts(),
                recovery_s=recovery_s,
            )
