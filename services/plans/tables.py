"""The metadata that every feature's tables are declared on."""

from sqlalchemy import MetaData

from shared.database.schema import NAMING

metadata = MetaData(naming_convention=NAMING)
