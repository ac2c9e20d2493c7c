"""AsyncAPI 3.0 of all events, from the contracts themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.events.contract import Event, contracts, producer_of
from shared.events.envelope import CONTENT_TYPE, HEADER_PREFIX
from shared.events.export import example_of, schema_of

VERSION = "3.0.0"
DESCRIPTION = """\
What the services of Signpost say to one another, and all that they say.

Each event is one CloudEvents 1.0 message in AMQP binary mode: attributes as headers with the prefix `ce-`, the
event as JSON in the body. Its type is its routing key on the exchange `signpost.events`. The same events can be
read over HTTP, as CloudEvents in structured mode, from the feed.

Delivered at least once: tell a repeated event by its id. Order between events is not promised on AMQP: ignore one
whose `subjectversion` is older than what you have. A version only ever grows by optional fields: ignore what you do
not know. `x-personal` says of each field what of it is about a person.
"""
_UUID = {"type": "string", "format": "uuid"}
_DROPPED = frozenset({"$schema", "$id", "$defs"})


def asyncapi_document(consumers: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """
    Args:
        consumers: By event type, the services that react to it; said beside each event where given.
    """
    every = contracts()
    schemas: dict[str, Any] = {"CloudEventHeaders": _headers(), "FeedEvent": _feed_event()}
    for event_type, contract in every.items():
        _add_schemas(schemas, event_type, schema_of(contract))
    producers = sorted({producer_of(event_type) for event_type in every})
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Signpost events",
            "version": "1",
            "description": DESCRIPTION,
            "license": {"name": "See the repository"},
            "tags": [{"name": producer, "description": f"Published by {producer}"} for producer in producers],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": _servers(),
        "channels": {**{each: _channel(each) for each in every}, "feed": _feed_channel()},
        "operations": {
            **{f"{each}.receive": _receive(each) for each in every},
            "feed.receive": {
                "action": "receive",
                "channel": {"$ref": "#/channels/feed"},
                "summary": "Follow the feed as server-sent events",
                "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
            },
        },
        "components": {
            "schemas": schemas,
            "messages": {
                "FeedEvent": _feed_message(),
                **{each: _message(contract, (consumers or {}).get(each, ())) for each, contract in every.items()},
            },
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "What `signpost integrators add` gave"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _servers() -> dict[str, Any]:
    return {
        "broker": {
            "host": "{broker}",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ of a deployment; one that runs embedded has none",
            "variables": {"broker": {"default": "rabbitmq:5672", "description": "Host and port"}},
            "security": [{"$ref": "#/components/securitySchemes/password"}],
        },
        "gateway": {
            "host": "{gateway}",
            "protocol": "https",
            "description": "The event feed, in every deployment",
            "variables": {"gateway": {"default": "127.0.0.1:8080", "description": "Host and port"}},
            "security": [{"$ref": "#/components/securitySchemes/bearer"}],
        },
    }


def _channel(event_type: str) -> dict[str, Any]:
    exchange = {"name": "signpost.events", "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"}
    return {
        "address": event_type,
        "messages": {event_type: {"$ref": f"#/components/messages/{event_type}"}},
        "servers": [{"$ref": "#/servers/broker"}],
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _feed_channel() -> dict[str, Any]:
    return {
        "address": "/v1/events/stream",
        "title": "Event feed",
        "description": (
            "All events in one order, each as CloudEvents JSON without what is sealed. `types` filters, `after` or "
            "`Last-Event-ID` says where to go on; `/v1/events` has the same page by page."
        ),
        "messages": {"FeedEvent": {"$ref": "#/components/messages/FeedEvent"}},
        "servers": [{"$ref": "#/servers/gateway"}],
    }


def _receive(event_type: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{event_type}"},
        "messages": [{"$ref": f"#/channels/{event_type}/messages/{event_type}"}],
        "tags": [{"name": producer_of(event_type)}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
    }


def _message(contract: type[Event], consumers: Sequence[str]) -> dict[str, Any]:
    event_type = contract.event_type
    words = " ".join((contract.__doc__ or "").split())
    example = example_of(event_type)
    return {
        "name": event_type,
        "title": event_type,
        "summary": words.partition(". ")[0].rstrip("."),
        "description": f"{words}\n\nOrdered by the version of its `{contract.subject_field}`.",
        "contentType": CONTENT_TYPE,
        "tags": [{"name": producer_of(event_type)}],
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{event_type}"},
        "correlationId": {"location": f"$message.header#/{HEADER_PREFIX}correlationid"},
        "examples": [{"name": "example", "payload": example["data"]}],
        "x-producer": producer_of(event_type),
        **({"x-consumers": list(consumers)} if consumers else {}),
    }


def _feed_message() -> dict[str, Any]:
    return {
        "name": "FeedEvent",
        "title": "Any event, in the feed",
        "summary": "One event as CloudEvents 1.0 JSON",
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": "#/components/schemas/FeedEvent"},
    }


def _feed_event() -> dict[str, Any]:
    """The envelope's attributes under their plain names, with the content beside them."""
    headers = _headers()
    plain = {name.removeprefix(HEADER_PREFIX): field for name, field in headers["properties"].items()}
    shown = {name: field for name, field in plain.items() if name != "traceparent"}
    data = {"type": "object", "description": "By the event's type, less what is sealed; absent for operations"}
    required = (name.removeprefix(HEADER_PREFIX) for name in headers["required"])
    return {
        "type": "object",
        "properties": {**shown, "datacontenttype": {"type": "string", "const": CONTENT_TYPE}, "data": data},
        # What lacks its sealed fields names no schema, because it does not fit it.
        "required": [name for name in required if name != "dataschema"],
    }


def _headers() -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {**_UUID, "description": "The event's id; the same however often it is delivered"},
        "source": {"type": "string", "description": "The service that says so", "examples": ["/signpost/plans"]},
        "type": {"type": "string", "description": "The event's type, which is also the routing key"},
        "subject": {"type": "string", "description": "Id of what the event is about"},
        "time": {"type": "string", "format": "date-time"},
        "dataschema": {"type": "string", "description": "Where a gateway serves the schema of the body"},
        "subjectversion": {"type": "integer", "description": "Changes of the subject so far"},
        "correlationid": {**_UUID, "description": "The same for all that one action led to"},
        "causationid": {**_UUID, "description": "The event directly behind this one; absent for the first"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
    }
    optional = {"causationid", "traceparent"}
    return {
        "type": "object",
        "properties": {HEADER_PREFIX + name: field for name, field in fields.items()},
        "required": [HEADER_PREFIX + name for name in fields if name not in optional],
    }


def _add_schemas(schemas: dict[str, Any], event_type: str, schema: Mapping[str, Any]) -> None:
    """
    The schema of an event and the shapes within it, as components that refer to one another.

    Raises:
        ValueError: Two contracts have different shapes of the same name.
    """
    shapes = {name: _moved(shape) for name, shape in schema.get("$defs", {}).items()}
    for name, shape in shapes.items():
        if schemas.setdefault(name, shape) != shape:
            raise ValueError(f"{event_type} has a shape {name!r} that differs from another of that name")
    schemas[event_type] = _moved({keyword: value for keyword, value in schema.items() if keyword not in _DROPPED})


def _moved(value: Any) -> Any:
    """A copy whose references lead to the components."""
    if isinstance(value, Mapping):
        return {name: _moved(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_moved(each) for each in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return value.replace("#/$defs/", "#/components/schemas/")
    return value
