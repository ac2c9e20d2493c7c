"""No contract carries a name, an address or free text about a person in the clear."""

import json
import re
from typing import Annotated

import pytest
from pydantic import BaseModel

from shared.events.contract import contracts
from shared.events.export import example_of, expected_files
from shared.events.personal import (
    KEYWORD,
    RECORD,
    DescribedField,
    NotPersonal,
    PersonalId,
    Sealed,
    described_fields,
)

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
SEALED_TOKEN = re.compile(r"[A-Za-z0-9_-]{60,}={0,2}")


def unfit(fields: list[DescribedField]) -> list[str]:
    """What the lint says of a contract's fields."""
    clear = [field for field in fields if field.personal != "sealed"]
    named = [f"{field.path}: named after personal data" for field in clear if set(field.name.split("_")) & PERSONAL]
    open_texts = [f"{field.path}: open text" for field in clear if field.is_open_text and not field.reason]
    unmarked = [
        f"{field.path}: sealed by name or by mark alone"
        for field in fields
        if (field.personal == "sealed") != field.name.startswith("sealed_")
    ]
    return named + open_texts + unmarked


class TestContractFields:
    @pytest.mark.parametrize("event_type", TYPES)
    def test_carry_nothing_personal_in_the_clear(self, event_type: str) -> None:
        found = unfit(described_fields(contracts()[event_type]))

        assert found == [], "seal it, make it an enumeration, or mark it NotPersonal with the reason it is harmless"

    @pytest.mark.parametrize("event_type", [each for each in TYPES if contracts()[each].student_field])
    def test_that_name_the_student_are_marked_as_ids(self, event_type: str) -> None:
        contract = contracts()[event_type]
        by_path = {field.path: field for field in described_fields(contract)}

        assert by_path[str(contract.student_field)].personal == "id"
        assert by_path[contract.subject_field].personal == "id"

    @pytest.mark.parametrize("event_type", TYPES)
    def test_say_their_class_in_the_schema(self, event_type: str) -> None:
        schema = json.loads(expected_files()[f"{event_type}.json"])
        said = {name: field.get(KEYWORD, "none") for name, field in schema["properties"].items()}

        assert said == {
            field.path: field.personal for field in described_fields(contracts()[event_type]) if "." not in field.path
        }

    @pytest.mark.parametrize("event_type", TYPES)
    def test_sealed_ones_are_opaque_in_the_example(self, event_type: str) -> None:
        sealed = [field.path for field in described_fields(contracts()[event_type]) if field.personal == "sealed"]

        for path in sealed:
            assert SEALED_TOKEN.fullmatch(example_of(event_type)["data"][path]), path


class Inner(BaseModel):
    harmless: Annotated[str, NotPersonal("a test's")]
    remark: str
    again: "tuple[Inner, ...]" = ()


class Outer(BaseModel):
    student_id: PersonalId
    nickname: str | None
    home_phone: int
    sealed_name: Sealed
    name_sealed: Sealed
    by_word: dict[str, int]
    inner: Annotated[tuple[Inner, ...], RECORD]


class TestLint:
    def test_names_each_field_that_may_hold_something_personal(self) -> None:
        assert unfit(described_fields(Outer)) == [
            "home_phone: named after personal data",
            "inner[].remark: named after personal data",
            "nickname: open text",
            "by_word: open text",
            "inner[].remark: open text",
            "name_sealed: sealed by name or by mark alone",
        ]

    def test_tells_the_class_of_inner_fields_from_the_outer_one(self) -> None:
        classes = {field.path: field.personal for field in described_fields(Outer)}

        assert classes["student_id"] == "id"
        assert classes["home_phone"] == "none"
        assert classes["inner[].harmless"] == classes["inner[].again"] == "record"
