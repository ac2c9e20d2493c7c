"""The gateway's HTTP API: its own routes, and everybody else's behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from services.gateway.asyncapi.routes import add_asyncapi_routes
from services.gateway.docs.description import TITLE, VERSION, ApiDescription
from services.gateway.docs.routes import DESCRIPTION, add_docs_routes, openapi
from services.gateway.edge import Edge
from services.gateway.feed import routes as feed
from services.gateway.health.routes import readyz
from services.gateway.home import routes as home
from services.gateway.journeys.routes import routes as journey_routes
from services.gateway.pages.routes import add_page_routes
from services.gateway.proxy.routes import UPSTREAMS, add_proxy_routes
from services.gateway.proxy.upstreams import Upstreams
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks.routes import routes as webhook_routes
from shared.auth.keys import Keys
from shared.clock import Clock
from shared.database.database import Database
from shared.web.app import DATABASE, create_service_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.openapi import openapi_document

KEY_SET_PATH = "/.well-known/jwks.json"


def create_app(
    settings: GatewaySettings, *, database: Database | None = None, clock: Clock | None = None
) -> web.Application:
    """
    The gateway as one aiohttp application.

    Args:
        settings: Must name where the services' APIs are.
        database: The gateway's own, for journeys; opened from the settings where not given.
    """
    app = create_service_app(
        settings,
        service="gateway",
        routes=[journey_routes, webhook_routes],
        database=database,
        clock=clock,
        instead={"/readyz": readyz(timeout_s=settings.ready_timeout_s), "/openapi.json": openapi},
    )
    Edge(settings).guard(app)
    app.router.add_get(home.PATH, home.read_home)
    app.router.add_get(KEY_SET_PATH, _key_set(settings))
    feed.add_feed_routes(app)
    add_docs_routes(app)
    add_asyncapi_routes(app)
    add_page_routes(app, settings)
    add_proxy_routes(app)
    app.cleanup_ctx.append(_reaching_upstreams(settings))
    return app


def _reaching_upstreams(settings: GatewaySettings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def running(app: web.Application) -> AsyncIterator[None]:
        upstreams = Upstreams.open(settings)
        app[UPSTREAMS] = upstreams
        app[DESCRIPTION] = ApiDescription(settings, upstreams, _own_description(app[DATABASE]))
        yield
        await upstreams.close()

    return running


def _own_description(database: Database) -> dict[str, Any]:
    by_hand = [home.DESCRIBED, feed.DESCRIBED_PAGE, feed.DESCRIBED_STREAM]
    declared = [*journey_routes, *webhook_routes, *by_hand, *dead_letter_routes("gateway", database)]
    return openapi_document(declared, title=TITLE, version=VERSION)


def _key_set(settings: GatewaySettings) -> Callable[[web.Request], Awaitable[web.Response]]:
    document = Keys.from_settings(settings).jwks()

    async def answer(_: web.Request) -> web.Response:
        """The public half of this deployment's signing key."""
        return web.json_response(document, headers={"Cache-Control": "public, max-age=300"})

    return answer
