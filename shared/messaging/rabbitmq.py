"""RabbitMQ: publishing with confirms by the batch, and consuming by the batch."""

import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from amqp import Channel
from amqp.exceptions import AMQPError, NotFound
from kombu import Connection

from shared.messaging.broker import BrokerAway
from shared.messaging.frames import Delivery, delivering, publish_frames
from shared.messaging.message import Message
from shared.telemetry.logs import get_logger

AMQP_PORT = 5672
DEFAULT_EXCHANGE = ""
HEARTBEAT_S = 20
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 6.0  # for confirms, too
IDLE_WAIT_S = 1.0
READ_AHEAD = 65_536
WRITTEN_TOGETHER = 100
# What a broken connection or broker raises through py-amqp.
BROKER_ERRORS = (OSError, AMQPError, ConnectionError, socket.timeout)
log = get_logger(__name__)


def connect(url: str, **options: Any) -> Connection:
    """
    A connection to RabbitMQ, established.

    Args:
        options: Further ones of py-amqp's connection.

    Raises:
        BrokerAway: It could not be.
    """
    connection = Connection(url, heartbeat=HEARTBEAT_S, connect_timeout=CONNECT_TIMEOUT_S, transport_options=options)
    try:
        # Once: kombu's own second try comes after 2 s in which nobody knows that something is missing.
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        # A broker that is short of memory, or gone without a word, would let a write or an answer wait for ever.
        transport = connection.connection.transport
        transport.sock.settimeout(ANSWER_TIMEOUT_S)
        # py-amqp reads each frame in three pieces; asked for more at once, it keeps what it does not need yet.
        receive = transport._quick_recv
        transport._quick_recv = lambda wanted: receive(max(wanted, READ_AHEAD))
    except BROKER_ERRORS as error:
        raise BrokerAway(f"cannot connect to RabbitMQ at {_place(url)}: {type(error).__name__}") from error
    return connection


def _place(url: str) -> str:
    """Where a broker should be, without the password of its address."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or AMQP_PORT}{parts.path}"


@contextmanager
def channel_to(url: str) -> Iterator[Channel]:
    """A channel of its own connection, for a short errand. Raises BrokerAway."""
    connection = connect(url)
    try:
        with _translating("talking to the broker"):
            yield connection.default_channel
    finally:
        _throw_away(connection)


@contextmanager
def _translating(what: str) -> Iterator[None]:
    """Raise BrokerAway in place of the client's word for it."""
    try:
        yield
    except NotFound as error:
        raise BrokerAway(f"{what}: {error.reply_text}: run `signpost topology apply`") from error
    except BROKER_ERRORS as error:
        raise BrokerAway(f"{what}: {type(error).__name__}") from error


def _throw_away(connection: Connection) -> None:
    """Close the socket without the goodbye, which could hang."""
    try:
        connection.collect()
    except BROKER_ERRORS:
        log.debug("broker_connection_already_gone")


