"""SMS over the Twilio API, or anything of its shape."""

from datetime import datetime
from typing import Any

import requests

from services.notifications.delivery.ports import Accepted, Away, CannotTell, Deferred, Rejected, Sms, Unknown


class TwilioSmsSender:
    """
    Hands text messages to a Twilio-compatible API, a port of kind SmsPort.

    Source: https://www.twilio.com/docs/messaging/api/message-resource
    """

    def __init__(self, base_url: str, *, account: str, token: str, sender: str, timeout_s: float = 10.0) -> None:
        self._url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"
        self._sender = sender
        self._timeout_s = timeout_s
        self._http = requests.Session()
        self._http.auth = (account, token)

    def send(self, sms: Sms) -> Accepted:
        form = {"To": sms.to, "From": self._sender, "Body": sms.body}
        if sms.callback_url:
            form["StatusCallback"] = sms.callback_url
        try:
            answer = self._http.post(self._url, data=form, timeout=self._timeout_s)
        except requests.ConnectTimeout:
            raise Away("cannot_connect:ConnectTimeout") from None
        except requests.ConnectionError as error:
            if _never_connected(error):
                raise Away("cannot_connect:ConnectionError") from None
            raise Unknown("connection_lost") from None
        except requests.RequestException:
            raise Unknown("connection_lost") from None
        return _outcome(answer)

    def find(self, sms: Sms, *, since: datetime) -> Accepted | None:
        query: dict[str, str | int] = {"To": sms.to, "DateSent>": since.date().isoformat(), "PageSize": 1000}
        try:
            answer = self._http.get(self._url, params=query, timeout=self._timeout_s)
            if answer.status_code in (404, 405):
                raise CannotTell
            answer.raise_for_status()
            sent: list[dict[str, Any]] = answer.json()["messages"]
        except (requests.RequestException, ValueError, KeyError):
            raise Away("lookup_failed") from None
        for message in sent:
            if message["body"] == sms.body and message["status"] not in ("failed", "canceled"):
                return Accepted(message["sid"])
        return None


def _outcome(answer: requests.Response) -> Accepted:
    status = answer.status_code
    if status == 201:
        try:
            return Accepted(str(answer.json()["sid"]))
        except (ValueError, KeyError):
            return Accepted()
    if status in (401, 403):
        raise Away("login_refused")
    if status == 429:
        raise Deferred("rate_limited")
    if status == 503:
        raise Deferred("unavailable")
    if status >= 500:
        raise Unknown(f"status_{status}")
    raise Rejected(_error_slug(answer))


def _error_slug(answer: requests.Response) -> str:
    """Twilio's error number; never its text, which repeats the phone number."""
    try:
        return f"provider_{int(answer.json()['code'])}"
    except (ValueError, KeyError, TypeError):
        return "rejected"


def _never_connected(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
