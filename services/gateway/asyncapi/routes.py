"""`/asyncapi.json`, `/schemas/...` that events name as their `dataschema`, and `/asyncapi` to read it all."""

import json
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from services.gateway.assets import Asset
from services.gateway.asyncapi.rules import contents_of
from services.gateway.security import page_headers
from shared.events.asyncapi import asyncapi_document
from shared.events.contract import contracts
from shared.events.export import schema_of
from shared.problems import NotFound

_FOLDER = Path(__file__).parent
# Neither scripts nor anything from elsewhere.
_HEADERS = dict(page_headers(sources="style-src 'self'; img-src 'self'; form-action 'none'"))

Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_asyncapi_routes(app: web.Application) -> None:
    document = asyncapi_document()
    style = Asset.read(_FOLDER / "static" / "page.css")

    async def page_style(request: web.Request) -> web.Response:
        return style.response(request, headers=_HEADERS)

    app.router.add_get("/asyncapi", _Fixed(_page(document), "text/html", _HEADERS).serve)
    app.router.add_get("/asyncapi/page.css", page_style)
    app.router.add_get("/asyncapi.json", _json(document, "application/json").serve)
    schemas = {
        event_type: _json(schema_of(each), "application/schema+json") for event_type, each in contracts().items()
    }
    app.router.add_get("/schemas/{event_type}.json", _schema(schemas))


class _Fixed:
    """What stays as it is while this process runs."""

    def __init__(self, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._body = body
        self._content_type = content_type
        self._etag = sha256(body).hexdigest()[:32]
        self._headers = {"ETag": f'"{self._etag}"', "Cache-Control": "no-cache", **(headers or {})}

    async def serve(self, request: web.Request) -> web.Response:
        if any(tag.value in (self._etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=self._headers)
        response = web.Response(
            body=self._body, content_type=self._content_type, charset="utf-8", headers=self._headers
        )
        response.enable_compression()
        return response


def _json(document: Mapping[str, Any], content_type: str) -> _Fixed:
    return _Fixed(json.dumps(document, ensure_ascii=False).encode(), content_type)


def _page(document: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("events.jinja").render(contents=contents_of(document)).encode()


def _schema(schemas: Mapping[str, _Fixed]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        """The JSON Schema of one event's content."""
        document = schemas.get(request.match_info["event_type"])
        if document is None:
            raise NotFound("No event of this type is published here; `/asyncapi.json` names all.")
        return await document.serve(request)

    return answer
