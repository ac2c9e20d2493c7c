"""The AsyncAPI document in the order a person reads it. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.events.personal import KEYWORD

_COMPONENTS = "#/components/schemas/"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A piece of a type: words, or the name of a shape to lead to."""

    text: str
    shape: str | None = None


@dataclass(frozen=True)
class FieldRow:
    name: str
    parts: Sequence[Part]
    is_required: bool
    personal: str
    meaning: str


@dataclass(frozen=True)
class EventSection:
    type: str
    description: str
    fields: Sequence[FieldRow]
    example: str


@dataclass(frozen=True)
class ShapeSection:
    name: str
    description: str
    fields: Sequence[FieldRow]


@dataclass(frozen=True)
class Contents:
    """Everything the page shows."""

    title: str
    introduction: Sequence[str]
    events: Mapping[str, Sequence[EventSection]]
    headers: Sequence[FieldRow]
    feed: Sequence[FieldRow]
    shapes: Sequence[ShapeSection]


def contents_of(document: Mapping[str, Any]) -> Contents:
    schemas = document["components"]["schemas"]
    messages = document["components"]["messages"]
    events: dict[str, list[EventSection]] = {}
    for name, message in messages.items():
        if "x-producer" in message:
            events.setdefault(message["x-producer"], []).append(_event(message, schemas[name]))
    shapes = [name for name in schemas if name not in messages and name != "CloudEventHeaders"]
    return Contents(
        title=document["info"]["title"],
        introduction=document["info"]["description"].strip().split("\n\n"),
        events=events,
        headers=field_rows(schemas["CloudEventHeaders"]),
        feed=field_rows(schemas["FeedEvent"]),
        shapes=[
            ShapeSection(name, _words(schemas[name].get("description", "")), field_rows(schemas[name]))
            for name in sorted(shapes)
        ],
    )


def _event(message: Mapping[str, Any], schema: Schema) -> EventSection:
    example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
    return EventSection(message["name"], message["description"], field_rows(schema), example)


def field_rows(schema: Schema) -> list[FieldRow]:
    required = set(schema.get("required", ()))
    return [
        FieldRow(name, type_parts(field), name in required, field.get(KEYWORD, ""), _meaning(field))
        for name, field in schema.get("properties", {}).items()
    ]


def type_parts(schema: Schema) -> list[Part]:
    match schema:
        case {"$ref": reference}:
            name = str(reference).removeprefix(_COMPONENTS)
            return [Part(name, name)]
        case {"anyOf": choices}:
            return _joined(choices)
        case {"enum": values}:
            return [Part(" or ".join(json.dumps(value) for value in values))]
        case {"const": value}:
            return [Part(json.dumps(value))]
        case {"type": "array", "items": items}:
            return [Part("list of "), *type_parts(items)]
        case {"type": "object", "additionalProperties": dict(values)}:
            return [Part("object of "), *type_parts(values)]
    return [Part(str(schema.get("format", schema.get("type", "any"))))]


def _joined(choices: Sequence[Schema]) -> list[Part]:
    parts: list[Part] = []
    for choice in choices:
        parts += [Part(" or ")] if parts else []
        parts += type_parts(choice)
    return parts


def _meaning(schema: Schema) -> str:
    examples = ", ".join(json.dumps(example, ensure_ascii=False) for example in schema.get("examples", ()))
    described = _words(schema.get("description", ""))
    return ", ".join(part for part in (described, examples and f"such as {examples}") if part)


def _words(text: str) -> str:
    return " ".join(text.split())
