"""Alembic's entry into this service's database."""

import services.mentorship.matches.tables
import services.mentorship.partners.tables
import services.mentorship.relationship_files.tables  # noqa: F401  (declares its tables on the metadata)
from services.mentorship.tables import metadata
from shared.database.migrations import run_env

run_env("mentorship", metadata)
