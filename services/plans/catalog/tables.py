"""Courses and requirement sets as the catalog last said, and a counter of how often it said something."""

from sqlalchemy import Boolean, Column, Integer, String, Table, Uuid

from services.plans.tables import metadata
from shared.database.schema import Credits, Json

courses = Table(
    "courses",
    metadata,
    Column("course_id", Uuid, primary_key=True),
    Column("code", String(64), nullable=False, index=True),
    Column("title", String(200), nullable=False),
    Column("department", String(200), nullable=False),
    Column("credits", Credits, nullable=False),
    # grades, terms, prerequisites, minimum_grades, corequisites, repeatable
    Column("facts", Json, nullable=False),
    Column("is_retired", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # of the event that last told the course's facts
    Column("retired_version", Integer, nullable=False, server_default="0"),
)

requirement_sets = Table(
    "requirement_sets",
    metadata,
    Column("requirement_set_id", Uuid, primary_key=True),
    Column("key", String(200), nullable=False, index=True),
    Column("title", String(200), nullable=False),
    Column("unit", String(40), nullable=False),
    Column("total", Credits, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("requirements", Json, nullable=False),
    Column("version", Integer, nullable=False),
)

# One row. Plans remember the revision they were audited against; whoever is behind is audited again.
catalog_revision = Table(
    "catalog_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("requirements_revision", Integer, nullable=False),  # the last revision that changed a requirement set
    Column("correlation_id", Uuid),  # of the event behind the last revision
    Column("causation_id", Uuid),
)
