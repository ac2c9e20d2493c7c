"""Frames put together and taken apart here mean to py-amqp what its own mean."""

from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp.method_framing import frame_handler as stock_handler
from amqp.method_framing import frame_writer
from amqp.serialization import dumps

from shared.events.envelope import CONTENT_TYPE
from shared.messaging.frames import Delivery, delivering, publish_frames, read_table
from shared.messaging.message import Message

FRAME_MAX = 4096
ID = "0195f6a0-0000-7000-8000-000000000001"
HEADERS = {"ce-id": ID, "ce-type": "plans.plan.approved.v1", "ce-subject": "Łódź", "ce-subjectversion": 7}
FOREIGN: list[Any] = [
    {"x-death": [{"count": 2, "reason": "rejected"}]},
    {"a": 2**40},
    {"a": True, "b": None, "c": 1.5},
    {"nested": {"a": "b"}},
    {},
]


def split(stream: bytes) -> list[tuple[int, int, bytes]]:
    """The frames of a stream: type, channel, payload."""
    frames, at = [], 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 3 : at + 7], "big")
        payload = stream[at + 7 : at + 7 + size]
        frames.append((stream[at], int.from_bytes(stream[at + 1 : at + 3], "big"), payload))
        assert stream[at + 7 + size] == 0xCE
        at += size + 8
    return frames


def written_by_amqp(method: tuple[int, int], arguments: bytes, content: amqp.Message) -> list[tuple[int, int, bytes]]:
    written: list[bytes] = []
    transport = SimpleNamespace(write=lambda piece: written.append(bytes(piece)))
    connection = SimpleNamespace(frame_max=FRAME_MAX, bytes_sent=0)
    frame_writer(connection, transport)(1, 1, method, arguments, content)
    return split(b"".join(written))


def content(headers: dict[str, Any], body: bytes) -> amqp.Message:
    return amqp.Message(
        body,
        content_type=CONTENT_TYPE,
        delivery_mode=2,
        message_id=ID,
        type="plans.plan.approved.v1",
        application_headers=headers,
    )


def deliver_arguments(*, tag: int = 9, redelivered: bool = False) -> bytes:
    written: bytes = dumps("sLbss", ("consumer-1", tag, redelivered, "signpost.events", "plans.plan.approved.v1"))
    return written


@pytest.fixture
def connection() -> Any:
    return SimpleNamespace(bytes_recv=0)


class TestPublishFrames:
    @pytest.mark.parametrize("size", [0, 1, 600, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX])
    @pytest.mark.parametrize("more", FOREIGN)
    def test_are_those_of_py_amqp(self, size: int, more: dict[str, Any]) -> None:
        headers, body = HEADERS | more, b"x" * size
        arguments = dumps("Bssbb", (0, "signpost.events", "plans.plan.approved.v1", True, False))

        ours = split(
            publish_frames(
                Message(headers, body),
                exchange="signpost.events",
                routing_key="plans.plan.approved.v1",
                channel=1,
                frame_max=FRAME_MAX,
            )
        )

        theirs = written_by_amqp((60, 40), arguments, content(headers, body))
        assert ours == [frame for frame in theirs if frame[0] != 3 or frame[2]]


class TestDelivering:
    @pytest.mark.parametrize("size", [0, 1, 600, 3 * FRAME_MAX])
    @pytest.mark.parametrize("more", FOREIGN)
    @pytest.mark.parametrize("redelivered", [False, True])
    def test_reads_what_py_amqp_writes(
        self, connection: Any, size: int, more: dict[str, Any], redelivered: bool
    ) -> None:
        headers, body = HEADERS | more, b"x" * size
        got: list[Delivery] = []
        on_frame = delivering(got.append)(connection, None)

        arguments = deliver_arguments(tag=2**40, redelivered=redelivered)
        whole = [on_frame(frame) for frame in written_by_amqp((60, 60), arguments, content(headers, body))]

        assert whole[-1]
        assert not any(whole[:-1])
        [delivery] = got
        assert delivery.tag == 2**40
        assert delivery.message == Message(headers, body, CONTENT_TYPE, redelivered)

    def test_counts_frames_as_signs_of_life(self, connection: Any) -> None:
        on_frame = delivering(lambda _: None)(connection, None)
        frames = written_by_amqp((60, 60), deliver_arguments(), content(HEADERS, b"x"))

        for frame in [*frames, (8, 0, b"")]:
            on_frame(frame)

        assert connection.bytes_recv == len(frames) + 1

    def test_leaves_everything_else_to_py_amqp(self, connection: Any) -> None:
        heard: list[Any] = []
        on_frame = delivering(lambda _: None)(connection, lambda *told: heard.append(told))
        ack = b"\x00\x3c\x00\x50" + dumps("Lb", (3, True))

        on_frame((1, 1, ack))

        assert heard == [(1, (60, 80), ack, None)]

    def test_lets_a_heartbeat_and_the_connections_own_words_in_between(self, connection: Any) -> None:
        got: list[Delivery] = []
        heard: list[Any] = []
        on_frame = delivering(got.append)(connection, lambda *told: heard.append(told[1]))
        blocked = b"\x00\x0a\x00\x3c" + dumps("s", ("memory",))
        method, header, body = written_by_amqp((60, 60), deliver_arguments(), content(HEADERS, b"x"))

        for frame in [method, (8, 0, b""), header, (1, 0, blocked), body]:
            on_frame(frame)

        assert heard == [(10, 60)]
        assert [delivery.message.body for delivery in got] == [b"x"]

    def test_takes_a_returned_message_for_no_delivery(self, connection: Any) -> None:
        got: list[Delivery] = []
        heard: list[Any] = []
        on_frame = delivering(got.append)(connection, lambda *told: heard.append(told[1]))
        arguments = dumps("Bsss", (312, "NO_ROUTE", "signpost.events", "plans.plan.approved.v1"))

        for frame in written_by_amqp((60, 50), arguments, content(HEADERS, b"x")):
            on_frame(frame)

        assert (got, heard) == ([], [(60, 50)])


class TestReadTable:
    def test_reads_a_text_that_is_none_as_py_amqp_does(self) -> None:
        table = dumps("F", [{"name": b"\xff\xfe", "other": "text"}])
        stock: list[Any] = []
        header = b"\x00\x3c\x00\x00" + (0).to_bytes(8, "big") + b"\x20\x00" + table
        handler = stock_handler(SimpleNamespace(bytes_recv=0), lambda *told: stock.append(told[3]))
        handler((1, 1, b"\x00\x3c\x00\x3c" + deliver_arguments()))
        handler((2, 1, header))

        assert read_table(table, 0) == stock[0].properties["application_headers"]
