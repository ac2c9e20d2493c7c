"""One district for every test that changes nothing in it for good."""

from collections.abc import Iterator

import pytest

from tests.support.district import District


@pytest.fixture(scope="session")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    found = District(tmp_path_factory.mktemp("district"))
    yield found
    found.close()
