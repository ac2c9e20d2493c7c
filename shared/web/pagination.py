"""Lists in pages: an opaque cursor says where the next one begins."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from shared.problems import InvalidInput
from shared.web.text import is_storable

T = TypeVar("T")
DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
_NO_CURSOR = "`cursor` must be the `next` of an earlier page of this list."


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(default=None, description="Cursor of the next page; absent on the last")


class PageQuery(BaseModel):
    """Which page of a list is wanted."""

    cursor: str | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)


def cursor_of(*position: Any) -> str:
    """An opaque cursor for the last row's sort values, which must be JSON values."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def position_of(query: Mapping[str, str], *, parts: int = 1) -> list[Any] | None:
    """
    The sort values in `?cursor=`; None on the first page.

    Raises:
        InvalidInput: It is no cursor of this list.
    """
    cursor = query.get("cursor")
    if not cursor:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != parts or not all(map(_is_sort_value, position)):
        raise InvalidInput(_NO_CURSOR)
    return position


def instant_position_of(query: Mapping[str, str]) -> tuple[datetime, UUID] | None:
    """
    The same in a list ordered by an instant and, among equal ones, an id.

    Raises:
        InvalidInput: It is no cursor of this list.
    """
    position = position_of(query, parts=2)
    if position is None:
        return None
    try:
        instant, thing_id = datetime.fromisoformat(str(position[0])), UUID(str(position[1]))
        if instant.tzinfo is None:
            raise ValueError("no time zone")
        return instant.astimezone(UTC), thing_id
    except (ValueError, OverflowError):
        raise InvalidInput(_NO_CURSOR) from None


def _is_sort_value(value: Any) -> bool:
    """What a database can compare with; a cursor made up by hand may hold anything."""
    if isinstance(value, str):
        return is_storable(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def limit_of(query: Mapping[str, str]) -> int:
    """
    Rows wanted on a page.

    Raises:
        InvalidInput: `?limit=` is no number between 1 and the largest page.
    """
    value = query.get("limit", str(DEFAULT_LIMIT))
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= LARGEST_LIMIT:
        raise InvalidInput(f"`limit` must be a number from 1 to {LARGEST_LIMIT}; got {value[:20]!r}.")
    return int(value)
