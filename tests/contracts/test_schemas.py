"""Every contract has a committed schema and a committed example that agree with its model."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from shared.events.contract import contracts, producer_of
from shared.events.envelope import Envelope
from shared.events.export import EXAMPLES, SCHEMAS, example_of, rendered, stale_schemas, write_schemas
from shared.events.upcasting import upcasters

TYPES = sorted(contracts())


def validator_of(event_type: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{event_type}.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=FormatChecker())


class TestCommittedSchemas:
    def test_equal_what_the_models_say(self) -> None:
        assert stale_schemas() == [], "write them anew with `signpost events schemas --write`"

    def test_exist_for_every_contract_and_no_other(self) -> None:
        assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == TYPES

    @pytest.mark.parametrize("event_type", TYPES)
    def test_are_valid_json_schema(self, event_type: str) -> None:
        Draft202012Validator.check_schema(validator_of(event_type).schema)

    @pytest.mark.parametrize("event_type", TYPES)
    def test_say_where_they_live_and_who_they_are_about(self, event_type: str) -> None:
        schema = validator_of(event_type).schema
        contract = contracts()[event_type]

        assert schema["$id"] == f"/schemas/{event_type}.json"
        assert schema["x-producer"] == producer_of(event_type)
        assert schema["x-subject"] == contract.subject_field
        assert schema.get("x-about") == contract.student_field
        assert schema["description"], "a contract's docstring says when it is emitted"


class TestWriteSchemas:
    def test_writes_every_schema_and_nothing_the_second_time(self, tmp_path: Path) -> None:
        first = write_schemas(tmp_path)
        second = write_schemas(tmp_path)

        assert first == [f"{event_type}.json" for event_type in TYPES]
        assert second == []

    def test_removes_a_schema_without_contract(self, tmp_path: Path) -> None:
        write_schemas(tmp_path)
        (tmp_path / "plans.plan.forgotten.v1.json").write_text("{}")

        assert write_schemas(tmp_path) == ["plans.plan.forgotten.v1.json"]
        assert stale_schemas(tmp_path) == []

    def test_restores_an_edited_schema(self, tmp_path: Path) -> None:
        write_schemas(tmp_path)
        (tmp_path / f"{TYPES[0]}.json").write_text("{}")

        assert stale_schemas(tmp_path) == [f"{TYPES[0]}.json"]
        assert write_schemas(tmp_path) == [f"{TYPES[0]}.json"]


class TestExamples:
    def test_exist_for_every_contract_and_every_version_still_read_and_no_other(self) -> None:
        assert sorted(path.stem for path in EXAMPLES.glob("*.json")) == sorted({*TYPES, *upcasters()})

    @pytest.mark.parametrize("event_type", TYPES)
    def test_validate_against_the_schema(self, event_type: str) -> None:
        errors = [error.message for error in validator_of(event_type).iter_errors(example_of(event_type)["data"])]

        assert errors == []

    @pytest.mark.parametrize("event_type", TYPES)
    def test_are_read_and_written_back_unchanged_by_the_model(self, event_type: str) -> None:
        sent = example_of(event_type)["data"]

        event = contracts()[event_type].model_validate(sent)

        assert event.model_dump(mode="json", exclude_unset=True) == sent

    @pytest.mark.parametrize("event_type", TYPES)
    def test_show_every_field_the_contract_has(self, event_type: str) -> None:
        assert example_of(event_type)["data"].keys() == contracts()[event_type].model_fields.keys()

    @pytest.mark.parametrize("event_type", TYPES)
    def test_envelope_names_the_type_and_the_subject_of_the_event(self, event_type: str) -> None:
        example = example_of(event_type)
        event = contracts()[event_type].model_validate(example["data"])

        envelope = Envelope.model_validate(example["envelope"])

        assert envelope.type == event_type
        assert envelope.subject == event.subject_id
        assert Envelope.from_headers(envelope.headers()) == envelope

    @pytest.mark.parametrize("event_type", TYPES)
    def test_are_spelled_the_one_way_we_commit(self, event_type: str) -> None:
        text = (EXAMPLES / f"{event_type}.json").read_text(encoding="utf-8")

        assert text == rendered(json.loads(text))

    def test_causes_point_at_examples_of_the_same_journey(self) -> None:
        envelopes = [Envelope.model_validate(example_of(event_type)["envelope"]) for event_type in TYPES]
        by_id = {envelope.id: envelope for envelope in envelopes}

        for envelope in envelopes:
            if envelope.causation_id:
                assert by_id[envelope.causation_id].correlation_id == envelope.correlation_id, envelope.type


class TestReading:
    @pytest.mark.parametrize("event_type", TYPES)
    def test_ignores_a_field_of_a_later_version(self, event_type: str) -> None:
        sent = example_of(event_type)["data"]
        contract = contracts()[event_type]

        later = contract.model_validate({**sent, "field_of_a_later_version": {"any": ["thing"]}})

        assert later == contract.model_validate(sent)
        assert validator_of(event_type).is_valid({**sent, "field_of_a_later_version": {"any": ["thing"]}})

    @pytest.mark.parametrize("event_type", TYPES)
    def test_ignores_a_later_field_at_every_depth(self, event_type: str) -> None:
        sent = example_of(event_type)["data"]
        contract = contracts()[event_type]

        assert contract.model_validate(_with_later_fields(sent, contract.model_json_schema())) == (
            contract.model_validate(sent)
        )

    @pytest.mark.parametrize("event_type", TYPES)
    def test_refuses_an_event_without_its_subject(self, event_type: str) -> None:
        contract = contracts()[event_type]
        sent = {name: value for name, value in example_of(event_type)["data"].items() if name != contract.subject_field}

        with pytest.raises(ValidationError, match=contract.subject_field):
            contract.model_validate(sent)


def _with_later_fields(value: Any, schema: dict[str, Any]) -> Any:
    """The value with one unknown field in every object that stands for a model (mappings have free keys)."""
    fields = [definition.get("properties", {}).keys() for definition in [schema, *schema.get("$defs", {}).values()]]
    if isinstance(value, list):
        return [_with_later_fields(item, schema) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _with_later_fields(item, schema) for name, item in value.items()}
    stands_for_a_model = any(value.keys() <= names for names in fields)
    return {**inner, "field_of_a_later_version": 1} if stands_for_a_model else inner
