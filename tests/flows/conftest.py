"""The same flows on both engines."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.composition import SERVICES
from shared.testing.databases import postgres_urls
from shared.testing.deployment import Deployment


@pytest.fixture(params=["embedded", "rabbitmq-postgresql"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment not started yet; what its processes logged is shown when a test fails."""
    with ExitStack() as stack:
        amqp_url = database_url = None
        if request.param != "embedded":
            server = request.getfixturevalue("postgres_server")
            amqp_url = request.getfixturevalue("amqp_url")
            database_url = stack.enter_context(postgres_urls(server, list(SERVICES)))
        deployed = stack.enter_context(Deployment(tmp_path / "home", amqp_url=amqp_url, database_url=database_url))
        yield deployed
        print(deployed.logs()[-8000:])
