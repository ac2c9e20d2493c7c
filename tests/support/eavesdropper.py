"""A queue of one's own behind an exchange, to see all that goes through it."""

from types import TracebackType
from typing import Any, Self

from kombu import Connection

QUEUE = "test.eavesdropper"


class Eavesdropper:
    """Keeps every message published to a topic exchange from the moment it is entered."""

    def __init__(self, url: str, exchange: str) -> None:
        self._connection = Connection(url)
        self._exchange = exchange

    def __enter__(self) -> Self:
        channel = self._connection.default_channel
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        channel.queue_bind(QUEUE, self._exchange, "#")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.default_channel.queue_delete(QUEUE)
        self._connection.close()

    def messages(self) -> list[tuple[dict[str, Any], bytes]]:
        """Headers and body of each message not taken before."""
        channel = self._connection.default_channel
        taken = []
        while (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
            body = message.body
            properties = {**message.properties, **message.delivery_info}
            taken.append((properties, body.encode() if isinstance(body, str) else bytes(body)))
        return taken
