"""What is declared in RabbitMQ: nothing is lost for want of a queue or a binding, or on the way to them."""

import os
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import requests
from amqp import Channel
from prometheus_client import REGISTRY

from shared.events.plans import PlanApproved, PlanSubmitted
from shared.messaging import process
from shared.messaging.broker import BrokerAway
from shared.messaging.greenlets import Stop
from shared.messaging.message import Message
from shared.messaging.queue_watch import watch
from shared.messaging.rabbitmq import RabbitBroker, channel_to
from shared.messaging.topology import ALL, Binding, EventLog, Topology, TopologyMissing, bind, waiting_in
from shared.messaging.unroutable import reroute
from shared.testing.databases import embedded_settings, postgres_urls
from shared.testing.deployment import free_port
from tests.support import engines
from tests.support.ledger import approved, emit, groups, prepare
from tests.support.stages import GROUP, RabbitStage, staged
from tests.support.waiting import wait_until

LOG = EventLog(days=1, max_bytes=500 * 1024 * 1024)


@pytest.fixture(scope="module")
def vhost(rabbit: engines.Rabbit) -> Iterator[str]:
    with rabbit.vhost() as url:
        yield url


@pytest.fixture
def topology() -> Topology:
    """Two groups behind an exchange of this test's own."""
    taken = frozenset({PlanApproved.event_type, PlanSubmitted.event_type})
    return Topology(
        f"test.{secrets.token_hex(4)}", {"mirror": taken, "other": frozenset({PlanSubmitted.event_type})}, LOG
    )


@pytest.fixture
def applied(vhost: str, topology: Topology) -> Topology:
    with channel_to(vhost) as channel:
        topology.apply(channel)
    return topology


@pytest.fixture
def stage(tmp_path: Path, vhost: str, postgres_server: str) -> Iterator[RabbitStage]:
    exchange = f"test.{secrets.token_hex(4)}"
    with postgres_urls(postgres_server, ["ledger", "mirror"]) as database_url:
        settings = embedded_settings(tmp_path, amqp_url=vhost, database_url=database_url, exchange=exchange)
        with staged(RabbitStage, settings) as found:
            assert isinstance(found, RabbitStage)
            yield found


def message(event_type: str, number: int = 1) -> Message:
    return Message(headers={"ce-type": event_type, "ce-id": str(UUID(int=number))}, body=b"{}")


def publish(url: str, topology: Topology, *event_types: str) -> None:
    broker = RabbitBroker(url, exchange=topology.exchange)
    broker.publish([message(event_type, number) for number, event_type in enumerate(event_types, 1)])
    broker.close()


def held(url: str, queue: str) -> int:
    with channel_to(url) as channel:
        return waiting_in(channel, queue)


class TestApply:
    def test_may_be_repeated(self, vhost: str, applied: Topology) -> None:
        with channel_to(vhost) as channel:
            applied.apply(channel)
            applied.check(channel)
            applied.ensure(channel)

    def test_leads_each_type_to_the_groups_that_react(self, vhost: str, applied: Topology) -> None:
        publish(vhost, applied, PlanApproved.event_type, PlanSubmitted.event_type)

        assert (held(vhost, applied.queue("mirror")), held(vhost, applied.queue("other"))) == (2, 1)
        assert held(vhost, applied.unroutable) == 0

    def test_leaves_the_stream_alone_once_it_is_not_wanted(self, vhost: str, applied: Topology) -> None:
        publish(vhost, applied, PlanApproved.event_type)
        wait_until(lambda: held(vhost, applied.stream) == 1, timeout_s=5, what="the event in the stream")
        without = Topology(applied.exchange, applied.groups)

        with channel_to(vhost) as channel:
            without.apply(channel)
            without.apply(channel)
        publish(vhost, applied, PlanApproved.event_type)
        with channel_to(vhost) as channel:
            applied.apply(channel)
        publish(vhost, applied, PlanApproved.event_type)

        wait_until(lambda: held(vhost, applied.stream) == 2, timeout_s=5, what="the first and the last in the stream")
        assert held(vhost, applied.queue("mirror")) == 3

    def test_refuses_what_is_different(self, vhost: str, topology: Topology) -> None:
        with channel_to(vhost) as channel:
            channel.exchange_declare(topology.groups_exchange, "topic", durable=True, auto_delete=False)

        with channel_to(vhost) as channel, pytest.raises(TopologyMissing, match="delete or migrate it"):
            topology.apply(channel)