class RabbitBroker:
    """
    Publishes persistent, mandatory messages and waits once for the confirms of the whole batch.

    py-amqp's own waiting takes any confirm for the one awaited; here delivery tags are
    counted, and after a timeout, a nack or a return the connection is thrown away, so
    that a late confirm can never be taken for another message's.
    """

    def __init__(self, url: str, *, exchange: str) -> None:
        self._url = url
        self._exchange = exchange
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._unconfirmed: set[int] = set()
        self._refused: str | None = None
        self._next_tag = 1

    def publish(self, batch: Sequence[Message]) -> None:
        self._publish(batch, self._exchange)

    def publish_to(self, address: str, batch: Sequence[Message]) -> None:
        """Through the default exchange, which leads to the queue of that name alone."""
        self._publish(batch, DEFAULT_EXCHANGE, address)

    def waiting(self, address: str) -> int:
        try:
            with _translating(f"looking at {address}"):
                messages: int = self._open().queue_declare(address, passive=True).message_count
                return messages
        except BaseException:
            self.close()
            raise

    def keep_alive(self) -> None:
        """Send and take heartbeats; without them the broker ends a connection that has nothing to publish."""
        if self._connection is None:
            return
        try:
            with _translating("idle"):
                _take_what_is_there(self._connection)
        except BrokerAway as error:
            log.info("broker_connection_lost", error=str(error))
            self.close()

    def close(self) -> None:
        """Throw the connection away; the next publish opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        self._unconfirmed.clear()
        self._refused, self._next_tag = None, 1
        if connection is not None:
            _throw_away(connection)

    def _publish(self, batch: Sequence[Message], exchange: str, routing_key: str | None = None) -> None:
        """Each event goes by its type where no routing key is given."""
        try:
            with _translating("publishing"):
                channel = self._open()
                for begin in range(0, len(batch), WRITTEN_TOGETHER):
                    self._send(channel, batch[begin : begin + WRITTEN_TOGETHER], exchange, routing_key)
                self._await_confirms()
        except BaseException:
            self.close()
            raise

    def _send(self, channel: Channel, messages: Sequence[Message], exchange: str, routing_key: str | None) -> None:
        established = channel.connection
        if established is None:
            raise ConnectionError("the broker closed the channel")
        place = {"channel": channel.channel_id, "frame_max": established.frame_max}
        frames = [
            publish_frames(message, exchange=exchange, routing_key=routing_key or message.event_type, **place)
            for message in messages
        ]
        self._unconfirmed.update(range(self._next_tag, self._next_tag + len(frames)))
        self._next_tag += len(frames)
        established.transport.write(b"".join(frames))

    def _open(self) -> Channel:
        if self._channel is None:
            self._connection = connect(self._url)
            channel = self._connection.default_channel
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
            self._channel = channel
        return self._channel

    def _await_confirms(self) -> None:
        assert self._connection is not None
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while self._unconfirmed:
            try:
                self._connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))
            except TimeoutError as error:
                raise BrokerAway(f"{len(self._unconfirmed)} confirms missing after {ANSWER_TIMEOUT_S} s") from error
            if self._refused:
                raise BrokerAway(self._refused)

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refused = f"the broker refused message {delivery_tag}"

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._refused = f"no queue takes {routing_key}: run `signpost topology apply`"


class RabbitSource:
    """
    Receives a queue's messages in batches and acknowledges a batch once it is taken.

    At low load a message is not held back: a batch is what has arrived when the first is
    looked at. After a crash redelivered messages come one at a time, so that one that
    kills its consumer does not take its neighbours to the delivery limit.
    """

    def __init__(self, url: str, *, queue: str, batch: int) -> None:
        self._url = url
        self._queue = queue
        self._batch = batch
        self._received: list[Delivery] = []
        self._cautious = True
        self._connection: Connection | None = None

    def run(
        self,
        take: Callable[[Sequence[Message]], None],
        *,
        stopping: Callable[[], bool],
        subscribed: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Hand every batch to `take`, which returns once it is committed; until `stopping` says so.

        Args:
            subscribed: Called once the broker has accepted the subscription.

        Raises:
            BrokerAway: The connection broke; what was not acknowledged will be delivered again.
        """
        self._connection = connect(self._url, frame_handler=delivering(self._received.append))
        try:
            with _translating(f"consuming {self._queue}"):
                channel = self._connection.default_channel
                self._cautious = True
                tag = self._subscribe(channel, prefetch=1)
                subscribed()
                while not stopping():
                    batch = self._collect()
                    if batch:
                        take([delivery.message for delivery in batch])
                        channel.basic_ack(batch[-1].tag, multiple=True)
                        if self._cautious and not batch[-1].message.redelivered:
                            self._cautious = False
                            channel.basic_cancel(tag)  # a prefetch holds for a subscription, not for its channel
                            tag = self._subscribe(channel, prefetch=2 * self._batch)
        finally:
            self._received.clear()
            _throw_away(self._connection)
            self._connection = None

    def keep_alive(self) -> None:
        """
        Send and take heartbeats while a batch is being handled or waits for its database.

        What arrives meanwhile, a prefetch at most, is kept for later.

        Raises:
            BrokerAway: The connection broke.
        """
        if self._connection is not None:
            with _translating(f"consuming {self._queue}"):
                _take_what_is_there(self._connection)

    def _collect(self) -> list[Delivery]:
        """Wait for a message, then take what else is there already, up to the batch size."""
        assert self._connection is not None
        if not self._received:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=IDLE_WAIT_S)
        established = self._connection.connection
        while self._received and len(self._received) < self._batch and _has_more(established):
            _take_frame(established)
        self._connection.heartbeat_check()
        batch = self._received[: self._batch]
        del self._received[: len(batch)]
        return batch

    def _subscribe(self, channel: Channel, *, prefetch: int) -> str:
        channel.basic_qos(0, prefetch, False)
        tag: str = channel.basic_consume(self._queue)
        return tag


def _take_what_is_there(connection: Connection) -> None:
    """Handle frames that have arrived, then send a heartbeat if one is due."""
    established = connection.connection
    while _has_more(established):
        _take_frame(established)
    connection.heartbeat_check()


def _take_frame(established: Any) -> None:
    """Handle one frame; `drain_events` would wait for a whole message, and a heartbeat is none."""
    with suppress(TimeoutError):  # the socket's own: the rest of a frame whose beginning is there
        established.on_inbound_frame(established.transport.read_frame())


def _has_more(established: Any) -> bool:
    """True if something has arrived that was not looked at yet, or the other side has closed; does not wait."""
    transport = established.transport
    still_sealed = getattr(transport.sock, "pending", None)  # of a TLS socket
    if transport._read_buffer or (still_sealed is not None and still_sealed()):
        return True
    return bool(select.select([transport.sock], [], [], 0)[0])
