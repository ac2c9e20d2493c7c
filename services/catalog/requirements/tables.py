"""Requirement sets as published, with what was read but cannot be checked."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Column, Integer, Row, String, Table, Text, Uuid, select
from sqlalchemy.orm import Session

from services.catalog.requirements.rules import Remark, RequirementSet
from services.catalog.tables import metadata
from shared.database.schema import Credits, Json, UtcDateTime, upsert
from shared.events.catalog import Requirement

requirement_sets = Table(
    "requirement_sets",
    metadata,
    Column("requirement_set_id", Uuid, primary_key=True),
    Column("key", String(130), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("unit", String(120), nullable=False),
    Column("total", Credits, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("requirements", Json, nullable=False),
    Column("remarks", Json, nullable=False),
    Column("course_sizes", Json, nullable=False),
    Column("places", Json, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
)


def set_of(row: Row[Any]) -> RequirementSet:
    return RequirementSet(
        key=row.key,
        title=row.title,
        unit=row.unit,
        total=row.total,
        requirements=tuple(Requirement.model_validate(each) for each in row.requirements),
        remarks=tuple(Remark(**each) for each in row.remarks),
        course_sizes=tuple(Decimal(size) for size in row.course_sizes),
        places=row.places,
    )


def set_rows(session: Session) -> Mapping[str, Row[Any]]:
    """Every requirement set by key, the default one first."""
    ordered = select(requirement_sets).order_by(requirement_sets.c.is_default.desc(), requirement_sets.c.key)
    return {row.key: row for row in session.execute(ordered)}


def stored_sets(session: Session) -> Iterator[RequirementSet]:
    for row in set_rows(session).values():
        yield set_of(row)


def save_set(session: Session, rules: RequirementSet, version: int, *, is_default: bool, at: datetime) -> None:
    values = {
        "requirement_set_id": rules.requirement_set_id,
        "key": rules.key,
        "version": version,
        "title": rules.title,
        "unit": rules.unit,
        "total": rules.total,
        "is_default": is_default,
        "requirements": [each.model_dump(mode="json") for each in rules.requirements],
        "remarks": [asdict(each) for each in rules.remarks],
        "course_sizes": [str(size) for size in rules.course_sizes],
        "places": dict(rules.places),
        "published_at": at,
    }
    upsert(session, requirement_sets, values, key=["requirement_set_id"])
