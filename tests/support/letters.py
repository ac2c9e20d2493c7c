"""What people were sent, as the mailbox received it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import requests

from shared.testing.deployment import Deployment, wait_until
from tests.support.sample import Person

LINK = re.compile(r"https?://\S+/a/([A-Za-z0-9._~=-]+)")


class Mailbox:
    """Reads one person's post at a time; text is given with its line breaks as single spaces."""

    def __init__(self, deployment: Deployment) -> None:
        self._url = f"{deployment.mailbox_url}/messages.json"

    def emails(self, person: Person, journey: UUID | None = None) -> list[dict[str, Any]]:
        """Emails to a person, oldest first; of one journey where it is named."""
        found = self._to(person.email, kind="email")
        return [each for each in found if journey is None or each["correlation_id"] == str(journey)]

    def sms(self, person: Person) -> list[dict[str, Any]]:
        return self._to(person.sms, kind="sms")

    def email(self, person: Person, journey: UUID) -> dict[str, Any]:
        """The one email of a journey to this person, once it has come."""
        return self._only(lambda: self.emails(person, journey), f"an email of {journey} to a {person.role}")

    def first_sms(self, person: Person) -> dict[str, Any]:
        return self._only(lambda: self.sms(person), f"an SMS to a {person.role}")

    def _only(self, found: Callable[[], list[dict[str, Any]]], what: str) -> dict[str, Any]:
        messages = wait_until(found, timeout_s=30, what=what)
        assert len(messages) == 1, [each["subject"] for each in messages]
        return messages[0]

    def _to(self, address: str, *, kind: str) -> list[dict[str, Any]]:
        if not address:
            return []
        answer = requests.get(self._url, params={"to": address, "kind": kind, "limit": "1000"}, timeout=10)
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return [each | {"text": " ".join(each["text"].split())} for each in reversed(items)]


def link_in(message: dict[str, Any]) -> str:
    """The address behind which the message's notice is read."""
    found = LINK.search(message["text"])
    assert found, message["text"]
    return found[0]


def token_in(message: dict[str, Any]) -> str:
    return link_in(message).rpartition("/")[2]
