"""Every route of the plans service."""

from aiohttp import web

from services.plans.plans.routes import routes as plan_routes
from services.plans.settings import PlansSettings
from shared.web.app import create_service_app


def create_app(settings: PlansSettings) -> web.Application:
    return create_service_app(settings, service="plans", routes=[plan_routes])
