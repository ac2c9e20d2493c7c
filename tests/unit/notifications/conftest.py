from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.notifications.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A family known to the service, and nothing sent yet."""
    stage = Stage(tmp_path)
    stage.receive_family()
    yield stage
    stage.database.dispose()


@pytest.fixture
def empty_stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.database.dispose()
