"""JSON Schemas of the contracts, and whether one published version may become another."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from shared.events.contract import Event, contracts, producer_of
from shared.events.personal import KEYWORD

SCHEMAS = Path(__file__).parent / "schemas"
EXAMPLES = Path(__file__).parent / "examples"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Words for people; everything else in a schema changes what a reader accepts or what a value means.
ANNOTATIONS = frozenset({"title", "description", "examples", "$schema", "$id", "$defs", KEYWORD})

Schema = Mapping[str, Any]


class WireSchema(GenerateJsonSchema):
    """Says of a decimal that it travels as plain digits in a string, never as a float."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        bounds = {f"x-{bound}": str(schema[bound]) for bound in ("ge", "gt", "le", "lt") if bound in schema}
        return {"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$", **bounds}


def schema_of(contract: type[Event]) -> dict[str, Any]:
    """
    What the body of this event looks like on the wire.

    Written from the producer's side (credits are strings there), because that is what a
    reader in another language has to read.
    """
    schema = contract.model_json_schema(mode="serialization", schema_generator=WireSchema)
    return {
        "$schema": DIALECT,
        "$id": f"/schemas/{contract.event_type}.json",
        **schema,
        "x-producer": producer_of(contract.event_type),
        "x-subject": contract.subject_field,
        **({"x-about": contract.student_field} if contract.student_field else {}),
    }


def rendered(document: Mapping[str, Any]) -> str:
    """The one spelling of a JSON file we commit: sorted, two spaces, a newline at the end."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def expected_files() -> dict[str, str]:
    """File name and text of every schema that should be committed."""
    return {f"{type_}.json": rendered(schema_of(contract)) for type_, contract in contracts().items()}


def write_schemas(folder: Path = SCHEMAS) -> list[str]:
    """Bring the folder up to date, removing what no contract stands behind; returns the names it touched."""
    folder.mkdir(parents=True, exist_ok=True)
    touched = stale_schemas(folder)
    expected = expected_files()
    for name in touched:
        if name in expected:
            (folder / name).write_text(expected[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return touched


def stale_schemas(folder: Path = SCHEMAS) -> list[str]:
    """Names of files that are missing, differ from their contract, or belong to none."""
    expected = expected_files()
    present = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}
    return sorted(name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name))


def example_of(event_type: str, folder: Path = EXAMPLES) -> dict[str, Any]:
    """The committed example: {"envelope": {...}, "data": {...}}, about made-up people."""
    document: dict[str, Any] = json.loads((folder / f"{event_type}.json").read_text(encoding="utf-8"))
    return document


def breaking_changes(published: Schema, proposed: Schema) -> list[str]:
    """
    Why readers of the published version cannot live with the proposed one, or the other way round.

    Both directions count: running readers get new events, and new readers get old events on a
    replay. So the only change that passes is a new optional field; anything else is a new major
    version with an upcaster. Each finding names the field by its path.
    """
    return list(_compare(published, proposed, published, proposed, "", frozenset()))


def _compare(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    references = (old.get("$ref", ""), new.get("$ref", ""))
    if references in seen and all(references):  # a contract that contains itself, such as Requirement
        return
    seen = seen | {references}
    old, new = resolved(old, old_root), resolved(new, new_root)
    for keyword in sorted((old.keys() | new.keys()) - ANNOTATIONS):
        before, after = old.get(keyword), new.get(keyword)
        if keyword in ("properties", "required"):
            continue
        if keyword in ("items", "additionalProperties") and isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, old_root, new_root, f"{path}[]", seen)
        elif keyword in ("anyOf", "prefixItems") and before and after and len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                yield from _compare(one, other, old_root, new_root, path, seen)
        elif before != after:  # equal references were followed above: what they refer to may differ
            yield from _difference(path, keyword, before, after)
    yield from _compare_fields(old, new, old_root, new_root, path, seen)


def _compare_fields(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() | after.keys()):
        where = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield f"{where}: removed; readers of the published version still look for it"
        elif name in required_after - required_before:
            change = "now required" if name in before else "new and required"
            yield f"{where}: {change}; events already published lack it"
        elif name in required_before - required_after:
            yield f"{where}: no longer required; readers of the published version rely on it"
        if name in before and name in after:
            yield from _compare(before[name], after[name], old_root, new_root, where, seen)


def _difference(path: str, keyword: str, before: Any, after: Any) -> Iterator[str]:
    where = path or "(the event)"
    if keyword not in ("enum", "const"):
        yield f"{where}: {keyword} was {before!r} and would be {after!r}"
        return
    gone = [value for value in _values(before) if value not in _values(after)]
    added = [value for value in _values(after) if value not in _values(before)]
    if gone:
        yield f"{where}: values {gone} are no longer allowed; events already published carry them"
    if added:
        yield f"{where}: values {added} are new; readers of the published version refuse them"


def _values(stated: Any) -> list[Any]:
    if stated is None:
        return []
    return stated if isinstance(stated, list) else [stated]


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema behind a reference, with what stands beside it."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        schema = {**root["$defs"][name], **beside}
    return schema
