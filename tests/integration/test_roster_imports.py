"""Rosters on both databases, through to the access projection that every service keeps."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.roster.guardianships.court_orders import file_order
from services.roster.guardianships.tables import guardianships
from services.roster.imports.handlers import import_roster
from services.roster.imports.mirror import person_id_of
from services.roster.people.tables import people
from services.roster.students.tables import students
from services.roster.worker import RosterService
from shared.auth.access import Principal, visible_students
from shared.auth.tables import relationships
from shared.database.database import Database
from shared.settings import Settings
from shared.testing import Embedded, FakeClock
from shared.testing.databases import embedded_settings, postgres_urls
from tests.unit.roster.conftest import Package

NOW = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def signpost(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Embedded]:
    """The roster alone, with its relay and its consumer."""
    if request.param == "sqlite":
        with Embedded(tmp_path / "home", [RosterService], clock=FakeClock()) as embedded:
            yield embedded
        return
    server: str = request.getfixturevalue("postgres_server")
    with postgres_urls(server, ["roster"]) as url:
        settings = embedded_settings(tmp_path / "home", database_url=url)
        with Embedded(tmp_path / "home", [RosterService], clock=FakeClock(), settings=settings) as embedded:
            yield embedded


def counted(database: Database, table: object, *conditions: object) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()  # type: ignore[arg-type]


def sees(database: Database, person: str, source: str) -> set[object]:
    with database.reading() as session:
        asking = Principal(person_id_of(source, person), "guardian")
        return set(session.scalars(visible_students(asking, "plan", "read", NOW)))


class TestGrandBend:
    def test_becomes_relationships_once_and_for_all(self, signpost: Embedded, shared_data: Path) -> None:
        database, path = signpost.databases["roster"], shared_data / "edfi_grand_bend"

        first = import_roster(path, "edfi", database=database, settings=signpost.settings)
        signpost.drain()
        second = import_roster(path, "edfi", database=database, settings=signpost.settings)

        assert (first.state, second.state, second.event_count) == ("applied", "unchanged", 0)
        assert signpost.drain() == 0
        assert counted(database, students) == 960
        assert counted(database, relationships, relationships.c.kind == "guardian_of") == 1872
        assert counted(database, relationships, relationships.c.kind == "self") == 960

    def test_shows_a_guardian_their_child_until_barred(self, signpost: Embedded, shared_data: Path) -> None:
        database = signpost.databases["roster"]
        import_roster(shared_data / "edfi_grand_bend", "edfi", database=database, settings=signpost.settings)
        signpost.drain()
        source, child = "edfi/255901", person_id_of("edfi/255901", "604821")
        assert sees(database, "contact/778393", source) == {child}

        with database.transaction() as uow:
            file_order(
                student_id=child,
                guardian_id=person_id_of(source, "contact/778393"),
                document="Docket 12",
                barred=True,
                rights=(),
                begins_on=None,
                ends_on=None,
                by=person_id_of("test", "admin"),
                today=NOW.date(),
                uow=uow,
            )

        assert sees(database, "contact/778393", source) == set()
        assert sees(database, "contact/779017", source) == {child}
        signpost.drain()
        assert sees(database, "contact/778393", source) == set()


class TestBothDatabases:
    def test_agree_on_deltas_parking_and_removal(self, signpost: Embedded, tmp_path: Path) -> None:
        database, settings = signpost.databases["roster"], signpost.settings
        package = Package(tmp_path / "package").school()
        for number in range(30):
            package.student(f"s{number}", agentSourcedIds=f"g{number}").guardian(f"g{number}")

        def take_in(path: Path) -> str:
            report = import_roster(path, "oneroster", database=database, settings=settings)
            signpost.drain()
            return report.state

        assert take_in(package.write()) == "applied"
        assert take_in(package.write()) == "unchanged"
        delta = Package(tmp_path / "delta", mode="delta").student("s30", agentSourcedIds="g0")
        assert take_in(delta.write()) == "applied"
        assert take_in(delta.write()) == "unchanged"
        # The bulk file does not know s30: one of thirty-one is within the share.
        assert take_in(package.write()) == "applied"
        for number in range(3):
            package.without("users", sourcedId=f"s{number}").without("roles", userSourcedId=f"s{number}")
        assert take_in(package.write()) == "parked"

        assert counted(database, students, students.c.is_enrolled) == 30
        assert counted(database, people, people.c.is_active) == 60
        assert counted(database, guardianships, guardianships.c.is_active) == 31

    def test_wait_for_each_other_over_one_source(self, signpost: Embedded, tmp_path: Path) -> None:
        """Two imports of one source at the same moment: one finds what the other did."""
        from concurrent.futures import ThreadPoolExecutor

        package = Package(tmp_path / "package").school()
        for number in range(20):
            package.student(f"s{number}")
        path, settings = package.write(), signpost.settings

        def take_in(_: int) -> str:
            database = _another(signpost.databases["roster"], settings)
            try:
                return import_roster(path, "oneroster", database=database, settings=settings).state
            finally:
                database.dispose()

        with ThreadPoolExecutor(2) as pool:
            states = sorted(pool.map(take_in, range(2)))

        assert states == ["applied", "unchanged"]
        assert counted(signpost.databases["roster"], students) == 20


def _another(database: Database, settings: Settings) -> Database:
    return Database.open(settings, "roster", clock=database.clock)
