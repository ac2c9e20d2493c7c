"""Alembic's entry into this service's database."""

import services.roster.caseloads.tables
import services.roster.guardianships.tables
import services.roster.imports.tables
import services.roster.people.tables
import services.roster.students.tables  # noqa: F401  (declares its tables on the metadata)
from services.roster.tables import metadata
from shared.database.migrations import run_env

run_env("roster", metadata)
