"""`signpost events` as a person uses it."""

import json

import pytest
from typer.testing import CliRunner

from services import events_commands
from shared.events.contract import contracts

runner = CliRunner()


class TestList:
    def test_names_every_contract(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "240")

        result = runner.invoke(events_commands.app, ["list"])

        assert result.exit_code == 0
        assert [event_type for event_type in contracts() if event_type not in result.output] == []


class TestShow:
    def test_prints_schema_and_example_as_json(self) -> None:
        result = runner.invoke(events_commands.app, ["show", "plans.plan.revised.v1"])

        shown = json.loads(result.output)
        assert shown["schema"]["$id"] == "/schemas/plans.plan.revised.v1.json"
        assert shown["example"]["envelope"]["type"] == "plans.plan.revised.v1"

    def test_says_what_was_perhaps_meant(self) -> None:
        result = runner.invoke(events_commands.app, ["show", "plans.goal.sett.v1"])

        assert result.exit_code == 1
        assert "plans.goal.set.v1" in result.output


class TestSchemas:
    def test_check_passes_on_what_is_committed(self) -> None:
        result = runner.invoke(events_commands.app, ["schemas", "--check"])

        assert result.exit_code == 0
        assert f"{len(contracts())} schemas agree" in result.output

    def test_check_names_the_stale_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events_commands, "stale_schemas", lambda: ["plans.goal.set.v1.json"])

        result = runner.invoke(events_commands.app, ["schemas", "--check"])

        assert result.exit_code == 1
        assert "plans.goal.set.v1.json" in result.output
        assert "--write" in result.output

    def test_needs_one_of_check_and_write(self) -> None:
        assert runner.invoke(events_commands.app, ["schemas"]).exit_code == 2
