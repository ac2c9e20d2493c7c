"""A request as a route's function sees it, and what the function answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from shared.auth.access import Principal, can
from shared.database.unit_of_work import UnitOfWork
from shared.problems import InvalidInput, NotFound, PreconditionRequired
from shared.settings import Settings

B = TypeVar("B")

JSON_TYPE = "application/json"
_VERSION_TAG = re.compile(r'^(?:W/)?"(\d{1,9})"$')


@dataclass(frozen=True)
class Call(Generic[B]):
    """
    One authorized request inside its transaction.

    `uow` is set for writes alone, `session` always; `now` is in the district's time zone.
    """

    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: B
    session: Session
    unit_of_work: UnitOfWork | None
    now: datetime
    settings: Settings

    @property
    def uow(self) -> UnitOfWork:
        if self.unit_of_work is None:
            raise RuntimeError("a GET route has no unit of work")
        return self.unit_of_work

    def uuid(self, name: str) -> UUID:
        """
        A path parameter that is an id.

        Raises:
            NotFound: It is no UUID, so nothing can have it.
        """
        return parse_id(self.path[name])

    @property
    def if_match(self) -> int | None:
        """The version in If-Match; None without the header. Raises InvalidInput where it is none of our tags."""
        return _version(self.headers.get("If-Match"), "If-Match")

    @property
    def required_version(self) -> int:
        """
        The version the client has read, which a change must name.

        Raises:
            PreconditionRequired: There is no If-Match.
        """
        version = self.if_match
        if version is None:
            raise PreconditionRequired('Send the ETag you read as `If-Match: "<version>"`.')
        return version

    @property
    def if_none_match(self) -> int | None:
        """The version in If-None-Match; None without one, or where it is none of our tags."""
        matched = _VERSION_TAG.match(self.headers.get("If-None-Match", "").strip())
        return int(matched.group(1)) if matched else None


@dataclass(frozen=True)
class Reply:
    """An answer: a model, or bytes sent as they are."""

    body: BaseModel | bytes | None = None
    status: int = 200
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else self.body.model_dump_json().encode()

    def all_headers(self) -> dict[str, str]:
        headers = dict(self.headers)
        if self.etag is not None:
            headers["ETag"] = f'"{self.etag}"'
        return headers


def authorize(call: Call[Any], resource: str, action: str, student_id: UUID) -> None:
    """
    Raises:
        NotFound: The caller may not do this, or there is no such student: one answer for both.
    """
    if not can(call.session, call.principal, resource, action, student_id, call.now):
        raise NotFound


def parse_id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotFound from None


def _version(value: str | None, header: str) -> int | None:
    if value is None:
        return None
    matched = _VERSION_TAG.match(value.strip())
    if not matched:
        raise InvalidInput(f'{header} must be the ETag of the thing, such as "7"; got {value[:40]!r}.')
    return int(matched.group(1))
