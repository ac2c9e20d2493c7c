"""A sample district of a thousand students, made once, and its files as tables."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from services.sample.writing import write_district

STUDENTS = 1000
SEED = 7

Table = list[dict[str, str]]


@pytest.fixture(scope="session")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("district")
    write_district(folder, students=STUDENTS, seed=SEED)
    return folder


@pytest.fixture(scope="session")
def table(district: Path) -> Callable[[str], Table]:
    """Rows of a CSV file of the district; `oneroster/users` and so on for those of the roster package."""

    def read(name: str) -> Table:
        with (district / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read
