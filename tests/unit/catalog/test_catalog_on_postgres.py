"""The same statements on PostgreSQL: types, upserts, the grade filter and the conflict list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.catalog.conflicts.tables import stored_conflicts
from services.catalog.courses.handlers import publish_catalog, put_course, retire_course
from services.catalog.courses.rules import grade_bits
from services.catalog.courses.tables import course_of, course_row, courses
from services.catalog.requirements.documents import load
from services.catalog.requirements.handlers import publish_document
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.messaging.tables import outbox
from shared.testing.databases import embedded_settings, postgres_urls

pytestmark = pytest.mark.postgres

RULES = b"""\
schema: ilp.requirements/v1
id: example
title: Example
unit: credit
total: 24
code_system: local
requirements: [{id: science, department: Science, credits: 9.5}]
"""


@pytest.fixture
def postgres(postgres_server: str, tmp_path: Path) -> Iterator[Database]:
    with postgres_urls(postgres_server, ["catalog"]) as url:
        settings = embedded_settings(tmp_path, database_url=url)
        migrate(settings, "catalog")
        database = Database.open(settings, "catalog")
        yield database
        database.dispose()


class TestOnPostgres:
    def test_publishes_once_changes_and_retires(self, postgres: Database, course: Any) -> None:
        listed = [course("1", grades=(9,), remarks={"audition": True}), course("2", prerequisites=(("1", "9"),))]

        for _ in range(2):
            with postgres.transaction() as uow:
                publish_catalog(listed, uow=uow, school_year="2026-27", source="catalog.json")
                publish_document(load(RULES, file="rules.yaml", limit=10_000), uow=uow, file="rules.yaml")
        with postgres.transaction() as uow:
            put_course(course("2", title="Renamed"), uow=uow, expected_version=1)
        with postgres.transaction() as uow:
            retire_course("1", uow=uow, expected_version=1)

        with postgres.reading() as session:
            assert session.execute(select(func.count()).select_from(outbox)).scalar_one() == 6
            row = course_row(session, "1")
            assert row is not None
            assert course_of(row) == listed[0]
            wanted = select(courses.c.code).where(courses.c.grade_bits.bitwise_and(grade_bits([10])) != 0)
            assert session.execute(wanted).scalars().all() == ["2"]
            assert [each.kind for each in stored_conflicts(session)] == ["out_of_reach"]
