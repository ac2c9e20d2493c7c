"""The scripts of deploy/ do what they say."""

import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from services.composition import SERVICES
from tests.support.deployment import REPOSITORY

INIT = REPOSITORY / "deploy" / "postgres" / "init-services.sh"
NEW_ENV = REPOSITORY / "deploy" / "new_env.py"
PASSWORD = 'it\'s $HOME, "quoted"'


@pytest.mark.postgres
class TestInitServices:
    @pytest.fixture
    def prefix(self, postgres_server: str) -> Iterator[str]:
        prefix = f"sp_test_{secrets.token_hex(4)}"
        yield prefix
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            for service in SERVICES:
                admin.execute(f"DROP DATABASE IF EXISTS {prefix}_{service} WITH (FORCE)".encode())
                admin.execute(f"DROP ROLE IF EXISTS {prefix}_{service}".encode())

    def run(self, server: str, prefix: str, **overrides: str) -> subprocess.CompletedProcess[str]:
        if shutil.which("psql") is None:
            pytest.skip("psql is not installed")
        url = make_url(server)
        environment = os.environ | {
            "PGHOST": url.host or "127.0.0.1",
            "PGPORT": str(url.port or 5432),
            "PGPASSWORD": str(url.password or ""),
            "POSTGRES_USER": url.username or "postgres",
            "SIGNPOST_DB_PREFIX": prefix,
            **{f"SIGNPOST_{service.upper()}_DB_PASSWORD": PASSWORD for service in SERVICES},
            **overrides,
        }
        return subprocess.run(["sh", str(INIT)], env=environment, capture_output=True, text=True, timeout=60)

    def test_each_role_opens_its_own_database_and_no_other(self, postgres_server: str, prefix: str) -> None:
        assert self.run(postgres_server, prefix).returncode == 0

        url = make_url(postgres_server)
        with psycopg.connect(postgres_server) as admin:
            for service in SERVICES:
                role = f"{prefix}_{service}"
                opened = admin.execute(
                    "SELECT datname FROM pg_database WHERE datname LIKE %s AND has_database_privilege(%s, datname, %s)",
                    [f"{prefix}_%", role, "CONNECT"],
                ).fetchall()
                assert opened == [(role,)]
        own = f"{prefix}_plans"
        with psycopg.connect(host=url.host, port=url.port, user=own, password=PASSWORD, dbname=own) as role:
            role.execute("CREATE TABLE mine (id int)")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=url.host, port=url.port, user=own, password=PASSWORD, dbname=f"{prefix}_roster")

    def test_makes_nothing_while_a_password_is_missing(self, postgres_server: str, prefix: str) -> None:
        result = self.run(postgres_server, prefix, SIGNPOST_GATEWAY_DB_PASSWORD="")

        assert result.returncode == 1
        assert "SIGNPOST_GATEWAY_DB_PASSWORD is not set" in result.stderr
        with psycopg.connect(postgres_server) as admin:
            found = admin.execute("SELECT 1 FROM pg_roles WHERE rolname LIKE %s", [f"{prefix}_%"]).fetchall()
        assert found == []


class TestNewEnv:
    def run(self, target: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(NEW_ENV), str(target)], capture_output=True, text=True, timeout=30)

    def test_fills_every_password_with_another_value(self, tmp_path: Path) -> None:
        target = tmp_path / ".env"

        assert self.run(target).returncode == 0

        lines = [line.partition("=") for line in target.read_text().splitlines() if line and line[0] != "#"]
        passwords = [value for name, _, value in lines if name.endswith("_PASSWORD")]
        assert len(passwords) == len(set(passwords)) >= len(SERVICES) + 2
        assert all(len(value) == 64 and value.isalnum() for value in passwords)
        assert stat.S_IMODE(target.stat().st_mode) == 0o600

    def test_never_replaces_a_file(self, tmp_path: Path) -> None:
        target = tmp_path / ".env"
        target.write_text("mine")

        result = self.run(target)

        assert result.returncode == 1
        assert target.read_text() == "mine"

    def test_does_not_run_the_containers_as_root(self, tmp_path: Path) -> None:
        target = tmp_path / ".env"
        self.run(target)

        assert "\nSIGNPOST_UID=" in target.read_text()
        assert "\nSIGNPOST_UID=0\n" not in target.read_text()
