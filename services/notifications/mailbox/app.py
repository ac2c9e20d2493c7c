"""The mailbox as a web application, and starting all of it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.notifications.mailbox.rules import is_local_host, read_letter
from services.notifications.mailbox.sms import SmsEndpoint
from services.notifications.mailbox.smtp import serve_smtp
from services.notifications.mailbox.store import Entry, MailboxStore
from services.notifications.settings import NotificationsSettings
from shared.telemetry.logs import get_logger

LOOPBACK = "127.0.0.1"
PAGE_SIZE = 50
STORE = web.AppKey("store", MailboxStore)

# The pages load nothing but themselves; what a message brings along is shown in a frame that may run nothing.
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
LETTER_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'"

log = get_logger(__name__)


def create_mailbox(settings: NotificationsSettings) -> web.Application:
    """The page, the list API and the SMS endpoint. The store closes with the application."""
    store = MailboxStore(settings.home / "mailbox.sqlite3")
    app = web.Application(middlewares=[_answering_to(settings.mailbox_name)], client_max_size=64 * 1024)
    app[STORE] = store
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)
    app.router.add_get("/", _list_page)
    app.router.add_get("/messages.json", _list_json)
    app.router.add_get("/messages/{id}", _message_page)
    app.router.add_get("/messages/{id}/html", _message_html)
    app.router.add_get("/messages/{id}/source", _message_source)
    app.router.add_get("/mailbox.css", _stylesheet)
    SmsEndpoint(store, account=settings.sms_account, token=settings.sms_secret).add_routes(app)
    app.on_cleanup.append(_close)
    return app


@dataclass(frozen=True)
class RunningMailbox:
    """A started mailbox and where it is found."""

    url: str
    smtp_port: int
    store: MailboxStore
    _runner: web.AppRunner
    _smtp: asyncio.Server

    async def stop(self) -> None:
        self._smtp.close()
        await self._smtp.wait_closed()
        await self._runner.cleanup()


async def start_mailbox(settings: NotificationsSettings) -> RunningMailbox:
    """
    Start SMTP and HTTP in the running event loop; unless the settings say otherwise, on the loopback address alone.

    Raises:
        OSError: A port is taken.
    """
    app = create_mailbox(settings)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.mailbox_host, settings.mailbox_http_port)
        await site.start()
        smtp = await serve_smtp(app[STORE], host=settings.mailbox_host, port=settings.mailbox_smtp_port)
    except OSError:
        await runner.cleanup()
        raise
    http_port, smtp_port = runner.addresses[0][1], smtp.sockets[0].getsockname()[1]
    log.info("mailbox_ready", http_port=http_port, smtp_port=smtp_port)
    return RunningMailbox(f"http://{LOOPBACK}:{http_port}", smtp_port, app[STORE], runner, smtp)


def _answering_to(name: str | None) -> Middleware:
    """Refuses requests that name another machine than this one, or `name`; says what the pages may load."""

    @web.middleware
    async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_local_host(request.headers.get("Host"), also=name):
            raise web.HTTPForbidden(text="The mailbox answers on this machine alone.")
        response = await handler(request)
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.update({"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return local_only


async def _list_page(request: web.Request) -> web.Response:
    entries = await _newest(request, PAGE_SIZE + 1)
    older = entries[PAGE_SIZE - 1].position if len(entries) > PAGE_SIZE else None
    total = await asyncio.to_thread(request.app[STORE].count)
    context = {"entries": entries[:PAGE_SIZE], "older": older, "total": total, "capacity_note": total >= 10_000}
    return aiohttp_jinja2.render_template("list.jinja", request, context)


async def _list_json(request: web.Request) -> web.Response:
    limit = min(max(_number(request, "limit") or 100, 1), 1000)
    entries = await _newest(request, limit)
    following = entries[-1].position if len(entries) == limit else None
    return web.json_response({"items": [entry.summary() for entry in entries], "next": following})


async def _message_page(request: web.Request) -> web.Response:
    entry = await _entry(request)
    letter = read_letter(entry.content) if entry.kind == "email" else None
    text = letter.text if letter else entry.content.decode()
    return aiohttp_jinja2.render_template("message.jinja", request, {"entry": entry, "letter": letter, "text": text})


async def _message_html(request: web.Request) -> web.Response:
    entry = await _entry(request)
    letter = read_letter(entry.content) if entry.kind == "email" else None
    if letter is None or letter.html is None:
        raise web.HTTPNotFound
    # Links open beside the mailbox: a page inside the sandboxed frame could not take a click.
    html = letter.html.replace("<head>", '<head><base target="_blank">', 1)
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": LETTER_POLICY})


async def _message_source(request: web.Request) -> web.Response:
    entry = await _entry(request)
    return web.Response(body=entry.content, content_type="text/plain", charset="utf-8")


async def _stylesheet(_: web.Request) -> web.FileResponse:
    return web.FileResponse(Path(__file__).parent / "pages" / "mailbox.css")


async def _close(app: web.Application) -> None:
    app[STORE].close()


async def _newest(request: web.Request, limit: int) -> list[Entry]:
    query = {"kind": "kind", "to": "recipient", "message_id": "message_id"}
    equal = {column: request.query[name] for name, column in query.items() if name in request.query}
    before = _number(request, "before")
    return await asyncio.to_thread(lambda: request.app[STORE].newest(equal, before=before, limit=limit))


async def _entry(request: web.Request) -> Entry:
    entry: Any = await asyncio.to_thread(request.app[STORE].find, request.match_info["id"])
    if not isinstance(entry, Entry):
        raise web.HTTPNotFound
    return entry


def _number(request: web.Request, name: str) -> int | None:
    value = request.query.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise web.HTTPBadRequest(text=f"{name} must be a whole number")
    return int(value)
