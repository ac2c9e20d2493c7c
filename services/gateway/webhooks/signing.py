"""Secrets of endpoints, kept encrypted, and the signatures made with them."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from standardwebhooks import Webhook

from shared.auth.keys import Keys
from shared.settings import Settings

SECRET_BYTES = 32
_PREFIX = "whsec_"
_PURPOSE = "webhook-secrets"


class SecretUnreadable(Exception):
    """A webhook secret was not encrypted with any key of this deployment."""


class Vault:
    """
    Encrypts the secrets of endpoints.

    Its keys are derived from the sealing keys, for this purpose alone: with them nobody's name or
    address can be opened, which the gateway has no business with.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(Keys.from_settings(settings).derived(_PURPOSE))

    def lock(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def unlock(self, locked: str) -> str:
        """
        Raises:
            SecretUnreadable: Locked with another key, or altered.
        """
        try:
            return self._fernet.decrypt(locked.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable from None


def secret_of(randomness: bytes) -> str:
    """A secret as receivers are given it."""
    return _PREFIX + base64.b64encode(randomness).decode()


def signed_headers(event_id: UUID, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature per secret, so that either side of a rotation verifies."""
    # The library takes a naive or aware UTC instant and signs whole seconds.
    signatures = [Webhook(secret).sign(str(event_id), at, body.decode()) for secret in secrets]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
