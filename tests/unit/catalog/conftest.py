"""A catalog database, courses made from a few words, and the clock they are published by."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.catalog.courses.rules import Course
from shared.database.database import Database
from shared.events.contract import Event, contracts
from shared.messaging.tables import outbox
from shared.testing import FakeClock
from shared.testing.databases import sqlite_database

MakeCourse = Callable[..., Course]
Emitted = Callable[[], list[Event]]


@pytest.fixture
def course() -> MakeCourse:
    """A course of one credit for grades 9 to 12 unless told otherwise."""

    def make(code: str, **facts: Any) -> Course:
        defaults: dict[str, Any] = {
            "title": f"Course {code}",
            "department": "Science",
            "credits": Decimal("1.00"),
            "grades": (9, 10, 11, 12),
        }
        return Course(code=code, **{**defaults, **facts})

    return make


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 12, 15, 0, tzinfo=UTC))


@pytest.fixture
def database(tmp_path: Path, clock: FakeClock) -> Iterator[Database]:
    database = sqlite_database("catalog", tmp_path, clock=clock)
    yield database
    database.dispose()


@pytest.fixture
def emitted(database: Database) -> Emitted:
    """Events recorded since the last time it was asked, in order."""
    seen = 0

    def read() -> list[Event]:
        nonlocal seen
        with database.reading() as session:
            later = select(outbox).where(outbox.c.position > seen).order_by(outbox.c.position)
            rows = session.execute(later).all()
        seen = rows[-1].position if rows else seen
        return [contracts()[row.type].model_validate_json(row.body) for row in rows]

    return read
