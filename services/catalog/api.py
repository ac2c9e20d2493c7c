"""Every route of the catalog service."""

from aiohttp import web

from services.catalog.clusters.routes import routes as cluster_routes
from services.catalog.conflicts.routes import routes as conflict_routes
from services.catalog.courses.routes import routes as course_routes
from services.catalog.requirements.routes import routes as requirement_routes
from services.catalog.settings import CatalogSettings
from shared.web.app import create_service_app


def create_app(settings: CatalogSettings) -> web.Application:
    routes = [course_routes, requirement_routes, cluster_routes, conflict_routes]
    return create_service_app(settings, service="catalog", routes=routes)
