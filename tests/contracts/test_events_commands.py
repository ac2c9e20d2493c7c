"""`signpost events` as a person uses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import events_commands
from shared.events.contract import contracts
from shared.events.export import expected_files

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

    def test_tells_who_publishes_and_who_reacts_and_what_is_personal(self) -> None:
        shown = json.loads(runner.invoke(events_commands.app, ["show", "roster.student.enrolled.v1"]).output)

        assert (shown["version"], shown["producer"]) == (1, "roster")
        assert {"notifications", "mentorship", "gateway"} <= set(shown["consumers"])
        assert shown["projected_by_every_service"] is True
        assert shown["fields"]["student_id"] == "id"
        assert shown["fields"]["grade"] == "record"
        assert shown["fields"]["sealed_name"] == "sealed"

    def test_says_what_was_perhaps_meant(self) -> None:
        result = runner.invoke(events_commands.app, ["show", "plans.goal.sett.v1"])

        assert result.exit_code == 1
        assert "plans.goal.set.v1" in result.output


class TestDiff:
    @pytest.fixture
    def earlier(self, tmp_path: Path) -> Path:
        """A contract as it was before it grew by a field, and before it was changed against the rules."""
        schema = json.loads(expected_files()["plans.plan.revised.v1.json"])
        del schema["$defs"]["CourseChange"]["properties"]["from_term"]
        schema["properties"]["actor_id"]["x-personal"] = "none"
        path = tmp_path / "earlier.json"
        path.write_text(json.dumps(schema))
        return path

    def test_names_each_field_that_is_new(self, earlier: Path) -> None:
        result = runner.invoke(events_commands.app, ["diff", str(earlier)])

        assert result.exit_code == 0
        assert result.output.splitlines() == [
            "plans.plan.revised.v1  grows   changes[].from_term: new and optional",
            "plans.plan.revised.v1  grows   actor_id: personal data was 'none' and would be 'id'",
        ]

    def test_fails_and_names_the_field_where_a_version_was_broken(self, earlier: Path) -> None:
        schema = json.loads(earlier.read_text())
        schema["properties"]["school_id"] = {"type": "string"}
        earlier.write_text(json.dumps(schema))

        result = runner.invoke(events_commands.app, ["diff", str(earlier), "plans.plan.revised.v1"])

        assert result.exit_code == 1
        assert "BREAKS  school_id: removed" in result.output
        assert "upcaster" in result.output

    def test_compares_with_a_revision(self) -> None:
        if not (Path(__file__).parents[2] / ".git").exists():
            pytest.skip("not a git checkout: there is no revision to compare with")

        whole = runner.invoke(events_commands.app, ["diff", "HEAD"])
        one = runner.invoke(events_commands.app, ["diff", "HEAD", "plans.goal.set.v1"])

        assert whole.exit_code == one.exit_code == 0
        assert "BREAKS" not in whole.output + one.output

    @pytest.mark.parametrize("old", ["no-such-revision", "--output=x", __file__])
    def test_says_what_it_cannot_compare_with(self, old: str) -> None:
        result = runner.invoke(events_commands.app, ["diff", "--", old])

        assert result.exit_code == 2
        assert old in result.output


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
