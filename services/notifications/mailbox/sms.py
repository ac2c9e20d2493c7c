"""The mailbox's SMS endpoint: the part of the Twilio API that senders use, with status callbacks."""

import asyncio
import hmac
from email.utils import format_datetime
from typing import Any

import aiohttp
from aiohttp import BasicAuth, web

from services.notifications.delivery.rules import sms_size, twilio_signature
from services.notifications.mailbox.store import Entry, MailboxStore
from shared.telemetry.logs import get_logger

LONGEST_BODY = 1600
CALLBACK_TRIES = 6

log = get_logger(__name__)


class SmsEndpoint:
    """
    POST and GET /2010-04-01/Accounts/{account}/Messages.json.

    Source: https://www.twilio.com/docs/messaging/api/message-resource
    """

    def __init__(self, store: MailboxStore, *, account: str, token: str) -> None:
        self._store = store
        self._account = account
        self._token = token
        self._reports: set[asyncio.Task[None]] = set()

    def add_routes(self, app: web.Application) -> None:
        path = "/2010-04-01/Accounts/{account}/Messages.json"
        app.router.add_post(path, self.create)
        app.router.add_get(path, self.list)
        app.cleanup_ctx.append(self._reporting)

    async def create(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        form = {name: str(value) for name, value in (await request.post()).items()}
        to, body = form.get("To", ""), form.get("Body", "")
        if not (to.startswith("+") and to[1:].isdigit()):
            return _error(400, 21211, "The 'To' number is not a valid phone number.")
        if not body:
            return _error(400, 21602, "Message body is required.")
        if len(body) > LONGEST_BODY:
            return _error(400, 21617, "The message body exceeds the 1600 character limit.")
        details = {"From": form.get("From", ""), "StatusCallback": form.get("StatusCallback", "")}
        loop = asyncio.get_running_loop()
        sid = await loop.run_in_executor(None, self._store.add_sms, to, body, details)
        if details["StatusCallback"]:
            report = loop.create_task(self._report(sid, to, details))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
        entry = await loop.run_in_executor(None, self._store.find, sid)
        assert entry is not None
        return web.json_response(self._resource(entry, status="queued"), status=201)

    async def list(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        equal = {"kind": "sms"} | ({"recipient": request.query["To"]} if "To" in request.query else {})
        limit = min(int(request.query.get("PageSize", "50")), 1000)
        loop = asyncio.get_running_loop()
        entries = await loop.run_in_executor(None, lambda: self._store.newest(equal, limit=limit))
        since = request.query.get("DateSent>", "")
        found = [self._resource(entry) for entry in entries if entry.received_at.date().isoformat() >= since]
        return web.json_response({"messages": found, "page_size": limit, "next_page_uri": None})

    def _refusal(self, request: web.Request) -> web.Response | None:
        try:
            given = BasicAuth.decode(request.headers.get("Authorization", ""))
        except ValueError:
            return _error(401, 20003, "Authenticate")
        right = request.match_info["account"] == self._account == given.login
        if not (right and hmac.compare_digest(given.password.encode(), self._token.encode())):
            return _error(401, 20003, "Authenticate")
        return None

    def _resource(self, entry: Entry, *, status: str = "delivered") -> dict[str, Any]:
        body = entry.content.decode()
        return {
            "sid": entry.id,
            "account_sid": self._account,
            "to": entry.recipient,
            "from": entry.details.get("From", ""),
            "body": body,
            "status": status,
            "num_segments": str(sms_size(body).segments),
            "date_sent": format_datetime(entry.received_at),
            "error_code": None,
        }

    async def _report(self, sid: str, to: str, details: dict[str, str]) -> None:
        """Tell the sender that the message was delivered; it may need a moment until it knows the message itself."""
        url = details["StatusCallback"]
        form = {
            "AccountSid": self._account,
            "From": details["From"],
            "MessageSid": sid,
            "MessageStatus": "delivered",
            "SmsSid": sid,
            "SmsStatus": "delivered",
            "To": to,
        }
        headers = {"X-Twilio-Signature": twilio_signature(self._token, url, form)}
        for attempt in range(CALLBACK_TRIES):
            try:
                async with self._http.post(url, data=form, headers=headers) as answer:
                    if answer.status < 300:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.2 * 2**attempt)
        log.info("sms_report_not_taken", sid=sid)

    async def _reporting(self, _: web.Application) -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as self._http:
            yield
            for report in list(self._reports):
                report.cancel()
            await asyncio.gather(*self._reports, return_exceptions=True)


def _error(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message, "status": status}, status=status)
