"""Many rows at once arrive as those inserted one by one do, on both databases."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Boolean, Column, Date, Integer, LargeBinary, MetaData, Table, Text, Uuid, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.database.bulk import FEWEST, insert_many
from shared.database.database import create_service_engine
from shared.database.schema import Credits, Json, UtcDateTime
from shared.testing.databases import postgres_urls

things = Table(
    "things",
    MetaData(),
    Column("thing_id", Uuid, primary_key=True),
    Column("number", Integer),
    Column("is_open", Boolean),
    Column("text", Text),
    Column("facts", Json),
    Column("body", LargeBinary),
    Column("at", UtcDateTime),
    Column("on", Date),
    Column("credits", Credits),
    Column("left_out", Integer),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/bulk.sqlite3"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(postgres_urls(server, ["bulk"])).replace("{service}", "bulk")
        engine = create_service_engine(url, pool_size=1)
        stack.callback(engine.dispose)
        things.create(engine)
        yield stack.enter_context(Session(engine))


def row(number: int, **values: Any) -> dict[str, Any]:
    return {
        "thing_id": UUID(int=number),
        "number": number,
        "is_open": number % 2 == 0,
        "text": "tab\tline\nslash\\N ñ 😀" if number % 3 else None,
        "facts": {"a": [1, None, "\\."], "b": "ü"},
        "body": bytes(range(256)),
        "at": datetime(2026, 11, 22, 1, 2, 3, 456789, UTC),
        "on": date(2026, 11, 22),
        "credits": Decimal("0.50"),
        **values,
    }


class TestInsertMany:
    @pytest.mark.parametrize("count", [1, FEWEST, 3 * FEWEST])
    def test_brings_every_type_back_as_it_was(self, session: Session, count: int) -> None:
        rows = [row(number) for number in range(count)]

        insert_many(session, things, rows)

        found = session.execute(select(things).order_by(things.c.number)).mappings().all()
        assert [dict(each) for each in found] == [each | {"left_out": None} for each in rows]

    def test_inserts_nothing_of_nothing(self, session: Session) -> None:
        insert_many(session, things, [])

        assert session.scalar(select(func.count()).select_from(things)) == 0

    def test_a_repeated_key_is_the_same_error_as_with_an_insert(self, session: Session) -> None:
        rows = [row(number % FEWEST, text="Rosa Quintanilla") for number in range(2 * FEWEST)]

        with pytest.raises(IntegrityError) as refusal:
            insert_many(session, things, rows)

        assert "Quintanilla" not in str(refusal.value)

    def test_is_part_of_the_transaction(self, session: Session) -> None:
        insert_many(session, things, [row(number) for number in range(2 * FEWEST)])
        session.rollback()

        assert session.scalar(select(func.count()).select_from(things)) == 0
