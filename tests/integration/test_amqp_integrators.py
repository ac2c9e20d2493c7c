"""Integrators on RabbitMQ: they get exactly what they asked for, and can do nothing else."""

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest
from amqp import Channel, Message
from amqp.exceptions import AccessRefused, AMQPError

from services.gateway.integrators import handlers, rules
from shared.auth.keys import Keys
from shared.events.contract import Event
from shared.events.export import example_of
from shared.events.roster import ContactChanged, GuardianshipRevoked
from shared.messaging.broker import BrokerAway
from shared.messaging.integrator_queue import IntegratorQueue
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import ALL, waiting_in
from shared.problems import NotFound
from shared.sealing import Sealer, Unsealable
from tests.support import engines
from tests.support.integrators import ADMINISTRATOR, Broker, approvals, broker_on, signpost, taken
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def broker(rabbit: engines.Rabbit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with pytest.MonkeyPatch.context() as patch, broker_on(rabbit, tmp_path_factory.mktemp("broker"), patch) as found:
        yield found


@pytest.fixture(scope="module")
def curious(broker: Broker) -> rules.Credentials:
    """Somebody who tries things."""
    return broker.add("curious", "plans.plan.*")


@pytest.fixture(scope="module")
def other(broker: Broker) -> rules.Credentials:
    return broker.add("other", "plans.plan.*")


@pytest.fixture(scope="module")
def warehouse(broker: Broker) -> rules.Credentials:
    return broker.add("warehouse", reads_stream=True)


OWN = "signpost.events.integrator.curious"
FORBIDDEN: dict[str, Callable[[Channel], object]] = {
    "publish to everybody": lambda channel: _publish(channel, "signpost.events"),
    "publish to the services": lambda channel: _publish(channel, "signpost.events.groups"),
    "publish to its own queue": lambda channel: _publish(channel, "", OWN),
    "publish to a service's queue": lambda channel: _publish(channel, "", "signpost.events.plans"),
    "declare a queue": lambda channel: channel.queue_declare("signpost.events.integrator.mine", durable=True),
    "declare a queue that the broker names": lambda channel: channel.queue_declare("", exclusive=True),
    "declare an exchange": lambda channel: channel.exchange_declare("signpost.events.mine", "topic"),
    "bind its queue to more": lambda channel: channel.queue_bind(OWN, "signpost.events", ALL),
    "unbind its queue": lambda channel: channel.queue_unbind(OWN, "signpost.events", "plans.plan.approved.v1"),
    "bind exchanges": lambda channel: channel.exchange_bind("signpost.events.dead", "signpost.events", ALL),
    "delete its queue": lambda channel: channel.queue_delete(OWN),
    "delete a service's queue": lambda channel: channel.queue_delete("signpost.events.plans"),
    "delete the exchange": lambda channel: channel.exchange_delete("signpost.events"),
    "purge a service's queue": lambda channel: channel.queue_purge("signpost.events.plans"),
    "purge the stream": lambda channel: channel.queue_purge("signpost.events.stream"),
    "get from a service's queue": lambda channel: channel.basic_get("signpost.events.plans"),
    "consume a service's queue": lambda channel: channel.basic_consume("signpost.events.plans"),
    "consume a dead queue": lambda channel: channel.basic_consume("signpost.events.plans.dead"),
    "consume another integrator's queue": lambda channel: channel.basic_consume("signpost.events.integrator.other"),
    "consume what is unroutable": lambda channel: channel.basic_consume("signpost.events.unroutable"),
    "consume the stream": lambda channel: channel.basic_consume(
        "signpost.events.stream", arguments={"x-stream-offset": "first"}
    ),
}


def _publish(channel: Channel, exchange: str, key: str = "plans.plan.approved.v1") -> None:
    channel.confirm_select()
    channel.basic_publish_confirm(Message("{}"), exchange, key, confirm_timeout=5)


def example(contract: type[Event]) -> Event:
    """The committed example of an event."""
    return contract.model_validate(example_of(contract.event_type)["data"])


def refusal(url: str, attempt: Callable[[Channel], object]) -> AMQPError:
    """What the broker closes the channel with."""
    with pytest.raises(BrokerAway) as refused, channel_to(url) as channel:
        channel.basic_qos(0, 1, False)
        attempt(channel)
        channel.basic_qos(0, 1, False)  # waits for what the broker says to the former
    assert isinstance(refused.value.__cause__, AMQPError)
    return refused.value.__cause__


class TestPermissions:
    @pytest.mark.parametrize("act", FORBIDDEN)
    def test_do_not_let_an_integrator(self, curious: rules.Credentials, other: rules.Credentials, act: str) -> None:
        assert isinstance(refusal(curious.url, FORBIDDEN[act]), AccessRefused)

    def test_end_at_its_virtual_host(self, rabbit: engines.Rabbit, curious: rules.Credentials) -> None:
        with rabbit.vhost() as elsewhere:
            place = curious.url.rpartition("/")[0]
            with pytest.raises(BrokerAway) as refused, channel_to(f"{place}/{elsewhere.rpartition('/')[2]}"):
                pass

        assert "NotAllowed" in str(refused.value)

    def test_let_it_read_its_own(self, broker: Broker, curious: rules.Credentials) -> None:
        ids = broker.publish(*approvals(3))

        assert taken(curious, 3) == ids

    def test_let_it_empty_its_own_and_see_the_length_of_others(
        self, broker: Broker, curious: rules.Credentials
    ) -> None:
        """RabbitMQ asks for no more for it; docs/decisions/0012 says so."""
        broker.publish(*approvals(2))

        with channel_to(curious.url) as channel:
            emptied = channel.queue_purge(curious.queue)
            length = waiting_in(channel, broker.topology.queue("gateway"))

        assert emptied == 2
        assert length == broker.held(broker.topology.queue("gateway"))

    @pytest.mark.parametrize("act", ["consume a service's queue", "publish to everybody", "purge the stream"])
    def test_of_a_reader_of_the_stream_are_no_wider(self, warehouse: rules.Credentials, act: str) -> None:
        refused = refusal(warehouse.url, FORBIDDEN[act])

        assert isinstance(refused, AccessRefused) or "not supported by stream queues" in str(refused)

    def test_hold_for_so_many_connections(self, curious: rules.Credentials) -> None:
        with pytest.raises(BrokerAway), contextlib.ExitStack() as stack:
            for _ in range(handlers.CONNECTIONS + 1):
                stack.enter_context(channel_to(curious.url))


class TestQueue:
    def test_gets_what_its_patterns_fit_once_and_in_order(self, broker: Broker) -> None:
        credentials = broker.add("filtered", "plans.plan.approved.*", "plans.plan.approved.v1", "catalog.*")
        facts = approvals(60)
        ids = broker.publish(*facts)

        fitting = [id_ for id_, fact in zip(ids, facts, strict=True) if fact.event_type == "plans.plan.approved.v1"]
        assert taken(credentials, 30) == fitting

    def test_gets_no_court_order_by_a_wildcard(self, broker: Broker) -> None:
        wide = [broker.add("wide", "*"), broker.add("roster", "roster.*")]
        named = broker.add("named", "roster.guardianship.*")
        [revoked] = broker.publish(example(GuardianshipRevoked))

        assert taken(named, 1) == [revoked]
        assert [taken(each, 0) for each in wide] == [[], []]

    def test_shows_a_contact_that_only_the_sealing_key_opens(self, broker: Broker) -> None:
        credentials = broker.add("contacts", "roster.contact.*")
        keys = Keys.generate()
        contact = {"name": "Ada Canary", "email": "ada.canary@example.org"}
        sealed = Sealer(keys.sealing_keys).seal(contact)
        broker.publish(example(ContactChanged).model_copy(update={"sealed_contact": sealed}))

        with channel_to(credentials.url) as channel:
            message = channel.basic_get(credentials.queue, no_ack=True)
        read = json.loads(message.body)

        assert "anary" not in f"{message.body!r}{message.properties}"
        assert Sealer(keys.sealing_keys).open(read["sealed_contact"]) == contact
        with pytest.raises(Unsealable):
            Sealer(Keys.generate().sealing_keys).open(read["sealed_contact"])

    def test_once_full_holds_up_nobody_and_keeps_the_newest(self, broker: Broker) -> None:
        credentials = broker.add("forgotten", "plans.plan.*")  # its queue holds 1 MiB
        gateway = broker.topology.queue("gateway")
        before, published = broker.held(gateway), 0
        last: list[str] = []

        while published < 8_000:  # half as much again as it holds
            last = broker.publish(*approvals(1_000))
            published += 1_000

        assert broker.held(gateway) - before == published
        kept = broker.held(credentials.queue)
        assert 500 < kept < published
        assert taken(credentials, kept)[-500:] == last[-500:]

    def test_drops_what_is_given_back_too_often(self, broker: Broker) -> None:
        credentials = broker.add("stubborn", "plans.plan.*")
        poison, *others = broker.publish(*approvals(3))
        given_back = 0

        with channel_to(credentials.url) as channel:
            while (message := channel.basic_get(credentials.queue)) and message.headers["ce-id"] == poison:
                channel.basic_reject(message.delivery_tag, requeue=True)
                given_back += 1
                assert given_back < 50

        assert given_back == 21
        wait_until(lambda: broker.held(credentials.queue) == 2, timeout_s=5, what="the others, given back")
        assert sorted(taken(credentials, 2)) == sorted(others)


class TestStream:
    def test_gives_everything_again_from_its_beginning(self, broker: Broker, warehouse: rules.Credentials) -> None:
        revoked = broker.publish(example(GuardianshipRevoked))
        ids = revoked + broker.publish(*approvals(20))

        first = streamed(warehouse, "first", until=ids[-1])
        again = streamed(warehouse, 0, until=ids[-1])
        from_there = streamed(warehouse, again.index(ids[0]), until=ids[-1])

        assert first == again
        assert first[-21:] == ids
        assert from_there == ids


def streamed(credentials: rules.Credentials, offset: object, *, until: str) -> list[str]:
    """Ids from an offset on, up to one that is known to come."""
    found: list[str] = []
    with channel_to(credentials.url) as channel:

        def on_message(message: Message) -> None:
            found.append(message.headers["ce-id"])
            channel.basic_ack(message.delivery_tag)

        channel.basic_qos(0, 100, False)
        channel.basic_consume(credentials.queue, callback=on_message, arguments={"x-stream-offset": offset})
        while until not in found:
            channel.connection.drain_events(timeout=10)
    return found


class TestHandlers:
    def test_rotating_ends_what_was_connected_and_keeps_the_queue(self, broker: Broker) -> None:
        old = broker.add("rotated", "plans.plan.*")
        [waiting] = broker.publish(*approvals(1))
        with pytest.raises(BrokerAway), channel_to(old.url) as channel:
            new = handlers.rotate("rotated", principal=ADMINISTRATOR, database=broker.gateway, settings=broker.settings)
            channel.connection.drain_events(timeout=10)
            channel.basic_qos(0, 1, False)

        with pytest.raises(BrokerAway, match="AccessRefused"), channel_to(old.url):
            pass
        assert taken(new, 1) == [waiting]

    def test_a_name_is_taken_once(self, broker: Broker, curious: rules.Credentials) -> None:
        with pytest.raises(rules.AlreadyThere):
            broker.add("curious", "catalog.*")

        assert curious.queue in {each.queue for each in handlers.readings(broker.gateway, broker.settings)}

    def test_what_fails_leaves_nothing(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise handlers.AdministrationFailed("refused")

        for administration in (handlers.administration(broker.settings),):
            monkeypatch.setattr(type(administration), "permit_reading", fail)
            with pytest.raises(handlers.AdministrationFailed):
                broker.add("half", "plans.plan.*")
            monkeypatch.undo()

            assert not administration.has_user(f"signpost.events.integrator.half@{broker.url.rpartition('/')[2]}")
        with pytest.raises(NotFound):
            handlers.reading("half", broker.gateway, broker.settings)
        broker.add("half", "plans.plan.*")

    def test_an_upgrade_binds_types_that_are_new(self, broker: Broker) -> None:
        credentials = broker.add("upgraded", "plans.plan.*")
        with channel_to(broker.url) as channel:
            channel.queue_unbind(credentials.queue, broker.settings.exchange, "plans.plan.submitted.v1")
            channel.queue_bind(credentials.queue, broker.settings.exchange, "roster.guardianship.revoked.v1")
        actual = handlers.administration(broker.settings).bindings()
        found = handlers.differences(broker.gateway, broker.settings, actual=actual)

        handlers.renew(broker.gateway, broker.settings)

        assert [line.partition(":")[0] for line in found] == ["not bound", "bound, and should not be"]
        actual = handlers.administration(broker.settings).bindings()
        assert handlers.differences(broker.gateway, broker.settings, actual=actual) == []

    def test_other_limits_are_told(self, broker: Broker, curious: rules.Credentials) -> None:
        wider = broker.settings.model_copy(update={"integrator_queue_days": 15})

        found = handlers.differences(broker.gateway, wider, actual=None)

        assert any("x-message-ttl" in line and IntegratorQueue.prefix("signpost.events") in line for line in found)


class TestCommands:
    def test_from_adding_to_removing(self, broker: Broker) -> None:
        added = signpost(broker, "integrators", "add", "commanded", "--events", "plans.plan.*")
        told = dict(line.split(maxsplit=1) for line in added.stdout.splitlines()[:4])
        [event] = broker.publish(*approvals(1))
        listed = signpost(broker, "integrators", "list").stdout
        shown = signpost(broker, "integrators", "show", "commanded").stdout
        read = taken(rules.Credentials(told["user"], told["password"], told["queue"], told["url"]), 1)
        removed = signpost(broker, "integrators", "remove", "commanded", "--yes")
        gone = signpost(broker, "integrators", "show", "commanded")

        assert added.returncode == removed.returncode == 0, added.stderr + removed.stderr
        assert read == [event]
        assert "commanded" in listed
        assert "added by district_admin" in shown
        assert told["password"] not in listed + shown
        assert (gone.returncode, gone.stderr) == (1, "There is no such integrator. Next: signpost integrators list\n")

    def test_check_says_what_is_not_bound(self, broker: Broker) -> None:
        assert signpost(broker, "topology", "check").stdout.endswith("All of them are bound.\n")
        queue, exchange = broker.topology.queue("plans"), broker.topology.groups_exchange
        event_type = min(broker.topology.groups["plans"])
        with channel_to(broker.url) as channel:
            channel.queue_unbind(queue, exchange, event_type)

        checked = signpost(broker, "topology", "check")
        applied = signpost(broker, "topology", "apply")
        again = signpost(broker, "topology", "check")

        assert checked.returncode == 1
        assert checked.stderr == f"not bound: {queue} to {exchange} for {event_type!r}: run `signpost topology apply`\n"
        assert (applied.returncode, again.returncode) == (0, 0), applied.stderr + again.stderr