def _without_queue(name: str) -> Callable[[Channel, Topology], None]:
    def spoil(channel: Channel, topology: Topology) -> None:
        channel.queue_delete(name.format(topology.exchange))

    return spoil


def _classic_instead(channel: Channel, topology: Topology) -> None:
    channel.queue_delete(topology.queue("mirror"))
    channel.queue_declare(topology.queue("mirror"), durable=True, auto_delete=False)


def _without_exchange(name: str) -> Callable[[Channel, Topology], None]:
    def spoil(channel: Channel, topology: Topology) -> None:
        channel.exchange_delete(name.format(topology.exchange))

    return spoil


def _without_alternate(channel: Channel, topology: Topology) -> None:
    channel.exchange_delete(topology.groups_exchange)
    channel.exchange_declare(topology.groups_exchange, "topic", durable=True, auto_delete=False)


DAMAGES = {
    "no queue": (_without_queue("{}.mirror"), "run `signpost topology apply`"),
    "no dead queue": (_without_queue("{}.mirror.dead"), "run `signpost topology apply`"),
    "no stream": (_without_queue("{}.stream"), "run `signpost topology apply`"),
    "no unroutable queue": (_without_queue("{}.unroutable"), "run `signpost topology apply`"),
    "a classic queue": (_classic_instead, "delete or migrate it"),
    "no exchange": (_without_exchange("{}"), "run `signpost topology apply`"),
    "no inner exchange": (_without_exchange("{}.groups"), "run `signpost topology apply`"),
    "no alternate exchange": (_without_exchange("{}.unroutable"), "run `signpost topology apply`"),
    "an exchange that leads nowhere else": (_without_alternate, "delete or migrate it"),
}


class TestCheck:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_finds(self, vhost: str, applied: Topology, damage: str) -> None:
        spoil, expected = DAMAGES[damage]
        with channel_to(vhost) as channel:
            spoil(channel, applied)

        for look in (applied.check, applied.ensure):
            with channel_to(vhost) as channel, pytest.raises(TopologyMissing, match=expected):
                look(channel)

    def test_finds_a_stream_that_is_kept_for_another_time(self, vhost: str, applied: Topology) -> None:
        other = Topology(applied.exchange, applied.groups, EventLog(days=2, max_bytes=LOG.max_bytes))

        with channel_to(vhost) as channel, pytest.raises(TopologyMissing, match="'2D' but current is '1D'"):
            other.check(channel)


class TestWorkers:
    """What `run_workers` does before it hosts anything."""

    def test_refuse_to_start_without_the_topology(self, tmp_path: Path, vhost: str) -> None:
        settings = embedded_settings(tmp_path, amqp_url=vhost, exchange="nowhere")

        with pytest.raises(TopologyMissing, match=r"no exchange 'nowhere'.*run `signpost topology apply`"):
            process._everything_is_there(process._hosting(settings, [], groups()), process.Stop())

    def test_bind_what_is_not_bound_before_anything_is_published(self, vhost: str, applied: Topology) -> None:
        with channel_to(vhost) as channel:
            channel.queue_unbind(applied.queue("mirror"), applied.groups_exchange, PlanSubmitted.event_type)
        publish(vhost, applied, PlanSubmitted.event_type)
        assert held(vhost, applied.queue("mirror")) == 0  # lost to it without a word: the other group took it

        with channel_to(vhost) as channel:
            applied.ensure(channel)
        publish(vhost, applied, PlanSubmitted.event_type)

        assert held(vhost, applied.queue("mirror")) == 1

    @pytest.mark.parametrize("refused", ["queue", "groups_exchange"])
    def test_refuse_to_start_where_they_may_not_bind(
        self, rabbit: engines.Rabbit, vhost: str, applied: Topology, refused: str
    ) -> None:
        name = applied.queue("mirror") if refused == "queue" else applied.groups_exchange
        all_but = rf"^(?!{name.replace('.', '[.]')}$)"
        denied = {"write": all_but} if refused == "queue" else {"read": all_but}

        with (
            rabbit.user(vhost, **denied) as url,
            channel_to(url) as channel,
            pytest.raises(TopologyMissing, match=rf"ACCESS_REFUSED.*{name}.*give it configure, write and read"),
        ):
            applied.ensure(channel)


