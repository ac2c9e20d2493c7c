"""Telephone numbers and email addresses, brought to one form or recognised as malformed."""

import re

import phonenumbers

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9]$")

EMAIL_EXPECTED = "an address such as name@example.org; the contact point is left out"
PHONE_EXPECTED = "a telephone number such as +1 605 555 0123; the contact point is left out"


def e164(text: str, *, region: str) -> str | None:
    """
    The number in E.164, or None if it is malformed.

    Malformed is a number of a length its country does not have. Whether an area code is in service
    changes faster than any table, so that is left to the provider.

    Args:
        region: ISO 3166 country of numbers written without a country code.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email_address(text: str) -> str | None:
    """The address with its domain in lower case, or None if it is malformed."""
    text = text.strip()
    if len(text) > 254 or not _EMAIL.match(text):
        return None
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}" if len(local) <= 64 else None
