"""What a person is to the roster, and how a change by the source is told from one by the person."""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256

from services.roster.vocabulary import GUARDIAN, STAFF_ROLES, STUDENT

DEFAULT_LANGUAGE = "en"


def kind_of(roles: Iterable[str]) -> str | None:
    """What a person is written to as: a student even if on staff too, staff even if a guardian too."""
    held = set(roles)
    if STUDENT in held:
        return "student"
    if held & STAFF_ROLES:
        return "staff"
    return "guardian" if GUARDIAN in held else None


class Digests:
    """
    Keyed digests of what a source says about people.

    The roster keeps names and contact points sealed, so a change is found by comparing digests. They are
    keyed because names and telephone numbers are few enough to be guessed; the key's own name is part of the
    digest, so that a retired key is noticed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are the sealing keys; the one longest in use is taken, so that adding one changes nothing."""
        self._key = sha256(b"roster-digest\x00" + keys[-1].encode()).digest()
        self._name = sha256(self._key).hexdigest()[:8]

    def of(self, *values: str | None) -> str:
        text = "\x1f".join("" if value is None else value for value in values)
        return f"{self._name}:{hmac.new(self._key, text.encode(), sha256).hexdigest()}"

    def is_comparable(self, digest: str) -> bool:
        """False for a digest made with a key that has been retired since."""
        return digest.startswith(f"{self._name}:")
