"""The token in an acknowledge link: signed, expiring, for one purpose, one notice and one person."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import jwt

from shared.problems import NotFound, Problem

PURPOSE = "acknowledge"
ALGORITHM = "HS256"


class LinkExpired(Problem):
    """This link no longer works."""

    code = "link-expired"
    status = 410


class LinkInvalid(NotFound):
    """This is no link of ours."""

    code = "link-invalid"


@dataclass(frozen=True)
class AcknowledgeLink:
    """What an acknowledge link lets its holder do: see and acknowledge this notice, as this person."""

    notice_id: UUID
    person_id: UUID
    student_id: UUID
    expires_at: datetime


def sign_link(link: AcknowledgeLink, key: str) -> str:
    """
    A token for a URL. The same link gives the same token, so that a message rendered again is the same message.

    Ids are written in 22 characters and the header is as short as may be, because SMS are billed by length.
    """
    claims = {
        "purpose": PURPOSE,
        "notice": _short(link.notice_id),
        "person": _short(link.person_id),
        "student": _short(link.student_id),
        "exp": int(link.expires_at.timestamp()),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": None})


def read_link(token: str, key: str, *, now: datetime) -> AcknowledgeLink:
    """
    Raises:
        LinkExpired: Signed by us, too long ago.
        LinkInvalid: Not signed by us, altered, or made for another purpose.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            # Expiry is checked below against the instant given, not against this machine's clock.
            options={"require": ["exp"], "verify_exp": False},
        )
        link = AcknowledgeLink(
            _long(claims["notice"]),
            _long(claims["person"]),
            _long(claims["student"]),
            datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise LinkInvalid("Open the link exactly as it stands in the message you got.") from None
    if claims.get("purpose") != PURPOSE:
        raise LinkInvalid("This link was made for something else.")
    if link.expires_at <= now:
        raise LinkExpired(f"It worked until {link.expires_at:%Y-%m-%d %H:%M} UTC. A later message has a newer one.")
    return link


def journey_url(public_url: str, correlation_id: UUID) -> str:
    return f"{public_url.rstrip('/')}/v1/journeys/{correlation_id}"


def _short(value: UUID) -> str:
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def _long(value: str) -> UUID:
    return UUID(bytes=base64.urlsafe_b64decode(value + "=="))
