"""An event on the wire, as every broker carries it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.events.contract import Event
from shared.events.envelope import CONTENT_TYPE, HEADER_PREFIX, Envelope
from shared.events.upcasting import NoWay, Payload, upcast
from shared.identifiers import stable_id
from shared.messaging.reactions import Received

# Names the replay by which a group is to apply an event again that it has applied before.
AGAIN_HEADER = "signpost-again"
DIGEST_BYTES = 16


class Unreadable(Exception):
    """The message is not an event this consumer can read."""


@dataclass(frozen=True)
class Message:
    """Headers are CloudEvents attributes in AMQP binary mode; the body is the event's JSON."""

    headers: Mapping[str, Any]
    body: bytes = field(repr=False)
    content_type: str = CONTENT_TYPE
    redelivered: bool = False

    @property
    def event_type(self) -> str:
        return str(self.headers.get(f"{HEADER_PREFIX}type", ""))

    @cached_property
    def event_id(self) -> UUID:
        """The event's id; for a message without a readable one, an id made from its bytes."""
        try:
            return UUID(str(self.headers.get(f"{HEADER_PREFIX}id")))
        except ValueError:
            return stable_id("unreadable", sha256(repr(sorted(self.headers.items())).encode() + self.body).hexdigest())

    @cached_property
    def inbox_id(self) -> UUID:
        """Under which a group remembers it: the event's id, or one per event and replay that asks for it again."""
        replay = self.headers.get(AGAIN_HEADER)
        return self.event_id if replay is None else stable_id("again", str(replay), str(self.event_id))

    @cached_property
    def digest(self) -> bytes:
        """The same for every delivery of one event, different for another event under the same id."""
        return sha256(self.event_type.encode("utf-8", "replace") + b"\0" + self.body).digest()[:DIGEST_BYTES]

    def envelope(self) -> Envelope:
        """
        Raises:
            Unreadable: A CloudEvents attribute is missing or malformed.
        """
        try:
            return Envelope.from_headers(self.headers)
        except ValidationError as error:
            raise Unreadable(f"envelope: {_where(error)}") from None

    def received(self, contract: type[Event]) -> Received[Event]:
        """
        The event as `contract` tells it; one written in an older version is upcast before.

        Raises:
            Unreadable: The envelope or the body does not fit the contract. Names fields, never values.
        """
        if self.content_type.partition(";")[0].strip() != CONTENT_TYPE:
            raise Unreadable(f"content type {self.content_type!r}, expected {CONTENT_TYPE!r}")
        envelope = self.envelope()
        try:
            if envelope.type == contract.event_type:
                return Received(contract.model_validate_json(self.body), envelope)
            event = contract.model_validate_json(json.dumps(self._upcast(contract)))
            return Received(event, envelope.model_copy(update={"type": contract.event_type}))
        except ValidationError as error:
            raise Unreadable(f"{self.event_type}: {_where(error)}") from None

    def _upcast(self, contract: type[Event]) -> Payload:
        """
        Raises:
            Unreadable: No upcaster leads to the contract, or one of them stumbled over the payload.
        """
        try:
            return upcast(json.loads(self.body), written_as=self.event_type, wanted=contract.event_type)
        except NoWay as error:
            raise Unreadable(str(error)) from None
        except Exception as error:
            # Its text may quote the payload; the class alone says enough.
            raise Unreadable(
                f"{self.event_type}: not upcast to v{contract.event_type.rpartition('.v')[2]}: {type(error).__name__}"
            ) from None


def _where(error: ValidationError) -> str:
    """Field and kind of each fault, without the values, which may be personal data."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['type']}" for fault in faults[:5])
