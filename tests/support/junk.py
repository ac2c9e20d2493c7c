"""Requests nobody would send on purpose: bodies near their schema and far from it, odd ids, queries and headers."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

_WORDS = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "\u202e",
        "'; --",
        "%",
        "../..",
        "{}",
        "null",
        "true",
        "-1",
        "0",
        "9" * 30,
        "é" * 300,
    ]
)
TEXT = _WORDS | st.text(max_size=20)
NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, 0.1, float("nan"), float("inf")])
SCALARS = st.none() | st.booleans() | NUMBERS | st.integers() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
DEEP = st.just(b"[" * 5000 + b"]" * 5000)
# The ends of the calendar, which no other zone can express.
EXTREMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-09-15T12:00:00Z"]
_FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "date-time": st.sampled_from(EXTREMES) | st.datetimes(timezones=st.timezones()).map(lambda each: each.isoformat()),
}


def bodies(schema: Mapping[str, Any] | None) -> st.SearchStrategy[Any]:
    """What fits a JSON schema, what nearly does, and bytes that are no JSON."""
    if schema is None:
        return st.none() | JSON | st.binary(max_size=20)
    near = _fitting(schema, schema.get("$defs", {}))
    return st.one_of(near, near, near, near, JSON, st.binary(max_size=20), DEEP)


def _fitting(schema: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    right = _right(schema, named)
    return st.one_of(right, right, right, right, right, right, SCALARS)


def _right(schema: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _right(named[schema["$ref"].rpartition("/")[2]], named)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return st.one_of(*(_right(each, named) for each in schema[choice]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(schema, named)
        case "array":
            low = schema.get("minItems", 0)
            high = min(schema.get("maxItems", 4), low + 3)
            return st.lists(_fitting(schema.get("items", {}), named), min_size=low, max_size=high)
        case "string":
            return _string(schema)
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            return st.decimals(schema.get("minimum"), schema.get("maximum"), places=2, allow_nan=False).map(float)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            return JSON


def _object(schema: Mapping[str, Any], named: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    properties = {name: _fitting(each, named) for name, each in schema.get("properties", {}).items()}
    required = {name: each for name, each in properties.items() if name in schema.get("required", ())}
    optional = {name: each for name, each in properties.items() if name not in required}
    if not properties:
        return st.dictionaries(TEXT, JSON, max_size=3)
    return st.fixed_dictionaries(required, optional=optional)


def _string(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    low, high = schema.get("minLength", 0), min(schema.get("maxLength", 20), 300)
    return st.text(min_size=low, max_size=max(low, high))


def segments() -> st.SearchStrategy[str]:
    """What may stand between two slashes, percent-encoded."""
    raw = st.sampled_from(["%00", "%FF", "%2F", "%2e%2e", "%ed%a0%80", "%25", "a%20b", "%C3%A9"])
    return raw | TEXT.filter(bool).map(_quoted) | st.uuids().map(str)


_VALUES = st.sampled_from(["1", "200", "open", "conflict", "9", "-3", "true", "9" * 12, "9" * 30, "1e5", "\u0663"])


def _cursor(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


# Cursors that some list might have given, and ones that only look like it.
_INSTANTS = st.sampled_from(EXTREMES) | st.datetimes().map(str) | TEXT
CURSORS = (st.tuples(_INSTANTS, st.uuids().map(str)) | st.lists(SCALARS, min_size=1, max_size=2)).map(_cursor)


def queries(names: Sequence[str]) -> st.SearchStrategy[str]:
    """
    A query string.

    Args:
        names: What the route reads.
    """
    given = st.dictionaries(st.sampled_from([*names, "x"]), _VALUES | TEXT | CURSORS, max_size=3)
    return given.map(lambda query: "&".join(f"{name}={_quoted(value)}" for name, value in query.items()))


# What HTTP lets a header hold; the client would not send anything else.
_HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
_TAGS = st.sampled_from(['"1"', '"4"', '"999999999"', 'W/"2"', "*", '"x"', '"-1"', '"1", "2"'])
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "If-Match": _TAGS | _HEADER_TEXT,
        "If-None-Match": _TAGS | _HEADER_TEXT,
        "Idempotency-Key": st.sampled_from(["k1", "k2", "k" * 256]) | _HEADER_TEXT,
        "Correlation-Id": st.uuids().map(str) | _HEADER_TEXT,
        "Access-Reason": _HEADER_TEXT,
        "traceparent": _HEADER_TEXT,
        "Accept-Language": _HEADER_TEXT,
        "Content-Type": _HEADER_TEXT,
    },
)


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")
