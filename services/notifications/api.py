"""The HTTP API of the notifications service."""

from aiohttp import web

from services.notifications.delivery.routes import delivery_routes
from services.notifications.links.routes import link_routes
from services.notifications.notices.routes import notice_routes
from services.notifications.settings import NotificationsSettings
from services.notifications.tasks.routes import task_routes
from shared.clock import Clock
from shared.web.app import create_service_app


def create_app(settings: NotificationsSettings, *, clock: Clock | None = None) -> web.Application:
    return create_service_app(
        settings,
        service="notifications",
        routes=[notice_routes, task_routes, link_routes, delivery_routes],
        clock=clock,
    )
