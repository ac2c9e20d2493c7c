"""Migrated databases for tests: a SQLite file, or a PostgreSQL database made and dropped."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from shared.clock import Clock
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.settings import Settings


def embedded_settings(folder: Path, **overrides: object) -> Settings:
    """Settings of an embedded deployment in a folder of its own, whatever the environment says."""
    return Settings.model_validate({"home": folder, "database_url": None, "amqp_url": None, **overrides})


def sqlite_database(service: str, folder: Path, *, clock: Clock | None = None) -> Database:
    """A service's migrated SQLite database in `folder`."""
    settings = embedded_settings(folder)
    migrate(settings, service)
    return Database.open(settings, service, clock=clock)


@contextmanager
def postgres_urls(server: str, services: list[str]) -> Iterator[str]:
    """
    One database and one role per service on a server, dropped at the end.

    Args:
        server: URL of a superuser, such as postgresql://postgres@127.0.0.1:5432/postgres.

    Yields:
        A URL with `{service}` in the role and the database, for Settings.database_url.
    """
    prefix = f"sp_test_{secrets.token_hex(4)}"
    host = server.rpartition("@")[2].rpartition("/")[0]
    try:
        with psycopg.connect(server, autocommit=True) as admin:
            for service in services:
                name = f"{prefix}_{service}"
                admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'".encode())
                admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
                admin.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC".encode())
        yield f"postgresql+psycopg://{prefix}_{{service}}:{prefix}_{{service}}@{host}/{prefix}_{{service}}"
    finally:
        # Another connection: fault tests end the sessions of a server, or the server.
        with psycopg.connect(server, autocommit=True) as admin:
            for service in services:
                name = f"{prefix}_{service}"
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
                admin.execute(f"DROP ROLE IF EXISTS {name}".encode())
