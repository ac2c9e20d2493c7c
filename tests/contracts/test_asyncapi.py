"""`asyncapi.json` is a valid AsyncAPI 3.0 document, and says what the contracts say."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from services.event_registry import registry
from shared.events.asyncapi import asyncapi_document
from shared.events.contract import contracts
from shared.events.envelope import Envelope
from shared.events.export import example_of, rendered

COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "asyncapi.json"
OFFICIAL = Path(__file__).parent / "asyncapi" / "3.0.0.json.gz"
TYPES = sorted(contracts())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    committed: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return committed


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


def errors(validator: Draft7Validator, document: dict[str, Any]) -> list[str]:
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(document)]


class TestCommittedDocument:
    def test_is_what_the_contracts_and_workers_say(self) -> None:
        consumers = {event_type: event.consumers for event_type, event in registry().items()}

        assert COMMITTED.read_text(encoding="utf-8") == rendered(asyncapi_document(consumers)), (
            "write it anew with `python docs/generate.py`"
        )

    def test_is_valid_by_the_official_schema(self, document: dict[str, Any], official: Draft7Validator) -> None:
        assert errors(official, document) == []

    def test_would_not_be_valid_with_a_fault(self, document: dict[str, Any], official: Draft7Validator) -> None:
        faulty = {**document, "operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/feed"}}}}

        assert errors(official, faulty) != []
        assert errors(official, {**document, "asyncapi": "2.6.0"}) != []

    def test_refers_only_to_what_is_there(self, document: dict[str, Any]) -> None:
        lost = []
        for reference in references(document):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                found = found.get(part) if isinstance(found, dict) else None
            if found is None:
                lost.append(reference)

        assert lost == []

    def test_has_every_event_and_says_who_publishes_and_who_reacts(self, document: dict[str, Any]) -> None:
        messages = document["components"]["messages"]

        assert sorted(set(messages) - {"FeedEvent"}) == sorted(set(document["channels"]) - {"feed"}) == TYPES
        assert messages["plans.plan.revised.v1"]["x-producer"] == "plans"
        assert "notifications" in messages["plans.plan.revised.v1"]["x-consumers"]

    @pytest.mark.parametrize("event_type", TYPES)
    def test_schemas_fit_the_examples_and_the_headers(self, document: dict[str, Any], event_type: str) -> None:
        example = example_of(event_type)
        schemas = document["components"]["schemas"]
        headers = Envelope.model_validate(example["envelope"]).headers()

        for name, instance in ((event_type, example["data"]), ("CloudEventHeaders", headers)):
            whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
            assert [error.message for error in Draft202012Validator(whole).iter_errors(instance)] == []


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)