@contextmanager
def worker_process(module: str, folder: Path, url: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker on SQLite files in `folder` and the broker at `url`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGNPOST_")}
    own = {"SIGNPOST_HOME": str(folder), "SIGNPOST_AMQP_URL": url, **environment}
    command = [sys.executable, "-W", "ignore", "-m", module]
    worker = subprocess.Popen(command, env=inherited | own, stderr=subprocess.PIPE, text=True)
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


class TestWorkerProcesses:
    def test_end_with_one_line_where_events_would_be_lost(self, tmp_path: Path, amqp_url: str) -> None:
        with worker_process("services.worker_process", tmp_path, amqp_url) as worker:
            said = worker.communicate(timeout=60)[1].splitlines()

        assert worker.returncode == 1
        assert said[-1].endswith("run `signpost topology apply`")
        assert not any("Traceback" in line for line in said)

    def test_count_what_nobody_takes(self, tmp_path: Path, amqp_url: str) -> None:
        settings, port = embedded_settings(tmp_path, amqp_url=amqp_url), free_port()
        prepare(settings)
        whole = Topology.of(settings.exchange, groups())
        with channel_to(amqp_url) as channel:
            whole.apply(channel)
        publish(amqp_url, whole, *["district.bus.moved.v1"] * 3)

        def counted() -> bool:
            try:
                metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
            except requests.ConnectionError:
                return False
            return "\nsignpost_unroutable_events 3.0\n" in metrics

        with worker_process("tests.support.ledger", tmp_path, amqp_url, SIGNPOST_WORKER_HTTP_PORT=str(port)):
            wait_until(counted, timeout_s=60, what="the gauge")


class TestQueueWatch:
    def test_tells_how_much_waits_for_each_group_and_for_nobody(self, vhost: str, applied: Topology) -> None:
        publish(vhost, applied, *[PlanApproved.event_type] * 3, "district.bus.moved.v1")

        watch(vhost, applied, [GROUP], OneLook())

        assert REGISTRY.get_sample_value("signpost_queue_length", {"consumer": GROUP}) == 3
        assert REGISTRY.get_sample_value("signpost_unroutable_events") == 1


class OneLook(Stop):
    """Asked to stop as soon as something pauses."""

    def pause(self, seconds: float) -> None:
        self.ask()


class TestUnroutable:
    def test_is_what_no_group_takes_whoever_else_takes_it(self, vhost: str, applied: Topology) -> None:
        with channel_to(vhost) as channel:
            curious = channel.queue_declare("", exclusive=True).queue
            channel.queue_bind(curious, applied.exchange, ALL)

            publish(vhost, applied, PlanApproved.event_type, "district.bus.moved.v1")

            assert waiting_in(channel, curious) == 2
            assert waiting_in(channel, applied.unroutable) == 1

    def test_goes_to_the_groups_after_an_upgrade_and_is_applied_once(self, stage: RabbitStage) -> None:
        old = Topology(stage.topology.exchange, {GROUP: frozenset({PlanSubmitted.event_type})})
        with channel_to(stage.url) as channel:
            channel.queue_unbind(old.queue(GROUP), old.groups_exchange, PlanApproved.event_type)
        ids = emit(stage.ledger, 30)
        stage.relay.drain()
        assert (stage.held(old.unroutable), stage.held(old.queue(GROUP))) == (30, 0)

        with channel_to(stage.url) as channel:
            stage.topology.apply(channel)
        with channel_to(stage.url) as channel:
            rerouted = reroute(channel, stage.topology)
        stage.receive(until=lambda: stage.recorded() >= 30)

        assert (rerouted.taken, rerouted.back) == (30, {})
        assert stage.noted() == ids
        assert stage.held(old.unroutable) == 0

    def test_stays_if_still_nobody_takes_it(self, vhost: str, applied: Topology) -> None:
        publish(vhost, applied, *["district.bus.moved.v1"] * 3)

        with channel_to(vhost) as channel:
            rerouted = reroute(channel, applied)

        assert (rerouted.taken, rerouted.back) == (0, {"district.bus.moved.v1": 3})
        assert held(vhost, applied.unroutable) == 3

    def test_keeps_the_message_as_it_was(self, vhost: str, applied: Topology) -> None:
        publish(vhost, applied, "district.bus.moved.v1")
        with channel_to(vhost) as channel:
            before = channel.basic_get(applied.unroutable)
        with channel_to(vhost) as channel:
            reroute(channel, applied)
            after = channel.basic_get(applied.unroutable)

        assert (after.body, after.properties) == (before.body, before.properties)
        assert after.delivery_info["routing_key"] == "district.bus.moved.v1"

    def test_is_not_taken_from_the_queue_before_its_copy_is_confirmed(
        self, vhost: str, applied: Topology, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(vhost, applied, *["district.bus.moved.v1"] * 3)

        def unconfirmed(*_: object, **__: object) -> None:
            raise TimeoutError

        with channel_to(vhost) as channel, pytest.raises(BrokerAway, match="no confirm"):
            monkeypatch.setattr(channel, "basic_publish_confirm", unconfirmed)
            reroute(channel, applied)

        wait_until(lambda: held(vhost, applied.unroutable) == 3, timeout_s=5, what="all of them back")


def apply_as_before(channel: Channel, topology: Topology) -> None:
    """What releases before the inner exchange declared."""
    for name in (topology.exchange, topology.dead_exchange):
        kind, arguments = topology.exchanges[name]
        channel.exchange_declare(name, kind, durable=True, auto_delete=False, arguments=arguments)
    for group in topology.groups:
        for queue in (topology.dead_queue(group), topology.queue(group)):
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=topology.queues[queue])
        bind(channel, Binding(topology.dead_exchange, topology.dead_queue(group), topology.queue(group)))
    for binding in topology.outdated_bindings:
        bind(channel, binding)


class TestMigration:
    def test_delivers_once_what_two_ways_lead_to(self, vhost: str, applied: Topology) -> None:
        with channel_to(vhost) as channel:
            apply_as_before(channel, applied)  # a worker of the old release that starts late

        publish(vhost, applied, PlanApproved.event_type)

        assert held(vhost, applied.queue("mirror")) == 1

    def test_removes_the_old_ways(self, vhost: str, topology: Topology) -> None:
        with channel_to(vhost) as channel:
            apply_as_before(channel, topology)
            topology.apply(channel)
            channel.exchange_unbind(topology.groups_exchange, topology.exchange, ALL)
        publish(vhost, topology, PlanApproved.event_type)

        assert held(vhost, topology.queue("mirror")) == 0
        wait_until(lambda: held(vhost, topology.stream) == 1, timeout_s=5, what="the event in the stream alone")

    def test_loses_nothing_while_a_relay_publishes(self, vhost: str, topology: Topology) -> None:
        sent: list[UUID] = []
        stopping, going = threading.Event(), threading.Event()
        with channel_to(vhost) as channel:
            apply_as_before(channel, topology)

        def go_on_publishing() -> None:
            broker = RabbitBroker(vhost, exchange=topology.exchange)
            while not stopping.is_set():
                portion = [message(PlanSubmitted.event_type, len(sent) + each) for each in range(10)]
                broker.publish(portion)
                sent.extend(each.event_id for each in portion)
                going.set()
            broker.close()

        relay = threading.Thread(target=go_on_publishing)
        relay.start()
        for _ in range(3):  # forth, back to the old release, and forth again
            going.clear()
            going.wait(10)
            with channel_to(vhost) as channel:
                topology.apply(channel)
            going.clear()
            going.wait(10)
            with channel_to(vhost) as channel:
                apply_as_before(channel, topology)
                channel.exchange_unbind(topology.groups_exchange, topology.exchange, ALL)
        stopping.set()
        relay.join()

        assert len(sent) > 60
        for group in topology.groups:
            assert received(vhost, topology.queue(group), len(sent)) == Counter(sent)


def received(url: str, queue: str, number: int) -> Counter[UUID]:
    """Ids of the messages that are in a queue, and how often each."""
    with channel_to(url) as channel:
        assert waiting_in(channel, queue) == number
        found = [channel.basic_get(queue, no_ack=True).headers["ce-id"] for _ in range(number)]
    return Counter(map(UUID, found))


def test_refuses_to_publish_into_nothing(vhost: str) -> None:
    broker = RabbitBroker(vhost, exchange="nowhere")

    with pytest.raises(BrokerAway, match="topology apply"):
        broker.publish([message("a.b.c.v1")])


def test_refuses_to_publish_where_no_queue_is_bound(vhost: str, applied: Topology) -> None:
    with channel_to(vhost) as channel:
        channel.exchange_unbind(applied.groups_exchange, applied.exchange, ALL)
        channel.queue_unbind(applied.stream, applied.exchange, ALL)

    with pytest.raises(BrokerAway, match=r"no queue takes plans.plan.approved.v1: run `signpost topology apply`"):
        publish(vhost, applied, approved().event_type)
