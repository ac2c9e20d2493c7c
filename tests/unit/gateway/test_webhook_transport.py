"""One POST: to the address that was checked, within its time, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from services.gateway.webhooks.transport import Transport
from shared.testing import FakeClock
from tests.support.certificates import tls_contexts
from tests.support.receivers import Answer, Receiver, receiver, resolving

PUBLIC = "93.184.215.14"


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def local(**options: Any) -> Transport:
    return Transport(ports=(), allow_local=True, **options)


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "outcome", "status"),
        [
            (Answer(200, body=b"thanks"), "delivered", 200),
            (Answer(204), "delivered", 204),
            (Answer(301, {"Location": "http://127.0.0.1:1/"}), "redirect", 301),
            (Answer(307, {"Location": "/elsewhere"}), "redirect", 307),
            (Answer(404), "status_404", 404),
            (Answer(410), "gone", 410),
            (Answer(500, body=b"x" * 1_000_000), "status_500", 500),
            (Answer(reset=True), "connection_lost", None),
        ],
        ids=lambda value: str(getattr(value, "status", value)),
    )
    def test_are_understood(self, hooks: Receiver, answer: Answer, outcome: str, status: int | None) -> None:
        hooks.answers(answer)

        attempt = local().post(hooks.url, {}, b"{}")

        assert (attempt.outcome, attempt.status, attempt.address) == (outcome, status, "127.0.0.1")
        assert len(hooks.got) == 1  # nothing is followed

    def test_retry_after_is_handed_on(self, hooks: Receiver) -> None:
        hooks.answers(Answer(503, {"Retry-After": "Tue, 15 Sep 2026 15:10:00 GMT"}))

        assert local(clock=FakeClock()).post(hooks.url, {}, b"{}").retry_after_s == 600

    def test_what_is_sent_is_what_was_given(self, hooks: Receiver) -> None:
        local().post(f"{hooks.url}?district=7", {"webhook-id": "e"}, "{“ü”}".encode())

        [got] = hooks.got
        assert got.path == "/hooks?district=7"
        assert got.body == "{“ü”}".encode()
        assert got.headers["host"] == f"127.0.0.1:{hooks.port}"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["webhook-id"] == "e"

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        assert local().post(f"http://127.0.0.1:{port}/", {}, b"{}").outcome == "connection_refused"

    def test_no_such_name(self) -> None:
        assert local().post("http://name.invalid/", {}, b"{}").outcome == "name_not_found"

    def test_an_answer_that_is_none(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_talk, args=(server, b"220 smtp.example.org ESMTP\r\n"), daemon=True).start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"

            assert local().post(url, {}, b"{}").outcome == "answer_unreadable"


class TestTime:
    def test_a_silent_receiver_is_left_after_the_timeout(self, hooks: Receiver) -> None:
        release = threading.Event()
        hooks.answers(Answer(until=release))
        began = time.monotonic()

        attempt = local(timeout_s=0.3).post(hooks.url, {}, b"{}")
        release.set()

        assert attempt.outcome == "timeout"
        assert time.monotonic() - began < 2

    def test_a_receiver_that_dribbles_bytes_is_left_too(self, hooks: Receiver) -> None:
        hooks.answers(Answer(dribble_s=0.05))
        began = time.monotonic()

        attempt = local(timeout_s=0.4).post(hooks.url, {}, b"{}")

        assert attempt.outcome == "timeout"
        assert time.monotonic() - began < 2

    def test_a_handshake_that_never_ends_is_left_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            began = time.monotonic()

            attempt = local(timeout_s=0.3).post(f"https://127.0.0.1:{server.getsockname()[1]}/", {}, b"{}")

        assert attempt.outcome == "timeout"
        assert time.monotonic() - began < 2


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "100.64.0.9",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
        ],
    )
    def test_a_name_that_leads_inside_is_refused(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        connected = _connections(monkeypatch)

        attempt = Transport(ports=(443,), resolve=resolving([address])).post("https://hooks.example.org/", {}, b"{}")

        assert attempt.outcome == "address_refused"
        assert connected == []

    def test_what_is_connected_to_is_what_was_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that answers with a public address once, and with a private one ever after."""
        connected, asked = _connections(monkeypatch), []
        rebinding = resolving([PUBLIC], ["127.0.0.1"])

        def resolve(host: str, port: int) -> Any:
            asked.append(host)
            return rebinding(host, port)

        transport = Transport(ports=(443,), resolve=resolve)
        first = transport.post("https://rebind.example.org/", {}, b"{}")
        second = transport.post("https://rebind.example.org/", {}, b"{}")

        assert connected == [(PUBLIC, 443)]
        assert asked == ["rebind.example.org"] * 2
        assert (first.outcome, first.address) == ("connection_refused", PUBLIC)
        assert second.outcome == "address_refused"

    def test_of_several_addresses_only_the_public_are_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connected = _connections(monkeypatch)
        mixed = ["10.0.0.1", PUBLIC, "::1", "2606:4700::1111", "1.1.1.1", "8.8.8.8"]

        Transport(ports=(443,), resolve=resolving(mixed)).post("https://mixed.example.org/", {}, b"{}")

        assert connected == [(PUBLIC, 443), ("2606:4700::1111", 443), ("1.1.1.1", 443)]

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]"])
    def test_literals_are_checked_when_sending_too(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Registered while the local setting was on, say."""
        connected = _connections(monkeypatch)

        assert Transport(ports=(443,)).post(f"https://{host}/", {}, b"{}").outcome == "address_refused"
        assert connected == []

    @pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
    def test_other_spellings_of_the_loopback_are_resolved_and_refused(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected = _connections(monkeypatch)

        attempt = Transport(ports=(443,)).post(f"https://{host}/", {}, b"{}")

        assert attempt.outcome in ("address_refused", "name_not_found")
        assert connected == []

    def test_plain_http_needs_the_local_setting(self, hooks: Receiver) -> None:
        assert Transport(ports=(hooks.port,)).post(hooks.url, {}, b"{}").outcome == "address_refused"
        assert hooks.got == []


class TestEncryption:
    def test_the_certificate_must_be_of_the_name(self, tmp_path: Path) -> None:
        """Connected by address; name in SNI, Host and the certificate check."""
        server, client = tls_contexts(tmp_path, x509.DNSName("hooks.example.org"))
        names: list[str | None] = []
        server.sni_callback = lambda _, name, __: names.append(name)
        with receiver(tls=server) as hooks:
            transport = local(tls=client, resolve=resolving(["127.0.0.1"]))

            right = transport.post(f"https://hooks.example.org:{hooks.port}/", {}, b"{}")
            wrong = transport.post(f"https://other.example.org:{hooks.port}/", {}, b"{}")

            assert [got.headers["host"] for got in hooks.got] == [f"hooks.example.org:{hooks.port}"]
        assert right.outcome == "delivered"
        assert wrong.outcome == "certificate_refused"
        assert names == ["hooks.example.org", "other.example.org"]

    def test_a_literal_address_is_checked_against_the_certificate(self, tmp_path: Path) -> None:
        server, client = tls_contexts(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
        with receiver(tls=server) as hooks:
            assert local(tls=client).post(hooks.url, {}, b"{}").outcome == "delivered"

    def test_a_certificate_nobody_vouches_for_is_refused(self, tmp_path: Path) -> None:
        server, _ = tls_contexts(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
        with receiver(tls=server) as hooks:
            assert local().post(hooks.url, {}, b"{}").outcome == "certificate_refused"


def _talk(server: socket.socket, words: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(words)
        connection.recv(65536)


def _connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Addresses connected to from here on, all of which refuse."""
    connected: list[tuple[str, int]] = []

    class Refusing(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address[:2])
            raise ConnectionRefusedError

    monkeypatch.setattr("services.gateway.webhooks.transport.socket.socket", Refusing)
    return connected
