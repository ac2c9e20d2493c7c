"""Email over SMTP, one connection for many messages."""

import re
import smtplib
import ssl
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Self
from urllib.parse import unquote, urlsplit

import requests

from services.notifications.delivery.ports import (
    Accepted,
    Away,
    CannotTell,
    Deferred,
    NotHandedOver,
    Rejected,
    Unknown,
)

IDLE_LIMIT_S = 20.0  # servers drop quiet connections, most after 30 s or more
PROBE_AFTER_S = 1.0

_LINE_START_DOT = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True)
class SmtpAddress:
    """Where a server is and how to talk to it: smtp://, smtp+starttls:// or smtps://user:password@host:port."""

    host: str
    port: int
    security: str
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Raises:
            ValueError: Not an SMTP address. The message does not repeat the URL: it may hold a password.
        """
        parts = urlsplit(url)
        ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
        if parts.scheme not in ports or not parts.hostname:
            raise ValueError("SIGNPOST_SMTP_URL must look like smtp://, smtp+starttls:// or smtps://host:port")
        return cls(
            parts.hostname,
            parts.port or ports[parts.scheme],
            parts.scheme,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )


class SmtpSender:
    """
    Hands emails to an SMTP server, a port of kind EmailPort.

    Not to be shared by threads. The steps of a delivery are taken one by one because what
    a broken connection means depends on the step: before the server asked for the message
    nothing was handed over; after that nobody can tell (RFC 5321 section 6.1, RFC 1047).
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0, lookup_url: str | None = None) -> None:
        self._address = SmtpAddress.parse(url)
        self._timeout_s = timeout_s
        self._lookup_url = lookup_url
        self._connection: smtplib.SMTP | None = None
        self._used_at = 0.0

    def send(self, message: EmailMessage) -> Accepted:
        sender, recipient = _addresses(message)
        content = _LINE_START_DOT.sub(b"..", message.as_bytes())
        connection = self._ready()
        try:
            self._begin(connection, sender, recipient)
        except NotHandedOver:
            self._reset(connection)
            raise
        except (OSError, smtplib.SMTPException):
            self.close()
            raise Deferred("connection_lost") from None
        try:
            # In one piece: a second small packet would wait 40 ms for the first one's delayed acknowledgement.
            connection.send((content if content.endswith(b"\r\n") else content + b"\r\n") + b".\r\n")
            code, _ = connection.getreply()
        except (OSError, smtplib.SMTPException):
            self.close()
            raise Unknown("connection_lost") from None
        self._used_at = time.monotonic()
        if code == 421:
            self.close()
        if code // 100 != 2:
            raise _refusal(code, "message_refused")
        return Accepted()

    def find(self, message: EmailMessage) -> Accepted | None:
        if self._lookup_url is None:
            raise CannotTell
        try:
            answer = requests.get(
                self._lookup_url, params={"message_id": message["Message-ID"]}, timeout=self._timeout_s
            )
            answer.raise_for_status()
            return Accepted() if answer.json()["items"] else None
        except (requests.RequestException, ValueError, KeyError, TypeError):
            raise Away("lookup_failed") from None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ready(self) -> smtplib.SMTP:
        """The connection kept from before if it is still good, else a new one."""
        idle_s = time.monotonic() - self._used_at
        if self._connection is not None and (idle_s > IDLE_LIMIT_S or not self._answers(idle_s)):
            self.close()
        if self._connection is None:
            self._connection = self._connect()
        self._used_at = time.monotonic()
        return self._connection

    def _answers(self, idle_s: float) -> bool:
        if idle_s < PROBE_AFTER_S:
            return True
        try:
            return self._connection is not None and self._connection.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _connect(self) -> smtplib.SMTP:
        address = self._address
        try:
            if address.security == "smtps":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    address.host, address.port, timeout=self._timeout_s, context=ssl.create_default_context()
                )
            else:
                connection = smtplib.SMTP(address.host, address.port, timeout=self._timeout_s)
            if address.security == "smtp+starttls":
                connection.starttls(context=ssl.create_default_context())
            connection.ehlo_or_helo_if_needed()
            if address.user is not None:
                connection.login(address.user, address.password or "")
        except smtplib.SMTPAuthenticationError:
            raise Away("login_refused") from None
        except (OSError, smtplib.SMTPException) as error:
            raise Away(f"cannot_connect:{type(error).__name__}") from None
        return connection

    @staticmethod
    def _begin(connection: smtplib.SMTP, sender: str, recipient: str) -> None:
        """
        Up to the server's asking for the message.

        Raises:
            NotHandedOver: It refused the sender, the recipient or the message at present.
        """
        options: list[str] = []
        if not recipient.isascii():
            if not connection.has_extn("smtputf8"):
                raise Rejected("address_unsupported")
            options = ["SMTPUTF8"]
            connection.command_encoding = "utf-8"
        code, _ = connection.mail(sender, options)
        if code != 250:
            # A refused sender is our own setting or standing, not this recipient's: worth another try, not a verdict.
            raise Deferred("sender_refused")
        code, _ = connection.rcpt(recipient)
        if code not in (250, 251):
            raise _refusal(code, "recipient_refused")
        code, _ = connection.docmd("DATA")
        if code != 354:
            raise _refusal(code, "message_refused")

    def _reset(self, connection: smtplib.SMTP) -> None:
        try:
            connection.rset()
            connection.command_encoding = "ascii"
        except (OSError, smtplib.SMTPException):
            self.close()


def _addresses(message: EmailMessage) -> tuple[str, str]:
    addresses = [address for _, address in getaddresses([str(message["From"]), str(message["To"])])]
    if len(addresses) != 2 or not all(addresses):
        raise Rejected("address_unreadable")
    return addresses[0], addresses[1]


def _refusal(code: int, reason: str) -> NotHandedOver:
    return Rejected(reason) if code // 100 == 5 else Deferred(reason)
