"""Every route of the roster service."""

from aiohttp import web

from services.roster.caseloads.routes import routes as caseload_routes
from services.roster.guardianships.routes import routes as guardianship_routes
from services.roster.imports.routes import routes as import_routes
from services.roster.people.routes import routes as people_routes
from services.roster.settings import RosterSettings
from services.roster.students.routes import routes as student_routes
from shared.web.app import create_service_app


def create_app(settings: RosterSettings) -> web.Application:
    return create_service_app(
        settings,
        service="roster",
        routes=[student_routes, people_routes, guardianship_routes, caseload_routes, import_routes],
    )
