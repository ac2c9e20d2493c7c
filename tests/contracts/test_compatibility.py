"""A published version may only grow by optional fields; the detector names whatever else was done to it."""

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.events.contract import contracts
from shared.events.export import breaking_changes, expected_files

ROOT = Path(__file__).parents[2]
SCHEMA_FOLDER = "shared/events/schemas"

REVISED = "plans.plan.revised.v1"


@pytest.fixture
def published() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(expected_files()[f"{REVISED}.json"])
    return schema


@pytest.fixture
def proposed(published: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(published)


class TestBreakingChanges:
    @pytest.mark.parametrize("event_type", sorted(contracts()))
    def test_finds_none_where_nothing_changed(self, event_type: str) -> None:
        schema = json.loads(expected_files()[f"{event_type}.json"])

        assert breaking_changes(schema, copy.deepcopy(schema)) == []

    def test_lets_an_optional_field_be_added(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["properties"]["school_year"] = {"type": "string", "default": ""}
        proposed["$defs"]["CourseChange"]["properties"]["department"] = {"type": "string", "default": ""}

        assert breaking_changes(published, proposed) == []

    def test_lets_words_change(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["description"] = "Said better."
        proposed["properties"]["version"]["title"] = "Number of the version"
        proposed["properties"]["actor_role"]["enum"].reverse()

        assert breaking_changes(published, proposed) == []

    def test_names_a_removed_field(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        del proposed["properties"]["actor_role"]
        proposed["required"].remove("actor_role")

        assert breaking_changes(published, proposed) == [
            "actor_role: removed; readers of the published version still look for it"
        ]

    def test_names_a_removed_field_of_an_inner_object(
        self, published: dict[str, Any], proposed: dict[str, Any]
    ) -> None:
        del proposed["$defs"]["CourseChange"]["properties"]["from_term"]

        assert breaking_changes(published, proposed) == [
            "changes[].from_term: removed; readers of the published version still look for it"
        ]

    def test_names_a_new_required_field(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["properties"]["school_id"] = {"type": "string"}
        proposed["required"].append("school_id")

        assert breaking_changes(published, proposed) == [
            "school_id: new and required; events already published lack it"
        ]

    def test_names_a_field_that_became_required(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["$defs"]["Standing"]["required"].append("unmet")

        assert breaking_changes(published, proposed) == [
            "standing.unmet: now required; events already published lack it"
        ]

    def test_names_a_field_that_is_no_longer_promised(
        self, published: dict[str, Any], proposed: dict[str, Any]
    ) -> None:
        proposed["required"].remove("version")

        assert breaking_changes(published, proposed) == [
            "version: no longer required; readers of the published version rely on it"
        ]

    def test_names_a_changed_type(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["properties"]["version"]["type"] = "string"

        assert breaking_changes(published, proposed) == ["version: type was 'integer' and would be 'string'"]

    def test_tells_a_decimal_from_plain_text(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["$defs"]["CourseChange"]["properties"]["credits"] = {"type": "string", "title": "Credits"}

        found = breaking_changes(published, proposed)

        assert any("changes[].credits: format was 'decimal' and would be None" in each for each in found)

    def test_names_a_narrowed_enumeration(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["properties"]["actor_role"]["enum"].remove("guardian")

        assert breaking_changes(published, proposed) == [
            "actor_role: values ['guardian'] are no longer allowed; events already published carry them"
        ]

    def test_names_a_widened_enumeration(self, published: dict[str, Any], proposed: dict[str, Any]) -> None:
        proposed["properties"]["actor_role"]["enum"].append("principal")

        assert breaking_changes(published, proposed) == [
            "actor_role: values ['principal'] are new; readers of the published version refuse them"
        ]

    def test_names_a_tightened_bound(self) -> None:
        published = json.loads(expected_files()["roster.student.enrolled.v1.json"])
        proposed = copy.deepcopy(published)
        proposed["properties"]["grade"]["minimum"] = 6

        assert breaking_changes(published, proposed) == ["grade: minimum was -3 and would be 6"]

    def test_ends_on_a_contract_that_contains_itself(self) -> None:
        published = json.loads(expected_files()["catalog.requirements.changed.v1.json"])
        proposed = copy.deepcopy(published)
        del proposed["$defs"]["Requirement"]["properties"]["note"]

        assert breaking_changes(published, proposed) == [
            "requirements[].note: removed; readers of the published version still look for it"
        ]


class TestPublishedContracts:
    def test_only_grew_by_optional_fields(self) -> None:
        base = _published_revision()
        current = expected_files()
        found: list[str] = []
        for name, text in _schemas_at(base).items():
            if name not in current:
                found.append(f"{name}: the contract is gone; keep it until nobody reads it, then retire the version")
                continue
            found += [f"{name}: {change}" for change in breaking_changes(json.loads(text), json.loads(current[name]))]

        assert found == [], f"compared with {base}; make a new major version and an upcaster instead"


def _published_revision() -> str:
    """
    What counts as published: SIGNPOST_CONTRACTS_BASE (CI names the branch merged into), else the
    latest release tag, else the last commit.
    """
    if base := os.environ.get("SIGNPOST_CONTRACTS_BASE"):
        return base
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: no published schemas to compare with; clone the repository to run this")
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*")
    return tag.stdout.strip() if tag.returncode == 0 else "HEAD"


def _schemas_at(revision: str) -> dict[str, str]:
    listed = _git("ls-tree", "--name-only", f"{revision}:{SCHEMA_FOLDER}")
    if listed.returncode != 0:
        pytest.skip(f"{revision} has no {SCHEMA_FOLDER} yet: nothing is published to compare with")
    names = [name for name in listed.stdout.split() if name.endswith(".json")]
    return {name: _git("show", f"{revision}:{SCHEMA_FOLDER}/{name}").stdout for name in names}


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
