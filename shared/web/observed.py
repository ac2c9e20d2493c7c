"""Gauges that only the database knows, read when somebody looks."""

from shared.database.database import Database, DatabaseAway
from shared.messaging.operations.dead_letters import count_unapplied
from shared.messaging.relay import outbox_backlog
from shared.telemetry.metrics import DEAD_LETTERS, OUTBOX_LAG_S, OUTBOX_PENDING, PARKED


def observe_database(database: Database) -> None:
    """Set the outbox, parked and dead letter gauges of one service; left as they were while its database is away."""
    try:
        pending, lag_s = outbox_backlog(database)
        parked, dead = count_unapplied(database)
    except DatabaseAway:
        return
    OUTBOX_PENDING.labels(database.service).set(pending)
    OUTBOX_LAG_S.labels(database.service).set(lag_s)
    PARKED.labels(database.service).set(parked)
    DEAD_LETTERS.labels(database.service).set(dead)
