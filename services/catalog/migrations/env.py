"""Alembic's entry into this service's database."""

import services.catalog.conflicts.tables
import services.catalog.courses.tables
import services.catalog.requirements.tables  # noqa: F401  (declares its tables on the metadata)
from services.catalog.tables import metadata
from shared.database.migrations import run_env

run_env("catalog", metadata)
