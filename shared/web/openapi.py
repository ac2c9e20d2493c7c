"""OpenAPI 3.1 of a set of routes, from the same declarations that serve them."""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from shared.problems import (
    BodyTooLarge,
    InvalidInput,
    MalformedBody,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    Unauthenticated,
    Unavailable,
)
from shared.web.routes import Route

_SCHEMAS = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")


class ProblemDocument(BaseModel):
    """RFC 9457 problem document. Further members say more about one kind of problem."""

    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    code: str = Field(description="Stable slug of the kind of problem")
    detail: str | None = Field(default=None, description="What is wrong here, and what would be right")


def openapi_document(routes: Iterable[Route], *, title: str, version: str, description: str = "") -> dict[str, Any]:
    """The document of all `routes`, with schemas named after their models."""
    listed = list(routes)
    references, definitions = models_json_schema(_models(listed), ref_template=_SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "tags": [{"name": tag} for tag in sorted({route.tag for route in listed})],
    }


def _models(routes: Sequence[Route]) -> list[tuple[type[BaseModel], Any]]:
    models: dict[tuple[type[BaseModel], str], None] = {(ProblemDocument, "serialization"): None}
    for route in routes:
        if route.body:
            models[route.body, "validation"] = None
        if route.reply:
            models[route.reply, "serialization"] = None
    return list(models)


def _operation(route: Route, references: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.service}_{route.name}",
        "summary": route.summary,
        "description": _description(route),
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": _responses(route, references),
    }
    if route.access.kind != "public":
        operation["security"] = [{"bearer": []}]
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[route.body, "validation"]}},
        }
    return operation


def _description(route: Route) -> str:
    text = inspect.getdoc(route.function) or ""
    return f"{text}\n\nFor: {route.access}.".strip()


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query:
        schema = route.query.model_json_schema()
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": described}
            for name, described in schema["properties"].items()
        ]
    if PreconditionRequired in route.problems:
        parameters.append(_header("If-Match", "ETag of the version you read", required=True))
    if route.writes and route.access.kind != "public":
        parameters.append(
            _header("Idempotency-Key", "Any unique text; makes repeating this request safe", required=False)
        )
    if route.access.kind == "student":
        parameters.append(
            _header("Access-Reason", "Why a district administrator reads this record; it is disclosed", required=False)
        )
    return parameters


def _header(name: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


def _responses(route: Route, references: Any) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if route.reply:
        success["content"] = {route.content_type: {"schema": references[route.reply, "serialization"]}}
    responses: dict[str, Any] = {"200": success}
    for problem in _possible_problems(route):
        described = responses.setdefault(
            str(problem.status),
            {
                "description": "",
                "content": {"application/problem+json": {"schema": references[ProblemDocument, "serialization"]}},
            },
        )
        separator = "; " if described["description"] else ""
        described["description"] += f"{separator}`{problem.code}`: {(problem.__doc__ or '').strip().splitlines()[0]}"
    return responses


def _possible_problems(route: Route) -> list[type[Problem]]:
    always: list[type[Problem]] = [NotFound, Unavailable]
    if route.access.kind != "public":
        always.append(Unauthenticated)
    if route.body:
        always += [MalformedBody, InvalidInput, BodyTooLarge]
    if PreconditionRequired in route.problems:
        always.append(PreconditionFailed)
    return list(dict.fromkeys([*always, *route.problems]))
