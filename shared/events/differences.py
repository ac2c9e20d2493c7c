"""What changed between two schemas of one event, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.events.export import Schema, breaking_changes, resolved
from shared.events.personal import KEYWORD


@dataclass(frozen=True)
class Difference:
    """One change; `breaks` if readers or writers of the other version cannot live with it."""

    text: str
    breaks: bool


def differences(before: Schema, after: Schema) -> list[Difference]:
    """Breaking changes first, then new optional fields, then changes of words and of personal-data classes."""
    found = [Difference(text, breaks=True) for text in breaking_changes(before, after)]
    old, new = dict(_fields(before, before)), dict(_fields(after, after))
    required = {path for path, field in new.items() if field.is_required}
    for path in sorted(new.keys() - old.keys() - required):
        if not any(path.startswith(f"{outer}.") or path.startswith(f"{outer}[]") for outer in new.keys() - old.keys()):
            found.append(Difference(f"{path}: new and optional", breaks=False))
    for path in sorted(old.keys() & new.keys()):
        for keyword, what in ((KEYWORD, "personal data"), ("description", "description")):
            one, other = old[path].schema.get(keyword), new[path].schema.get(keyword)
            if one != other:
                found.append(Difference(f"{path}: {what} was {_shown(one)} and would be {_shown(other)}", breaks=False))
    return found


def _shown(value: Any) -> str:
    return "none" if value is None else repr(value)


@dataclass(frozen=True)
class _Field:
    schema: Mapping[str, Any]
    is_required: bool


def _fields(
    schema: Schema, root: Schema, path: str = "", within: frozenset[str] = frozenset()
) -> Iterator[tuple[str, _Field]]:
    """Every field by its path, as `changes[].code`; a shape within itself once."""
    reference = str(schema.get("$ref", ""))
    if reference in within:
        return
    within = within | {reference} if reference else within
    whole = resolved(schema, root)
    for name, field in whole.get("properties", {}).items():
        inner = f"{path}.{name}".lstrip(".")
        yield inner, _Field(field, name in whole.get("required", ()))
        yield from _fields(field, root, inner, within)
    for keyword in ("items", "additionalProperties"):
        if isinstance(whole.get(keyword), Mapping):
            yield from _fields(whole[keyword], root, f"{path}[]", within)
    for choice in whole.get("anyOf", ()):
        yield from _fields(choice, root, path, within)
