"""Emails in two forms, put together quickly: a school's plan changes come in thousands."""

import base64
from collections.abc import Mapping
from email.charset import QP, Charset
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import compat32
from email.utils import formataddr, parseaddr

from services.notifications.delivery.ports import Rejected

# Cannot occur in a part: base64 knows no underscore.
_BOUNDARY = "=_signpost"

# The newer policies parse every header they are given and every one they write, which takes longer than rendering.
_POLICY = compat32.clone(linesep="\r\n")
_UTF8 = Charset("utf-8")
_UTF8.header_encoding = QP


class MailBuilder:
    """
    Builds emails from one sender.

    The two parts are written here: `set_content` and `add_alternative` parse a dozen constant
    headers for each email.
    """

    def __init__(self, sender: str) -> None:
        name, address = parseaddr(sender)
        self._constant = {
            "From": formataddr((name, address)),
            "Auto-Submitted": "auto-generated",
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/alternative; boundary="{_BOUNDARY}"',
        }

    def build(self, *, to: str, headers: Mapping[str, str], text: str, html: str) -> EmailMessage:
        """
        Raises:
            Rejected: The address cannot stand in a header.
            ValueError: A header holds a line break.
        """
        message = EmailMessage(policy=_POLICY)
        for name, value in {**self._constant, "To": _address(to), **headers}.items():
            message[name] = _header(name, value)
        message.set_payload(f"{_part('plain', text)}{_part('html', html)}--{_BOUNDARY}--\r\n")
        return message


def _header(name: str, value: str) -> str | Header:
    """
    A header's value, encoded where it is not plain.

    Raises:
        ValueError: It holds a line break, by which it could bring headers of its own.
    """
    if "\r" in value or "\n" in value:
        raise ValueError(f"{name} holds a linefeed")
    return value if value.isascii() else Header(value, _UTF8, header_name=name)


def _part(kind: str, content: str) -> str:
    lines = [
        f"--{_BOUNDARY}",
        f'Content-Type: text/{kind}; charset="utf-8"',
        "Content-Transfer-Encoding: base64",
        "",
        *base64.encodebytes(content.encode()).decode("ascii").split("\n"),
    ]
    return "\r\n".join(lines) + "\r\n"


def _address(email: str) -> str:
    """The recipient's address alone, never with a name beside it."""
    try:
        return str(Address(addr_spec=email))
    except (ValueError, IndexError):
        raise Rejected("address_unreadable") from None
