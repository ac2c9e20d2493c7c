"""Alembic's view of the notifications database."""

import services.notifications.notices.tables
import services.notifications.people.tables
import services.notifications.tasks.tables  # noqa: F401
from services.notifications.tables import metadata
from shared.database.migrations import run_env

run_env("notifications", metadata)
