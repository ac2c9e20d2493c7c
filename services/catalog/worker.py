"""The catalog's worker: it publishes what the catalog says, and reacts to nothing but who may see whom."""

from shared.messaging.worker.hosting import EventService


class CatalogService(EventService):
    """Relays the catalog's events."""

    name = "catalog"
