"""What no database can hold is refused before any database sees it."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestServer
from pydantic import TypeAdapter, ValidationError

from services.catalog.api import create_app
from services.catalog.settings import CatalogSettings
from shared.auth.tokens import issue_token
from shared.database.migrations import migrate
from shared.problems import InvalidInput, NotFound
from shared.web.fields import FiniteJson, Instant
from shared.web.pagination import instant_position_of, position_of
from shared.web.text import check_body, check_named, check_path, is_storable


def cursor(*position: Any) -> dict[str, str]:
    return {"cursor": base64.urlsafe_b64encode(json.dumps(position).encode()).decode()}


class TestText:
    @pytest.mark.parametrize("text", ["", "é", "\N{GRINNING FACE}", "\t", "\\u0000"])
    def test_may_be_anything_people_write(self, text: str) -> None:
        assert is_storable(text)
        check_path([text])
        check_named({"q": text}, ["q", "other"], where="query")
        check_body(json.dumps({"a": text}).encode())

    @pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
    def test_has_no_zeros_and_no_halves_of_characters(self, text: str) -> None:
        with pytest.raises(NotFound):
            check_path(["fine", text])
        with pytest.raises(InvalidInput, match="`q` in the query"):
            check_named({"q": text}, ["q"], where="query")

    @pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0"])
    def test_has_no_zeros_in_a_body(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            check_body(json.dumps({"a": [text]}).encode())


class TestFields:
    @pytest.mark.parametrize("value", [b"NaN", b"1e999", b'{"a": [-1e999]}'])
    def test_numbers_are_finite(self, value: bytes) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter(FiniteJson).validate_json(value)

    @pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
    def test_instants_exist_in_every_zone(self, value: str) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter(Instant).validate_python(value)

    def test_the_rest_passes(self) -> None:
        assert TypeAdapter(FiniteJson).validate_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
        assert TypeAdapter(Instant).validate_python("2026-09-15T12:00:00-05:00").hour == 17


class TestCursors:
    @pytest.mark.parametrize("value", [2**63, -(2**63), 0.5, True, None, "a\0", [1]])
    def test_hold_what_a_database_can_compare(self, value: Any) -> None:
        with pytest.raises(InvalidInput):
            position_of(cursor(value))

    @pytest.mark.parametrize("instant", ["2026-09-15", "2026-09-15T12:00:00", "0001-01-01T00:00:00+14:00", "soon", 5])
    def test_of_instants_hold_one_with_its_zone(self, instant: Any) -> None:
        with pytest.raises(InvalidInput):
            instant_position_of(cursor(instant, str(uuid4())))


@pytest.mark.parametrize("header", [b"Access-Reason: \xff", b"Idempotency-Key: \xff"])
def test_a_header_in_another_encoding_is_refused(header: bytes, tmp_path: Path) -> None:
    """aiohttp reads such bytes as halves of characters; only a client of one's own making sends them."""
    settings = CatalogSettings.model_validate({"home": tmp_path, "database_url": None, "amqp_url": None})
    migrate(settings, "catalog")
    token = issue_token(settings, role="counselor", person_id=uuid4())

    async def send() -> bytes:
        async with TestServer(create_app(settings)) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            lines = [b"GET /v1/courses HTTP/1.1", b"Host: x", b"Connection: close", header]
            writer.write(b"\r\n".join([*lines, b"Authorization: Bearer " + token.encode(), b"", b""]))
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(send()).startswith(b"HTTP/1.1 422")
