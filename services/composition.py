"""Which services there are, and how to get hold of each: what the `signpost` command and the tests build on."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.messaging.reactions import Reactions
from shared.settings import Settings

if TYPE_CHECKING:
    from aiohttp.web import Application

    from shared.messaging.worker.hosting import EventService

SERVICES = ("roster", "catalog", "plans", "mentorship", "notifications", "gateway")
BEHIND_GATEWAY = SERVICES[:-1]


def worker_class(service: str) -> "type[EventService]":
    """The nameko class of a service's worker."""
    module = importlib.import_module(f"services.{service}.worker")
    found: type[EventService] = getattr(module, f"{service.capitalize()}Service")
    return found


def worker_classes() -> "list[type[EventService]]":
    return [worker_class(service) for service in SERVICES]


def consumer_groups() -> Mapping[str, Reactions]:
    """What every service reacts to: the whole deployment's topology."""
    return {service: worker_class(service).reactions() for service in SERVICES}


def settings_for(service: str, settings: Settings | None = None) -> Settings:
    """A service's own settings from the environment, on top of `settings` where given."""
    module = importlib.import_module(f"services.{service}.settings")
    own: type[Settings] = getattr(module, f"{service.capitalize()}Settings")
    return (settings or Settings()).specialized(own)


def api_app(service: str, settings: Settings | None = None) -> "Application":
    """A service's HTTP API."""
    module = importlib.import_module(f"services.{service}.api")
    app: Application = module.create_app(settings_for(service, settings))
    return app
