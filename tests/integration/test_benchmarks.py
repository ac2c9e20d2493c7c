"""The commands behind `make bench` work; how fast anything is, no test says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.event import BYTES, payload
from benchmarks.findings import Findings
from shared.events.plans import PlanRevised
from tests.support.engines import Rabbit

LONGEST_S = 570


def run_quick(folder: Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    """The command's outcome, what it wrote as JSON, and its page."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", "--quick", "--results", str(folder)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert (folder / "engine.json").exists(), done.stderr
    return done, json.loads((folder / "engine.json").read_text()), (folder / "engine.md").read_text()


class TestEvent:
    def test_has_the_size_that_is_claimed(self) -> None:
        body = PlanRevised(**payload()).model_dump_json(exclude_none=True)

        assert len(body) == BYTES


class TestFindings:
    def test_compare_within_a_round(self) -> None:
        found = Findings({})
        for mine, theirs in [(10, 5), (30, 10), (8, 8)]:
            found.add("mine", "live/s", mine)
            found.add("theirs", "live/s", theirs)

        assert found.ratios("mine", "live/s", "theirs") == [2, 3, 1]
        assert found.median("mine", "live/s") == 10


@pytest.mark.slow
class TestEngineBenchmark:
    def test_measures_embedded_and_fails_where_the_broker_is_missing(self, tmp_path: Path) -> None:
        nowhere = {"SIGNPOST_TEST_AMQP_URL": "amqp://guest:guest@127.0.0.1:1"}

        done, found, page = run_quick(tmp_path, **nowhere)

        assert done.returncode == 1
        assert found["values"].keys() == {"Signpost embedded", "bare SQLite loop"}
        assert found["missing"].keys() == {"RabbitMQ and PostgreSQL"}
        assert "127.0.0.1:1" in page
        assert "Traceback" not in done.stdout + done.stderr

    @pytest.mark.broker
    @pytest.mark.postgres
    def test_measures_what_is_installed_and_names_what_is_not(
        self, tmp_path: Path, rabbit: Rabbit, postgres_server: str
    ) -> None:
        where = {"SIGNPOST_TEST_AMQP_URL": rabbit.url, "SIGNPOST_TEST_POSTGRES_URL": postgres_server}
        where |= rabbit.environment

        done, found, page = run_quick(tmp_path, **where)

        measured, missing = found["values"], found["missing"]
        assert {"Signpost", "stock nameko", "bare loop"} <= measured.keys(), missing
        assert {"live/s", "live cpu", "p50 ms", "p99 ms", "drain/s", "relay/s", "consume, 2/s"} <= measured[
            "Signpost"
        ].keys()
        assert done.returncode == (1 if missing else 0)
        assert all(f"- {name}: {why}" in page for name, why in missing.items())
        assert {"FastStream", "Celery", "dramatiq"} <= measured.keys() | missing.keys()
