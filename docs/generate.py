"""
Writes the pages of docs/reference/ from the code they describe.

    python docs/generate.py            write them
    python docs/generate.py --check    fail if one of them is not what the code says
"""

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from prometheus_client import Counter, Gauge, Histogram
from pydantic.fields import FieldInfo

REPOSITORY = Path(__file__).resolve().parents[1]
REFERENCE = REPOSITORY / "docs" / "reference"
sys.path.insert(0, str(REPOSITORY))

from services.composition import SERVICES  # noqa: E402
from services.event_registry import RegisteredEvent, registry  # noqa: E402
from shared.events.asyncapi import asyncapi_document  # noqa: E402
from shared.events.export import rendered, schema_of  # noqa: E402
from shared.events.personal import KEYWORD  # noqa: E402
from shared.settings import Settings  # noqa: E402
from shared.telemetry import metrics  # noqa: E402

Schema = Mapping[str, Any]
METRIC = re.compile(r"(?P<comment>(?:^# .*\n)+)(?P<name>[A-Z_]+) = (?:Counter|Gauge|Histogram)\(", re.MULTILINE)


def table(*heads: str, rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def page(title: str, source: str, *parts: str) -> str:
    note = f"<!-- Written by docs/generate.py from {source}. Change it there. -->"
    return "\n".join([f"# {title}", "", note, "", *parts]).rstrip() + "\n"


def settings_page() -> str:
    shared = set(Settings.model_fields)
    parts = [
        "Every setting is an environment variable. All have a default that suits one machine: without any, Signpost",
        "runs embedded, on SQLite and an in-process broker, and keeps everything in `.signpost`.",
        "",
        "## All processes",
        "",
        _settings_table(Settings.model_fields),
    ]
    for service in SERVICES:
        own_class = getattr(importlib.import_module(f"services.{service}.settings"), f"{service.capitalize()}Settings")
        own = {name: field for name, field in own_class.model_fields.items() if name not in shared}
        if own:
            parts += [f"## {service.capitalize()}", "", _settings_table(own)]
    return page("Settings", "shared/settings.py and services/*/settings.py", *parts)


def _settings_table(fields: Mapping[str, FieldInfo]) -> str:
    return table(
        "variable",
        "default",
        "meaning",
        rows=(
            (f"`SIGNPOST_{name.upper()}`", _default(field), field.description or _choices(field.annotation))
            for name, field in fields.items()
        ),
    )


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else f"`{field.default}`"


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is None:
        return ""
    return "One of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))


def events_page() -> str:
    every = registry()
    shapes: dict[str, Schema] = {}
    parts = [
        "What the services say to one another, and all that they say. Each event is one CloudEvents 1.0 message in",
        "AMQP binary mode; its type is also its routing key on the exchange `signpost.events`. The metadata around the",
        "body is in `shared/events/envelope.py`. Events tell of people by id; what is sealed is encrypted",
        "([decision 3](../decisions/0003-sealed-personal-data.md)). The gateway hears every event, for journeys and",
        "the [event feed](../how-to/read-the-event-feed.md).",
        "",
        "`personal` says what of a field is about a person: `id` points to one, `record` is from the education record",
        "with all that is in it, `sealed` is encrypted. As AsyncAPI: [asyncapi.json](asyncapi.json), shown at",
        "`/asyncapi` of a running gateway.",
        "",
        table(
            "event",
            "says",
            "heard by",
            rows=(
                (f"[`{type_}`](#{_anchor(type_)})", _summary(event.contract), _listeners(event))
                for type_, event in every.items()
            ),
        ),
    ]
    for type_, event in every.items():
        schema = schema_of(event.contract)
        shapes |= schema.get("$defs", {})
        parts += [
            f"## `{type_}`",
            "",
            event.says,
            "",
            f"Published by {event.producer}; ordered by the version of its `{event.contract.subject_field}`. "
            f"[Schema](../../shared/events/schemas/{type_}.json), "
            f"[example](../../shared/events/examples/{type_}.json).",
            "",
            _fields_table(schema),
        ]
    parts += ["## Shapes within events", ""]
    for name, shape in sorted(shapes.items()):
        parts += [f"### {name}", "", " ".join(shape.get("description", "").split()), "", _fields_table(shape)]
    return page("Events", "shared/events/ and services/*/worker.py", *parts)


def _listeners(event: RegisteredEvent) -> str:
    """Which services do something about an event, beside the gateway, which writes all of them down."""
    access = ["every service (who may see whom)"] if event.projects_access else []
    return ", ".join([*access, *(service for service in event.consumers if service != "gateway")]) or "the gateway"


def _fields_table(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    return table(
        "field",
        "type",
        "personal",
        "meaning",
        rows=(
            (
                f"`{name}`",
                _type(field) + ("" if name in required else ", optional"),
                field.get(KEYWORD, ""),
                _meaning(field),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": reference}:
            name = str(reference).rpartition("/")[2]
            return f"[{name}](#{_anchor(name)})"
        case {"anyOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object of {_type(values)}"
        case {"format": str(form)}:
            return form
    return str(schema.get("type", "any"))


def _meaning(schema: Schema) -> str:
    description = " ".join(schema.get("description", "").split())
    examples = ", ".join(f"`{example}`" for example in schema.get("examples", ()))
    return f"{description}{', ' if description else ''}such as {examples}" if examples else description


def _summary(contract: Any) -> str:
    first, _, _ = " ".join((contract.__doc__ or "").split()).partition(". ")
    return first.rstrip(".")


def _anchor(heading: str) -> str:
    """As the usual Markdown renderers make them: lower case, without dots."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def metrics_page() -> str:
    parts = [
        "Every process serves `/metrics` in the Prometheus text format: an API on its own port, a worker on",
        "`SIGNPOST_WORKER_HTTP_PORT`. No label holds personal data. `deploy/prometheus/alerts.yml` watches over them.",
        "",
        table("metric", "kind", "labels", "what it counts, and what to do when it moves", rows=_metric_rows()),
    ]
    return page("Metrics", "shared/telemetry/metrics.py", *parts)


def _metric_rows() -> Iterator[tuple[str, str, str, str]]:
    source = Path(str(metrics.__file__)).read_text(encoding="utf-8")
    for found in METRIC.finditer(source):
        metric: Counter | Gauge | Histogram = getattr(metrics, found["name"])
        name = metric.describe()[0].name + ("_total" if isinstance(metric, Counter) else "")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        comment = " ".join(line.removeprefix("# ") for line in found["comment"].splitlines())
        yield f"`{name}`", type(metric).__name__.lower(), labels, comment


def asyncapi_file() -> str:
    consumers = {type_: event.consumers for type_, event in registry().items()}
    return rendered(asyncapi_document(consumers))


PAGES = {
    "settings.md": settings_page,
    "events.md": events_page,
    "metrics.md": metrics_page,
    "asyncapi.json": asyncapi_file,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    options = parser.parse_args(arguments)
    stale = []
    for name, render in PAGES.items():
        path, text = REFERENCE / name, render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(f"docs/reference/{name}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"out of date: {name}; python docs/generate.py" if options.check else f"written: {name}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
