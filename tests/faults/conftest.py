"""The deployments of the flows, and how hard to treat them."""

from dataclasses import dataclass

import pytest

from tests.flows.conftest import deployment

__all__ = ["Kills", "deployment", "kills"]


@dataclass(frozen=True)
class Kills:
    per_process: int


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> Kills:
    """Once per kind of process, or with --full twenty times."""
    return Kills(20 if request.config.getoption("--full") else 1)
