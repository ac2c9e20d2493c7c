"""What a mailbox entry shows of an email."""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser

SHOWN_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "Content-Language", "X-Signpost-Correlation")


@dataclass(frozen=True)
class Letter:
    """An email taken apart for showing."""

    text: str
    html: str | None


def read_headers(content: bytes) -> dict[str, str]:
    """The shown headers alone, decoded; cheap, as this is done before a sender gets its answer."""
    message = BytesHeaderParser().parsebytes(content)
    found = {name: message[name] for name in SHOWN_HEADERS if message[name] is not None}
    return {name: _decoded(str(value)) for name, value in found.items()}


def _decoded(value: str) -> str:
    value = re.sub(r"\r?\n", "", value)
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def read_letter(content: bytes) -> Letter:
    """Take an email apart, whatever it is: what cannot be read is shown as it came."""
    message = message_from_bytes(content, policy=policy.default)
    text, html = _body(message, "plain"), _body(message, "html")
    return Letter(
        text=text if text is not None else ("" if html else content.decode("utf-8", "replace")),
        html=html,
    )


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        content = part.get_content()
    except (LookupError, ValueError, KeyError):
        return None
    return content.replace("\r\n", "\n") if isinstance(content, str) else None


def is_local_host(host: str | None, *, also: str | None = None) -> bool:
    """
    Whether a Host header names this machine: a page elsewhere must not reach the mailbox by another name for it.

    Args:
        also: One more name that is meant, such as that of a container.
    """
    name = (host or "").rsplit(":", 1)[0] if not (host or "").endswith("]") else (host or "")
    return name.lower() in ("127.0.0.1", "localhost", "[::1]", also)
