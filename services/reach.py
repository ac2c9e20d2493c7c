"""Which services' databases can be reached from here, for commands that need another than one's own."""

import importlib
from pathlib import Path

from sqlalchemy import MetaData, inspect
from sqlalchemy.exc import SQLAlchemyError

from shared.database.database import Database, DatabaseAway
from shared.messaging.tables import replays
from shared.settings import Settings


class OutOfReach(Exception):
    """The database of a service cannot be used from here; says what to set or where to run instead."""


def reach(settings: Settings, service: str, *, what: str) -> Database:
    """
    A service's database, if it is really that service's and set up.

    Args:
        what: Which part of it is needed, for the message.

    Raises:
        OutOfReach: It cannot be reached, belongs to another service, or lacks tables.
    """
    database, remedy = Database.open(settings, service), _remedy(settings, service)
    try:
        present = set(inspect(database.engine).get_table_names())
    except (SQLAlchemyError, DatabaseAway) as error:
        message = f"{what} of {service} cannot be reached ({type(error).__name__}). {remedy}"
        raise OutOfReach(message) from None
    if present and not _own_tables(service) <= present:
        raise OutOfReach(f"{what} of {service} is not in the database that the settings name for it. {remedy}")
    if replays.name not in present:
        raise OutOfReach(f"The database of {service} is not set up or older. Next: signpost migrate {service}")
    return database


def _remedy(settings: Settings, service: str) -> str:
    if not (settings.database_url or settings.database_urls):
        return f"Its file belongs into {settings.home}: set SIGNPOST_HOME to the folder that `signpost run` keeps."
    return (
        f"Run it where SIGNPOST_DATABASE_URL leads there, such as `docker compose exec {service}-api signpost ...`, or "
        "set SIGNPOST_DATABASE_URLS to a JSON object with an address for each service that is needed."
    )


def _own_tables(service: str) -> set[str]:
    """Tables by which a database is known to be this service's: those its own features declare."""
    for path in sorted((Path(__file__).parent / service).glob("*/tables.py")):
        importlib.import_module(f"services.{service}.{path.parent.name}.tables")
    metadata: MetaData = importlib.import_module(f"services.{service}.tables").metadata
    return set(metadata.tables)
