"""Emails in two forms, put together quickly: a school's plan changes come in thousands."""

import base64
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from services.notifications.delivery.ports import Rejected

# Cannot occur in a part: base64 knows no underscore.
_BOUNDARY = "=_signpost"


class MailBuilder:
    """
    Builds emails from one sender.

    The headers go through the email package's policy, which refuses line breaks. The two parts
    are written here: `set_content` and `add_alternative` parse a dozen constant headers for each
    email and take longer than rendering it.
    """

    def __init__(self, sender: str) -> None:
        name, address = parseaddr(sender)
        constant = {
            "From": Address(display_name=name, addr_spec=address),
            "Auto-Submitted": "auto-generated",
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/alternative; boundary="{_BOUNDARY}"',
        }
        self._constant = [SMTP.header_factory(name, str(value)) for name, value in constant.items()]

    def build(self, *, to: str, headers: Mapping[str, str], text: str, html: str) -> EmailMessage:
        """
        Raises:
            Rejected: The address cannot stand in a header.
            ValueError: A header holds a line break.
        """
        message = EmailMessage(policy=SMTP)
        for header in self._constant:
            message[header.name] = header
        message["To"] = _address(to)
        for name, value in headers.items():
            message[name] = value
        message.set_payload(f"{_part('plain', text)}{_part('html', html)}--{_BOUNDARY}--\r\n")
        return message


def _part(kind: str, content: str) -> str:
    lines = [
        f"--{_BOUNDARY}",
        f'Content-Type: text/{kind}; charset="utf-8"',
        "Content-Transfer-Encoding: base64",
        "",
        *base64.encodebytes(content.encode()).decode("ascii").split("\n"),
    ]
    return "\r\n".join(lines) + "\r\n"


def _address(email: str) -> Address:
    """The recipient's address alone, never with a name beside it."""
    try:
        return Address(addr_spec=email)
    except (ValueError, IndexError):
        raise Rejected("address_unreadable") from None
