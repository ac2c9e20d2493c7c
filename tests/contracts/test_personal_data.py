"""No contract carries a name, an address or free text about a person in the clear."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.events.contract import contracts
from shared.events.export import example_of, expected_files

TYPES = sorted(contracts())
# Parts of a field's name that promise personal data, whatever its type.
PERSONAL = frozenset(
    [
        "name",
        "email",
        "mail",
        "phone",
        "mobile",
        "address",
        "street",
        "city",
        "zip",
        "birth",
        "birthday",
        "birthdate",
        "gender",
        "ethnicity",
        "race",
        "ssn",
        "diagnosis",
        "disability",
        "text",
        "body",
        "message",
        "comment",
        "remark",
        "summary",
        "answer",
        "answers",
    ]
)
# Every other field that holds an open string must be listed here with the reason why it is not about a person.
OPEN_STRINGS = {
    "code": "course code from the published catalog",
    "codes": "course codes from the published catalog",
    "title": "title of a course or requirement, as the district publishes it",
    "department": "subject department of a course",
    "departments": "subject departments of courses",
    "terms": "S1, S2 or YEAR",
    "prerequisites": "course codes",
    "corequisites": "course codes",
    "tags": "labels of a course such as AP",
    "grade": "lowest letter that meets a prerequisite; a rule, not somebody's mark",
    "changed_codes": "course codes",
    "retired_codes": "course codes",
    "school_year": "such as 2026-27",
    "key": "name of a rule set",
    "unit": "unit of the rule set, such as credit",
    "id": "name of one line of a rule set",
    "any_of": "course codes",
    "all_of": "course codes",
    "exclude": "course codes",
    "one_from_each": "course codes",
    "clusters": "names of career clusters, or course codes by cluster",
    "cluster": "name of a career cluster",
    "previous_cluster": "name of a career cluster",
    "occupation_code": "O*NET-SOC code",
    "disjoint_from": "lines of a rule set",
    "note": "remark on a rule in a published rule set",
    "requirement_set": "name of a rule set",
    "missing": "titles of courses",
    "became_met": "titles of requirements",
    "organization": "public name of a community partner, never its contact person",
    "template": "slug of a message template",
    "reason": "stable slug, never provider text",
    "home_language": "BCP 47 tag; needed to choose a template",
    "language": "BCP 47 tag; needed to choose a template",
    "time_zone": "IANA name; needed for quiet hours",
    "relation": "CEDS relationship of guardian and student; needed to address a notice",
}
SEALED_TOKEN = re.compile(r"[A-Za-z0-9_-]{60,}={0,2}")


def fields_of(event_type: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of the contract and of the objects inside it, with its schema."""
    schema = json.loads(expected_files()[f"{event_type}.json"])
    for definition in [schema, *schema.get("$defs", {}).values()]:
        yield from definition.get("properties", {}).items()


def holds_open_string(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "string":
        return not schema.keys() & {"enum", "const", "format", "pattern"}
    inner = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("anyOf", []),
        schema.get("prefixItems"),
    ]
    return any(isinstance(each, dict) and holds_open_string(each) for each in inner)


class TestContractFields:
    @pytest.mark.parametrize("event_type", TYPES)
    def test_are_not_named_after_personal_data_unless_sealed(self, event_type: str) -> None:
        named = [
            name
            for name, _ in fields_of(event_type)
            if set(name.split("_")) & PERSONAL and not name.startswith("sealed_")
        ]

        assert named == []

    @pytest.mark.parametrize("event_type", TYPES)
    def test_hold_no_open_string_without_a_reason(self, event_type: str) -> None:
        unexplained = [
            name
            for name, schema in fields_of(event_type)
            if holds_open_string(schema) and not name.startswith("sealed_") and name not in OPEN_STRINGS
        ]

        assert unexplained == [], "seal it, make it an enumeration, or list it above with the reason it is harmless"

    def test_reasons_are_all_still_needed(self) -> None:
        used = {name for event_type in TYPES for name, schema in fields_of(event_type) if holds_open_string(schema)}

        assert OPEN_STRINGS.keys() - used == set()

    @pytest.mark.parametrize("event_type", TYPES)
    def test_sealed_ones_are_opaque_in_the_example(self, event_type: str) -> None:
        sealed = {name: value for name, value in example_of(event_type)["data"].items() if name.startswith("sealed_")}

        for name, value in sealed.items():
            assert SEALED_TOKEN.fullmatch(value), name
