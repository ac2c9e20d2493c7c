"""Pages: the notice behind a signed link, its acknowledgement, and the landing page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import jinja2
from aiohttp import web
from babel.dates import format_date

from services.gateway.assets import Asset
from services.gateway.pages.links import LinkRefused, SignedLinks
from services.gateway.pages.rules import is_token, refusal_of
from services.gateway.pages.schemas import LinkedNotice
from services.gateway.pages.texts import TEXTS, preferred, spoken
from services.gateway.proxy.routes import UPSTREAMS, headers_for_upstream
from services.gateway.security import page_headers
from services.gateway.settings import GatewaySettings
from shared.web.app import SETTINGS

_FOLDER = Path(__file__).parent
_STYLE = "style-src 'self'; img-src data:; form-action 'self'"
# What stands behind a link is for one person: kept by no cache and found by no search engine.
_PERSONAL = {**page_headers(sources=_STYLE), "Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
_PUBLIC = {**page_headers(sources=_STYLE), "Cache-Control": "no-cache"}


def add_page_routes(app: web.Application, settings: GatewaySettings) -> None:
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Asset.read(_FOLDER / "static" / "page.css")

    async def page_style(request: web.Request) -> web.Response:
        return style.response(request, headers=dict(_PUBLIC))

    app.router.add_get("/", landing)
    app.router.add_get("/pages/page.css", page_style)
    app.router.add_get("/a/{token}", show_notice)
    app.router.add_post("/a/{token}/acknowledge", acknowledge)


async def show_notice(request: web.Request) -> web.Response:
    """What changed, what it means, the plan as it is now, and a button to confirm."""
    token = request.match_info["token"]
    if not is_token(token):
        return _refused(request, 404)
    links, headers = _links(request), _headers(request)
    try:
        notice = await links.notice(token, headers=headers)
    except LinkRefused as refused:
        return _refused(request, refused.status)
    language = spoken(notice.language)
    return _page(
        request,
        "notice.jinja",
        language,
        {
            "title": notice.title,
            "html": notice.html,
            "acknowledged_on": _acknowledged_on(notice, language, _settings(request)),
            "acknowledge_path": f"/a/{token}/acknowledge",
            "plan": await links.plan(notice, headers=headers),
        },
    )


async def acknowledge(request: web.Request) -> web.Response:
    """Confirm, as the person the link is for; a second time changes nothing."""
    token = request.match_info["token"]
    if not is_token(token):
        return _refused(request, 404)
    links, headers = _links(request), _headers(request)
    try:
        await links.acknowledge(token, headers=headers)
        notice = await links.notice(token, headers=headers)
    except LinkRefused as refused:
        return _refused(request, refused.status)
    language = spoken(notice.language)
    texts = TEXTS[language]
    return _page(
        request,
        "message.jinja",
        language,
        {"title": texts["thanks_title"], "text": texts["thanks_text"], "back_path": f"/a/{token}"},
    )


async def landing(request: web.Request) -> web.Response:
    """The addresses of this deployment."""
    settings = _settings(request)
    links = [
        {"href": "/docs", "name": "API", "about": "every route, to read and to try"},
        {"href": "/openapi.json", "name": "OpenAPI 3.1", "about": "the same, for machines"},
        {"href": "/readyz", "name": "Readiness", "about": "what is missing, if anything"},
        {"href": "/metrics", "name": "Metrics", "about": "of this gateway, for Prometheus"},
    ]
    if settings.mailbox_url:
        links.insert(0, {"href": settings.mailbox_url, "name": "Mailbox", "about": "every email and SMS sent here"})
    context = {"title": "Start", "links": links, "public_url": settings.public_url}
    return _page(request, "landing.jinja", "en", context, headers=_PUBLIC)


def _refused(request: web.Request, upstream_status: int) -> web.Response:
    """A friendly page with the right status, the same for everybody: it tells nothing about any person."""
    refusal, status = refusal_of(upstream_status)
    language = preferred(request.headers.get("Accept-Language"))
    texts = TEXTS[language]
    context = {"title": texts[f"{refusal}_title"], "text": texts[f"{refusal}_text"], "back_path": None}
    response = _page(request, "message.jinja", language, context, status=status)
    if status == 503:
        response.headers["Retry-After"] = "60"
    return response


def _page(
    request: web.Request,
    template: str,
    language: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] = _PERSONAL,
) -> web.Response:
    response = aiohttp_jinja2.render_template(
        template, request, {"language": language, "texts": TEXTS[language], **context}, status=status
    )
    response.headers.update(headers)
    response.headers["Content-Language"] = language
    return response


def _acknowledged_on(notice: LinkedNotice, language: str, settings: GatewaySettings) -> str | None:
    if notice.acknowledged_at is None:
        return None
    day = notice.acknowledged_at.astimezone(ZoneInfo(settings.time_zone)).date()
    return format_date(day, format="long", locale=language)


def _links(request: web.Request) -> SignedLinks:
    return SignedLinks(_settings(request), request.app[UPSTREAMS])


def _headers(request: web.Request) -> dict[str, str]:
    """The journey and the trace; a browser's other headers do not matter to the services asked here."""
    kept = ("Correlation-Id", "traceparent", "Accept-Language")
    return {name: value for name, value in headers_for_upstream(request).items() if name in kept}


def _settings(request: web.Request) -> GatewaySettings:
    return request.app[SETTINGS].specialized(GatewaySettings)
