"""Upserts of a batch are written together, and nobody sees a difference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, event, exists, select

from shared.clock import SystemClock
from shared.database.database import Database, create_service_engine
from shared.database.deferred import standing
from shared.database.schema import insert_new, upsert
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.tables import messaging_metadata

metadata = MetaData()
links = Table(
    "links",
    metadata,
    Column("link_id", Integer, primary_key=True),
    Column("rights", String(20)),
    Column("ended", Integer),
    Column("version", Integer, nullable=False),
)
others = Table("others", metadata, Column("other_id", Integer, primary_key=True))
parts = Table(
    "parts", metadata, Column("part_id", Integer, primary_key=True), Column("other_id", ForeignKey("others.other_id"))
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    engine = create_service_engine(f"sqlite:///{tmp_path}/deferred.sqlite3", pool_size=2)
    metadata.create_all(engine)
    messaging_metadata.create_all(engine)
    database = Database(engine, service="deferred", clock=SystemClock())
    yield database
    database.dispose()


class Inserts:
    """Counts the INSERT statements that reach an engine."""

    def __init__(self, engine: Engine) -> None:
        self.seen = 0
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        self.seen += statement.startswith("INSERT")


def put(uow: UnitOfWork, link_id: int, version: int, *, only: list[str] | None = None, **values: Any) -> None:
    row = {"link_id": link_id, "rights": None, "ended": 0, "version": version, **values}
    upsert(uow.session, links, row, key=["link_id"], newer_than="version", only=only)


def everything(database: Database) -> list[tuple[Any, ...]]:
    with database.reading() as session:
        return [tuple(row) for row in session.execute(select(links).order_by(links.c.link_id))]


class TestDeferredUpserts:
    def test_writes_rows_of_one_shape_in_one_statement(self, database: Database) -> None:
        inserts = Inserts(database.engine)

        with database.transaction() as uow:
            uow.defer_upserts()
            for each in range(50):
                put(uow, each, 1)
                upsert(uow.session, others, {"other_id": each}, key=["other_id"])

        assert inserts.seen == 2
        assert len(everything(database)) == 50

    def test_shows_what_is_held_back_to_whoever_reads(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            put(uow, 1, 1, rights="read")

            found = uow.session.execute(select(links.c.rights)).scalars().all()

        assert found == ["read"]

    def test_shows_what_is_held_back_to_a_standing_select_from_its_table(self, database: Database) -> None:
        of_both = standing(select(others.c.other_id).where(exists().where(links.c.link_id == others.c.other_id)))

        with database.transaction() as uow:
            uow.defer_upserts()
            insert_new(uow.session, others, [{"other_id": 1}])
            put(uow, 1, 1)

            assert uow.session.execute(of_both).scalars().all() == [1]

    def test_goes_on_holding_back_what_a_standing_select_does_not_read(self, database: Database) -> None:
        from_others = standing(select(others))
        inserts = Inserts(database.engine)

        with database.transaction() as uow:
            uow.defer_upserts()
            for each in range(50):
                put(uow, each, 1)
                assert uow.session.execute(from_others).all() == []

        assert inserts.seen == 1
        assert len(everything(database)) == 50

    def test_writes_a_row_after_the_one_it_refers_to(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            insert_new(uow.session, others, [{"other_id": 1}])
            uow.session.execute(select(links))
            for each in (1, 2):
                insert_new(uow.session, parts, [{"part_id": each, "other_id": each}])
                insert_new(uow.session, others, [{"other_id": each + 1}])

        with database.reading() as session:
            assert session.execute(select(parts.c.other_id)).scalars().all() == [1, 2]

    def test_leaves_a_row_that_is_there_as_it_is(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            for rights in ("first", "second"):
                row = {"link_id": 1, "rights": rights, "ended": 0, "version": 1}
                insert_new(uow.session, links, [row])

        assert everything(database) == [(1, "first", 0, 1)]

    def test_keeps_the_order_within_a_table(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            put(uow, 1, 1, rights="read")
            put(uow, 2, 2, rights="none", only=["rights", "version"])
            put(uow, 1, 2, ended=1, only=["ended", "version"])
            put(uow, 1, 3, rights="none", only=["rights", "version"])

        assert everything(database) == [(1, "none", 1, 3), (2, "none", 0, 2)]

    def test_keeps_the_newest_of_one_key(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            for version in (1, 3, 2):
                put(uow, 1, version, rights=str(version))

        assert everything(database) == [(1, "3", 0, 3)]

    def test_drops_what_belongs_to_a_failed_attempt(self, database: Database) -> None:
        with database.transaction() as uow:
            uow.defer_upserts()
            put(uow, 1, 1)
            with pytest.raises(RuntimeError), uow.attempt():
                put(uow, 2, 1)
                raise RuntimeError
            with uow.attempt():
                put(uow, 3, 1)

        assert [row[0] for row in everything(database)] == [1, 3]

    def test_writes_nothing_of_a_failed_transaction(self, database: Database) -> None:
        with pytest.raises(RuntimeError), database.transaction() as uow:
            uow.defer_upserts()
            put(uow, 1, 1)
            raise RuntimeError

        assert everything(database) == []
