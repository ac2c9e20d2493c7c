"""What handing a message over may lead to, and what a provider must be able to do."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Protocol


@dataclass(frozen=True)
class Accepted:
    """The provider took responsibility for the message."""

    provider_id: str | None = None


class NotHandedOver(Exception):
    """
    Base of every other outcome; `reason` is a stable slug and never the provider's own text, which may hold an address.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Deferred(NotHandedOver):
    """The provider refused this message for the present; it certainly has not taken it."""


class Rejected(NotHandedOver):
    """The provider refused this message for good."""


class Unknown(NotHandedOver):
    """The connection broke after the message was on its way: taken or not, nobody here can tell."""


class Away(NotHandedOver):
    """The provider cannot be reached or refuses us altogether; this says nothing about the message."""


class CannotTell(Exception):
    """This provider has no way of being asked about a message."""


@dataclass(frozen=True)
class Sms:
    """One text message. `callback_url` is where the provider reports what became of it."""

    to: str
    body: str
    callback_url: str | None = None


class EmailPort(Protocol):
    def send(self, message: EmailMessage) -> Accepted:
        """
        Hand over one email, over a connection kept from the one before.

        Raises:
            NotHandedOver: One of its kinds.
        """

    def find(self, message: EmailMessage) -> Accepted | None:
        """
        Whether the provider has taken this message, by its Message-ID.

        Raises:
            Away: The provider does not answer.
            CannotTell: It has no way of being asked.
        """


class SmsPort(Protocol):
    def send(self, sms: Sms) -> Accepted:
        """
        Raises:
            NotHandedOver: One of its kinds.
        """

    def find(self, sms: Sms, *, since: datetime) -> Accepted | None:
        """
        Whether the provider has taken this message: same number, same text, which holds a link of its own.

        Raises:
            Away: The provider does not answer.
            CannotTell: It has no way of being asked.
        """


@dataclass(frozen=True)
class Providers:
    """The two ways out."""

    email: EmailPort
    sms: SmsPort
