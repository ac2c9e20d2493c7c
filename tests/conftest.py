"""Engines for tests that need them, and a plain word at the end on what was left out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import engines

IN_CI = os.environ.get("CI") == "true"
LEFT_OUT = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="Fault tests at full length, as `make faults` runs them")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = {}


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a superuser of a PostgreSQL server."""
    with engines.postgres() as found:
        if isinstance(found, engines.Missing):
            leave_out(request.config, found)
        else:
            yield found


@pytest.fixture(scope="session")
def rabbit(request: pytest.FixtureRequest) -> Iterator[engines.Rabbit]:
    with engines.rabbitmq() as found:
        if isinstance(found, engines.Missing):
            leave_out(request.config, found)
        else:
            yield found


@pytest.fixture
def amqp_url(rabbit: engines.Rabbit) -> Iterator[str]:
    """A virtual host of this test's own."""
    with rabbit.vhost() as url:
        yield url


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real rosters and catalogs, which is not part of this repository."""
    folder = Path(os.environ.get("SIGNPOST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        note = "real rosters and catalogs: set SIGNPOST_DATA to the folder that has them"
        request.config.stash[LEFT_OUT]["data"] = note
        pytest.skip(note)
    return folder


def leave_out(config: pytest.Config, missing: engines.Missing) -> None:
    """Skip and say so at the end; where all is expected to be there, fail."""
    if IN_CI:
        pytest.fail(f"{missing.what} is missing: {missing.how}")
    config.stash[LEFT_OUT][missing.what] = missing.how
    pytest.skip(f"{missing.what} is missing: {missing.how}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, how in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"LEFT OUT for want of {what}: {how}", yellow=True)
