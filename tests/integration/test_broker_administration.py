"""The administration of the broker, by rabbitmqctl and by its management API: the same promises."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.messaging.administration import (
    Administration,
    AdministrationFailed,
    AdministrationMissing,
    ManagementApi,
    RabbitmqCtl,
    administration,
)
from shared.messaging.broker import BrokerAway
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Binding, Topology
from shared.testing.databases import embedded_settings
from tests.conftest import leave_out
from tests.support import engines
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Administered:
    """A virtual host and its administration; `user` may be made in it."""

    url: str
    broker: Administration
    user: str

    def address(self, password: str) -> str:
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{self.user}:{password}@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture(scope="module")
def managed(request: pytest.FixtureRequest) -> Iterator[tuple[engines.Rabbit, str]]:
    with engines.managed_rabbitmq() as found:
        if isinstance(found, engines.Missing):
            leave_out(request.config, found)
        else:
            yield found


@pytest.fixture(params=["rabbitmqctl", "management API"])
def administered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administered]:
    user = f"sp-test-{secrets.token_hex(4)}"
    if request.param == "rabbitmqctl":
        rabbit: engines.Rabbit = request.getfixturevalue("rabbit")
        address = None
    else:
        rabbit, address = request.getfixturevalue("managed")
    for name, value in rabbit.environment.items():
        monkeypatch.setenv(name, value)
    with rabbit.vhost() as url:
        broker: Administration = ManagementApi(address, url) if address else RabbitmqCtl(url.rpartition("/")[2])
        try:
            yield Administered(url, broker, user)
        finally:
            broker.delete_user(user)


def test_makes_a_user_who_reads_one_queue_until_it_is_deleted(administered: Administered) -> None:
    broker, user = administered.broker, administered.user
    topology = Topology("signpost.events", {"mirror": frozenset({"a.b.c.v1"})})
    with channel_to(administered.url) as channel:
        topology.apply(channel)

    assert not broker.has_user(user)
    broker.add_user(user, "first")
    broker.permit_reading(user, topology.queue("mirror"))
    broker.limit_user(user, connections=2, channels=5)
    assert broker.has_user(user)
    with channel_to(administered.address("first")) as channel:
        assert channel.basic_get(topology.queue("mirror")) is None
    with pytest.raises(BrokerAway), channel_to(administered.address("first")) as channel:
        channel.basic_get(topology.unroutable)

    with pytest.raises(BrokerAway), channel_to(administered.address("first")) as channel:
        broker.change_password(user, "second")
        wait_until(lambda: _closes(broker, user, channel), timeout_s=20, what="the end of the old connection")
    with pytest.raises(BrokerAway, match="AccessRefused"), channel_to(administered.address("first")):
        pass
    with channel_to(administered.address("second")):
        pass

    broker.delete_user(user)
    broker.delete_user(user)
    assert not broker.has_user(user)


def _closes(broker: Administration, user: str, channel: object) -> bool:
    broker.close_connections(user)
    channel.connection.drain_events(timeout=2)  # type: ignore[attr-defined]  # raises once it is closed
    return False


def test_lists_what_is_bound(administered: Administered) -> None:
    topology = Topology("signpost.events", {"mirror": frozenset({"a.b.c.v1"})})
    with channel_to(administered.url) as channel:
        topology.apply(channel)

    found = administered.broker.bindings()

    assert found == set(topology.bindings)
    assert Binding("signpost.events", "signpost.events.groups", "#", to_exchange=True) in found


class TestFinding:
    def test_takes_the_address_that_is_set(self, managed: tuple[engines.Rabbit, str], tmp_path: Path) -> None:
        rabbit, address = managed
        settings = embedded_settings(tmp_path, amqp_url=rabbit.url, rabbitmq_management_url=f"{address}/")

        assert isinstance(administration(settings), ManagementApi)

    def test_refuses_the_administration_of_another_broker(
        self, rabbit: engines.Rabbit, managed: tuple[engines.Rabbit, str], tmp_path: Path
    ) -> None:
        settings = embedded_settings(tmp_path, amqp_url=rabbit.url, rabbitmq_management_url=managed[1])
        without = settings.model_copy(update={"amqp_url": managed[0].url, "rabbitmq_management_url": None})

        for each in (settings, without):
            with pytest.raises(AdministrationMissing, match=r"administers '.*', and SIGNPOST_AMQP_URL leads to"):
                administration(each)

    def test_says_what_to_do_where_there_is_none(
        self, rabbit: engines.Rabbit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(AdministrationMissing, match="set SIGNPOST_RABBITMQ_MANAGEMENT_URL"):
            administration(embedded_settings(tmp_path, amqp_url=rabbit.url))

    @pytest.mark.parametrize("wrong", ["http://guest:wrong@{}", "http://127.0.0.1:9"])
    def test_tells_a_refusal_without_the_password(
        self, managed: tuple[engines.Rabbit, str], wrong: str, tmp_path: Path
    ) -> None:
        rabbit, address = managed
        place = wrong.format(address.partition("//")[2])
        settings = embedded_settings(tmp_path, amqp_url=rabbit.url, rabbitmq_management_url=place)

        with pytest.raises(AdministrationFailed) as refused:
            administration(settings)

        assert "http://127.0.0.1" in str(refused.value)
        assert "wrong" not in str(refused.value)
