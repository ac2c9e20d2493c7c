"""Every route of the mentorship service."""

from aiohttp import web

from services.mentorship.matches.routes import routes as match_routes
from services.mentorship.partners.routes import routes as partner_routes
from services.mentorship.relationship_files.routes import routes as relationship_file_routes
from services.mentorship.settings import MentorshipSettings
from shared.web.app import create_service_app


def create_app(settings: MentorshipSettings) -> web.Application:
    return create_service_app(
        settings, service="mentorship", routes=[partner_routes, relationship_file_routes, match_routes]
    )
