"""Lists in pages: an opaque cursor says where the next one begins."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from shared.problems import InvalidInput

T = TypeVar("T")
DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200


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
    except ValueError:
        position = None
    if not isinstance(position, list) or len(position) != parts:
        raise InvalidInput("`cursor` must be the `next` of an earlier page of this list.")
    return position


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
