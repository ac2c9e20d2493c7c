"""`/openapi.json`, and `/docs` to read it without any request to elsewhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from services.gateway.assets import Asset
from services.gateway.docs.description import ApiDescription
from services.gateway.security import page_headers

DESCRIPTION = web.AppKey("description", ApiDescription)

_FOLDER = Path(__file__).parent / "static"
_FILES = {
    "/docs": "index.html",
    "/docs/start.js": "start.js",
    "/docs/swagger-ui.css": "swagger-ui.css.gz",
    "/docs/swagger-ui-bundle.js": "swagger-ui-bundle.js.gz",
    "/docs/favicon-32x32.png": "favicon-32x32.png",
}
# Swagger UI carries its icons as data: images.
_HEADERS = dict(
    page_headers(
        sources="script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'"
    )
)


def add_docs_routes(app: web.Application) -> None:
    for path, name in _FILES.items():
        app.router.add_get(path, _serving(Asset.read(_FOLDER / name)))


async def openapi(request: web.Request) -> web.Response:
    """The merged document; no-cache, because a service may have joined since."""
    description = await request.app[DESCRIPTION].current()
    headers = {"ETag": f'"{description.etag}"', "Cache-Control": "no-cache"}
    if any(tag.value == description.etag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    response = web.Response(body=description.body, content_type="application/json", headers=headers)
    response.enable_compression()
    return response


def _serving(asset: Asset) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        return asset.response(request, headers=_HEADERS)

    return serve
