"""The migrations of every service lead to exactly the tables its code declares, and back to nothing."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect

from services.composition import SERVICES
from shared.database.database import create_service_engine
from shared.database.migrations import alembic_config, migrate, service_metadata
from shared.settings import Settings
from shared.testing.databases import embedded_settings, postgres_urls
from tests.support.deployment import REPOSITORY


@pytest.fixture(scope="module")
def postgres_settings(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with postgres_urls(postgres_server, list(SERVICES)) as url:
        yield embedded_settings(tmp_path_factory.mktemp("postgres"), database_url=url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return embedded_settings(tmp_path)
    found: Settings = request.getfixturevalue("postgres_settings")
    return found


def declared(service: str) -> list[MetaData]:
    """All tables a service's code knows, from every feature's tables.py."""
    for path in sorted((REPOSITORY / "services" / service).glob("*/tables.py")):
        importlib.import_module(f"services.{service}.{path.parent.name}.tables")
    metadata: MetaData = importlib.import_module(f"services.{service}.tables").metadata
    return service_metadata(metadata)


@contextmanager
def connected(settings: Settings, service: str) -> Iterator[Connection]:
    engine = create_service_engine(settings.database_url_for(service), pool_size=1)
    try:
        with engine.execution_options(signpost_write=True).connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
class TestMigrations:
    def test_lead_to_what_the_code_declares_and_back(self, service: str, settings: Settings) -> None:
        migrate(settings, service)

        with connected(settings, service) as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, declared(service))  # type: ignore[arg-type]
        assert differences == []

        with connected(settings, service) as connection:
            command.downgrade(alembic_config(service, connection), "base")
        with connected(settings, service) as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}

    def test_run_twice_change_nothing(self, service: str, settings: Settings) -> None:
        migrate(settings, service)

        migrate(settings, service)

    def test_are_one_line_without_branches(self, service: str, tmp_path: Path) -> None:
        with connected(embedded_settings(tmp_path), service) as connection:
            script = ScriptDirectory.from_config(alembic_config(service, connection))

        assert len(script.get_heads()) == 1
        assert len(script.get_bases()) == 1
