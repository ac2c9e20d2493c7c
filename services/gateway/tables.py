"""The gateway's tables; features add theirs to this metadata."""

from sqlalchemy import MetaData

from shared.database.schema import NAMING

metadata = MetaData(naming_convention=NAMING)
