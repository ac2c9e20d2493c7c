"""
Events as AMQP 0-9-1 frames, written and read by the batch.

py-amqp serves every message alike, value by value. Events are the hot path and all look the same, so that their
frames are put together and taken apart here, several times faster; whatever else travels is left to py-amqp.

Source: AMQP 0-9-1, 4.2 (frames) and 1.8 (class basic); field types as RabbitMQ reads them.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from amqp.method_framing import frame_handler as stock_handler
from amqp.serialization import dumps, loads

from shared.messaging.message import Message

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
BASIC, PUBLISH, DELIVER = 60, b"\x00\x3c\x00\x28", b"\x00\x3c\x00\x3c"
MANDATORY, PERSISTENT = b"\x01", b"\x02"
# Content type, headers, delivery mode, message id and type: in this order.
EVENT_PROPERTIES = 0x8000 | 0x2000 | 0x1000 | 0x0080 | 0x0020
HAS_CONTENT_TYPE, HAS_ENCODING, HAS_HEADERS = 0x8000, 0x4000, 0x2000
FRAME_OVERHEAD = 8
_frame, _content, _tag = Struct(">BHI"), Struct(">HHQH"), Struct(">Q?")
_long, _text, _integer = Struct(">I"), Struct(">cI"), Struct(">ci")
_LARGEST = 2**31 - 1


def publish_frames(message: Message, *, exchange: str, routing_key: str, channel: int, frame_max: int) -> bytes:
    """A persistent, mandatory publish of an event."""
    body = message.body
    properties = b"".join(
        (
            _content.pack(BASIC, 0, len(body), EVENT_PROPERTIES),
            _short(message.content_type),
            _table(message.headers),
            PERSISTENT,
            _short(str(message.event_id)),
            _short(message.event_type),
        )
    )
    portion = frame_max - FRAME_OVERHEAD
    parts = [_method(exchange, routing_key, channel), _frame.pack(HEADER, channel, len(properties)), properties, END]
    for start in range(0, len(body), portion):
        piece = body[start : start + portion]
        parts += (_frame.pack(BODY, channel, len(piece)), piece, END)
    return b"".join(parts)


class Delivery(NamedTuple):
    """A message as it arrived, and the tag to acknowledge it by."""

    tag: int
    message: Message


def delivering(to: Callable[[Delivery], None]) -> Callable[..., Any]:
    """
    A frame handler for py-amqp's connection that hands deliveries to `to`, past callbacks and consumer tags.

    For a connection with one channel. Everything but deliveries is py-amqp's as before.
    """

    def handler(connection: Any, callback: Any) -> Callable[[tuple[int, int, Any]], bool]:
        others = stock_handler(connection, callback)
        arriving: _Arriving | None = None

        def on_frame(frame: tuple[int, int, Any]) -> bool:
            nonlocal arriving
            kind, _, payload = frame
            if arriving is None:
                if kind != METHOD or payload[:4] != DELIVER:
                    return others(frame)  # type: ignore[no-any-return]
                arriving = _Arriving(bytes(payload))
            elif kind == HEADER:
                arriving.header(bytes(payload))
            elif kind == BODY:
                arriving.body.append(bytes(payload))
                arriving.missing -= len(payload)
            else:  # a heartbeat, or what must not come here
                return others(frame)  # type: ignore[no-any-return]
            connection.bytes_recv += 1  # py-amqp's word for frames: a sign of life
            if arriving.missing:
                return False
            delivery, arriving = arriving.delivery(), None
            to(delivery)
            return True

        return on_frame

    return handler


class _Arriving:
    """A delivery whose frames have not all come."""

    def __init__(self, method: bytes) -> None:
        at = 5 + method[4]  # behind the consumer's tag
        self.tag, self.redelivered = _tag.unpack_from(method, at)
        self.missing = -1  # until the header says
        self.body: list[bytes] = []
        self.content_type, self.headers = "", dict[str, Any]()

    def header(self, payload: bytes) -> None:
        _, _, self.missing, flags = _content.unpack_from(payload)
        at = _content.size
        if flags & HAS_CONTENT_TYPE:
            length = payload[at]
            self.content_type = payload[at + 1 : at + 1 + length].decode("utf-8", "replace")
            at += 1 + length
        if flags & HAS_ENCODING:
            at += 1 + payload[at]
        if flags & HAS_HEADERS:
            self.headers = read_table(payload, at)

    def delivery(self) -> Delivery:
        body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        return Delivery(self.tag, Message(self.headers, body, self.content_type, self.redelivered))


def read_table(payload: bytes, start: int) -> dict[str, Any]:
    """A table of texts and integers; one with anything else in it is read by py-amqp."""
    table: dict[str, Any] = {}
    at = start + 4
    end = at + _long.unpack_from(payload, start)[0]
    try:
        while at < end:
            after = at + 1 + payload[at]
            name = payload[at + 1 : after].decode()
            if payload[after] == 0x53:  # S, a text
                at = after + 5 + _long.unpack_from(payload, after + 1)[0]
                table[name] = payload[after + 5 : at].decode()
            elif payload[after] == 0x49:  # I, an integer of four bytes
                at = after + 5
                table[name] = int.from_bytes(payload[after + 1 : at], "big", signed=True)
            else:
                return _read_by_amqp(payload, start)
    except UnicodeDecodeError:
        return _read_by_amqp(payload, start)
    return table


def _read_by_amqp(payload: bytes, start: int) -> dict[str, Any]:
    [table], _ = loads("F", payload, start)
    return dict(table)


@lru_cache(maxsize=512)
def _method(exchange: str, routing_key: str, channel: int) -> bytes:
    arguments = b"".join((PUBLISH, b"\0\0", _short(exchange), _short(routing_key), MANDATORY))
    return _frame.pack(METHOD, channel, len(arguments)) + arguments + END


@lru_cache(maxsize=512)
def _named(name: str) -> bytes:
    return _short(name)


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _table(headers: Mapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    for name, value in headers.items():
        if type(value) is str:
            encoded = value.encode()
            parts += (_named(name), _text.pack(b"S", len(encoded)), encoded)
        elif type(value) is int and -_LARGEST <= value <= _LARGEST:
            parts += (_named(name), _integer.pack(b"I", value))
        else:
            written: bytes = dumps("F", [dict(headers)])
            return written
    table = b"".join(parts)
    return _long.pack(len(table)) + table
