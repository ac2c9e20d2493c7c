"""Plans, stored ready to serve, and every version they had."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table, Uuid

from services.plans.tables import metadata
from shared.database.schema import Json, UtcDateTime

plans = Table(
    "plans",
    metadata,
    Column("plan_id", Uuid, primary_key=True),
    Column("student_id", Uuid, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("courses", Json, nullable=False),  # [code, grade, term, state] of each
    Column("goal", Json),  # cluster, occupation_code
    Column("interests", Json, nullable=False),
    Column("requirement_set", String(200)),  # null while the default set applies
    Column("unmet", Json, nullable=False),  # titles by id, from the last audit: what the next is compared with
    Column("audited_revision", Integer, nullable=False, index=True),
    Column("document", LargeBinary, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

plan_revisions = Table(
    "plan_revisions",
    metadata,
    Column("plan_id", Uuid, ForeignKey("plans.plan_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(24), nullable=False),
    Column("actor_id", Uuid),  # null where the system audited again
    Column("actor_role", String(16), nullable=False),
    Column("changes", Json, nullable=False),
    Column("standing", Json, nullable=False),
    Column("courses", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
)
