"""The tables of the roster service; each feature declares its own on this metadata."""

from sqlalchemy import MetaData

from shared.database.schema import NAMING

metadata = MetaData(naming_convention=NAMING)
