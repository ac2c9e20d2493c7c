"""The feed at the HTTP edge."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from shared.web.pagination import DEFAULT_LIMIT, LARGEST_LIMIT


class FeedEvent(BaseModel):
    """One event as CloudEvents 1.0 structured JSON, without what is sealed."""

    specversion: str = Field(examples=["1.0"])
    id: str = Field(description="The event's id; the same however often it is read")
    source: str = Field(examples=["/signpost/plans"])
    type: str = Field(examples=["plans.plan.revised.v1"])
    subject: str = Field(description="Id of what the event is about")
    time: datetime
    subjectversion: int = Field(description="Changes of the subject so far; ignore an event older than one you have")
    correlationid: str = Field(description="The same for all that one action led to; see /v1/journeys")
    causationid: str | None = Field(default=None, description="The event directly behind this one, if you may see all")
    dataschema: str | None = Field(default=None, examples=["/schemas/plans.plan.revised.v1.json"])
    datacontenttype: str | None = None
    data: dict[str, Any] | None = Field(default=None, description="By the type's contract; absent for operations")


class FeedPage(BaseModel):
    """The next events, oldest first. May be empty though there is more: go on with `next`."""

    items: list[FeedEvent]
    next: str = Field(description="Cursor to go on from, now or later. Also a stream's Last-Event-ID")
    more: bool = Field(description="Whether there was more at once; otherwise ask again after a while, or stream")


class FeedQuery(BaseModel):
    """Where to begin, and what to leave out."""

    after: str | None = Field(default=None, description="`next` of an earlier page; without it, from the beginning")
    types: str | None = Field(
        default=None,
        description="Patterns of event types, with commas between. `*` stands for one segment, at the end for all",
        examples=["plans.plan.*,plans.audit.*"],
    )
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)


class StreamQuery(BaseModel):
    """Where to begin, and what to leave out."""

    after: str | None = Field(
        default=None, description="A cursor; `Last-Event-ID` wins over it. Without either: from now on"
    )
    types: str | None = Field(default=None, description="As for a page")
