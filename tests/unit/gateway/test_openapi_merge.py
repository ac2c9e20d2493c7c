"""One document out of several that do not know of each other."""

from typing import Any

from openapi_spec_validator import validate

from services.gateway.docs.rules import merge


def document(schemas: dict[str, Any], paths: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """A service's document: schemas, and by path an operation id with the schema it answers."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "tags": [{"name": "shared"}],
        "paths": {
            path: {
                "get": {
                    "operationId": operation,
                    "responses": {
                        "200": {
                            "description": "ok",
                            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
                        }
                    },
                }
            }
            for path, (operation, schema) in paths.items()
        },
        "components": {"schemas": schemas},
    }


def merged(**documents: dict[str, Any]) -> dict[str, Any]:
    return merge(
        documents,
        info={"title": "All", "version": "1"},
        server="http://here",
        serves=lambda _, path: path != "/healthz",
    )


def schema_of(result: dict[str, Any], path: str) -> str:
    reference: str = result["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    return reference.rpartition("/")[2]


class TestMerge:
    def test_is_valid_and_has_every_path_that_is_served(self) -> None:
        result = merged(
            roster=document({"Me": {"type": "object"}}, {"/v1/me": ("me", "Me"), "/healthz": ("health", "Me")}),
            plans=document({"Plan": {"type": "object"}}, {"/v1/plan": ("plan", "Plan")}),
        )

        validate(result)
        assert set(result["paths"]) == {"/v1/me", "/v1/plan"}
        assert result["servers"] == [{"url": "http://here"}]
        assert result["tags"] == [{"name": "shared"}]

    def test_keeps_equal_schemas_once(self) -> None:
        same = {"Problem": {"type": "object"}}

        result = merged(roster=document(same, {"/a": ("a", "Problem")}), plans=document(same, {"/b": ("b", "Problem")}))

        assert set(result["components"]["schemas"]) == {"Problem"}

    def test_renames_different_schemas_of_one_name(self) -> None:
        result = merged(
            roster=document({"Item": {"type": "object"}}, {"/a": ("a", "Item")}),
            plans=document({"Item": {"type": "string"}}, {"/b": ("b", "Item")}),
        )

        validate(result)
        assert schema_of(result, "/a") == "Item"
        assert schema_of(result, "/b") == "PlansItem"

    def test_renames_what_refers_to_a_renamed_schema(self) -> None:
        page = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}

        result = merged(
            roster=document({"Page": page, "Item": {"type": "object"}}, {"/a": ("a", "Page")}),
            plans=document({"Page": page, "Item": {"type": "string"}}, {"/b": ("b", "Page")}),
        )

        assert schema_of(result, "/b") == "PlansPage"
        assert result["components"]["schemas"]["PlansPage"]["items"] == {"$ref": "#/components/schemas/PlansItem"}
        assert result["components"]["schemas"]["Page"]["items"] == {"$ref": "#/components/schemas/Item"}

    def test_keeps_operation_ids_unique(self) -> None:
        schemas = {"X": {"type": "object"}}

        result = merged(roster=document(schemas, {"/a": ("list", "X")}), plans=document(schemas, {"/b": ("list", "X")}))

        assert result["paths"]["/a"]["get"]["operationId"] == "list"
        assert result["paths"]["/b"]["get"]["operationId"] == "plans_list"

    def test_leaves_the_services_documents_as_they_were(self) -> None:
        first = document({"X": {"type": "object"}}, {"/a": ("list", "X")})
        second = document({"X": {"type": "string"}}, {"/b": ("list", "X")})

        merged(roster=first, plans=second)

        assert second == document({"X": {"type": "string"}}, {"/b": ("list", "X")})
