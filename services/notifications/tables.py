"""Where this service's tables are registered."""

from sqlalchemy import MetaData

from shared.database.schema import NAMING

metadata = MetaData(naming_convention=NAMING)
