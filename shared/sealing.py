"""Personal data that must cross a service boundary, readable only by holders of the sealing key."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel

from shared.auth.keys import Keys
from shared.settings import Settings


class Unsealable(Exception):
    """The sealed value was not made with any of the sealing keys here."""


class Sealer:
    """
    Seals a JSON object into an opaque token and opens it again.

    Source: docs/decisions/0003-sealed-personal-data.md
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are Fernet keys; the first seals, all open, so that keys can be rotated."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(Keys.from_settings(settings).sealing_keys)

    def seal(self, value: BaseModel | Mapping[str, Any]) -> str:
        content = value.model_dump(mode="json") if isinstance(value, BaseModel) else dict(value)
        return self._fernet.encrypt(json.dumps(content).encode()).decode()

    def open(self, token: str) -> dict[str, Any]:
        """
        Raises:
            Unsealable: Made with another key, or altered.
        """
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(token.encode()))
        except InvalidToken:
            raise Unsealable from None
        return opened
