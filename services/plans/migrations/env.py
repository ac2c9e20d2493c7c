"""Alembic's entry into this service's database."""

import services.plans.catalog.tables
import services.plans.plans.tables
import services.plans.students.tables  # noqa: F401  (declares its tables on the metadata)
from services.plans.tables import metadata
from shared.database.migrations import run_env

run_env("plans", metadata)
