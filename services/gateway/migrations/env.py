"""Alembic's entry to the gateway's database."""

from services.gateway.feed import tables as feed_tables  # noqa: F401
from services.gateway.integrators import tables as integrator_tables  # noqa: F401
from services.gateway.journeys import tables  # noqa: F401
from services.gateway.tables import metadata
from services.gateway.webhooks import tables as webhook_tables  # noqa: F401
from shared.database.migrations import run_env

run_env("gateway", metadata)
