"""How long an SMS is, and what a provider's report means."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

STATUS_PATH = "/v1/sms/status"

# GSM 03.38 default alphabet and its extension table (3GPP TS 23.038, sections 6.2.1 and 6.2.1.1).
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")

# Units in a message alone, and in each part of a longer one, whose header takes six octets.
_CAPACITY = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True)
class SmsSize:
    """Units are septets in GSM-7 and 16-bit code units in UCS-2; each segment is billed."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def sms_size(text: str) -> SmsSize:
    """
    What an SMS of this text costs.

    No character is split over two segments: an extended one (two septets) or one outside the
    Basic Multilingual Plane (two code units) that does not fit starts the next segment.
    """
    encoding: Literal["GSM-7", "UCS-2"] = "GSM-7" if all(map(_is_gsm, text)) else "UCS-2"
    costs = [_units(character, encoding) for character in text]
    alone, part = _CAPACITY[encoding]
    units = sum(costs)
    if units <= alone:
        return SmsSize(encoding, units, 1)
    segments, room = 1, part
    for cost in costs:
        if cost > room:
            segments, room = segments + 1, part
        room -= cost
    return SmsSize(encoding, units, segments)


def _is_gsm(character: str) -> bool:
    return character in _GSM_BASIC or character in _GSM_EXTENDED


def _units(character: str, encoding: str) -> int:
    if encoding == "GSM-7":
        return 2 if character in _GSM_EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1


def status_callback_url(public_url: str, message_id: UUID) -> str:
    """Where an SMS provider reports; names the message, so that a report may come before the provider's answer."""
    return f"{public_url.rstrip('/')}{STATUS_PATH}?{urlencode({'message': message_id})}"


def twilio_signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """
    The X-Twilio-Signature of a status callback.

    Source: https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_signed_by(token: str, *, signature: str, url: str, form: Mapping[str, str]) -> bool:
    return hmac.compare_digest(twilio_signature(token, url, form).encode(), signature.encode())


def outcome_of_report(message_status: str) -> Literal["delivered", "failed"] | None:
    """What a MessageStatus says for good; None for a stage on the way."""
    if message_status == "delivered":
        return "delivered"
    return "failed" if message_status in ("failed", "undelivered") else None
