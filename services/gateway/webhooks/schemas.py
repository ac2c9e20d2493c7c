"""Webhooks at the HTTP edge."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.gateway.webhooks.rules import DeliveryState, EndpointState
from shared.web.fields import Instant
from shared.web.pagination import PageQuery

Patterns = Annotated[list[Annotated[str, Field(max_length=120)]], Field(min_length=1, max_length=50)]
Url = Annotated[str, Field(max_length=500, examples=["https://example.org/signpost"])]
Description = Annotated[str, Field(max_length=200)]
LONGEST_OVERLAP_H = 7 * 24


class EndpointDraft(BaseModel):
    """An address that wants events. An integrator's own waits for an administrator's approval."""

    url: Url
    events: Patterns = Field(description="Event types wanted, `*` for words of them", examples=[["plans.plan.*"]])
    description: Description = ""
    owner_id: UUID | None = Field(default=None, description="The integrator; given by an administrator alone")
    allowed_events: Patterns | None = Field(
        default=None, description="Event types permitted; given by an administrator alone, by default those wanted"
    )


class EndpointChange(BaseModel):
    """What is to be different; what is left out stays."""

    url: Url | None = None
    events: Patterns | None = None
    description: Description | None = None
    allowed_events: Patterns | None = Field(default=None, description="Changed by an administrator alone")


class Approval(BaseModel):
    """Event types this endpoint may be sent; its owner chooses among them."""

    allowed_events: Patterns


class Rotation(BaseModel):
    """How long the secret in use goes on signing beside the new one."""

    overlap_hours: float = Field(default=24, ge=0, le=LONGEST_OVERLAP_H)


class Resending(BaseModel):
    """Events of a time, by when they happened, oldest first and at most 10,000 at once."""

    since: Instant
    until: Instant
    only_undelivered: bool = Field(default=True, description="Leave out what was delivered already")


class Endpoint(BaseModel):
    """Where events are sent. Operations see no address, description or patterns."""

    endpoint_id: UUID
    owner_id: UUID
    url: str | None
    description: str | None
    events: list[str] | None
    allowed_events: list[str] | None
    sent_events: list[str] | None = Field(description="The event types that are wanted and permitted, as of now")
    state: EndpointState
    reason: str | None = Field(description="Why it is disabled: `failing` for five days, `gone` (410), or by a person")
    stopped_by: str | None = Field(description="Role of who paused or disabled it; `signpost` itself after failures")
    version: int
    created_at: datetime
    failing_since: datetime | None = Field(description="First failure since the last success")


class EndpointList(BaseModel):
    """Endpoints, oldest first."""

    items: list[Endpoint]
    next: str | None = None


class Secret(BaseModel):
    """What signatures are checked with. Not shown in any other answer."""

    secret: str = Field(description="`whsec_` and base64, as Standard Webhooks libraries take it")
    created_at: datetime
    replaces_until: datetime | None = Field(
        default=None, description="Until then the secret before this one signs as well"
    )


class Delivery(BaseModel):
    """One event on its way to one endpoint. `event_id` is the `webhook-id` of every try."""

    event_id: UUID
    event_type: str
    state: DeliveryState
    reason: str | None = Field(description="What went wrong last")
    attempts: int = Field(description="Tries since it was queued or sent again")
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryList(BaseModel):
    """Deliveries, the latest first."""

    items: list[Delivery]
    next: str | None = None


class DeliveryQuery(PageQuery):
    """Which deliveries are wanted."""

    state: DeliveryState | None = None


class Attempt(BaseModel):
    """One try: what the receiver's server answered, never its words."""

    at: datetime
    took_ms: int
    outcome: str = Field(description="`delivered`, or what went wrong")
    status: int | None
    address: str | None = Field(description="The address connected to")


class DeliveryDetail(Delivery):
    """A delivery with all its tries, oldest first."""

    log: list[Attempt]


class Queued(BaseModel):
    """How many events will be sent."""

    count: int


class Tested(BaseModel):
    """The test event; look at it among the deliveries."""

    event_id: UUID


class Health(BaseModel):
    """How an endpoint has been doing for 24 hours, and what waits."""

    state: EndpointState
    verdict: Literal["healthy", "failing", "idle", "stopped"]
    failing_since: datetime | None
    failures_in_row: int
    disabled_if_failing_until: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    tries: int
    failures: int
    average_ms: int | None
    slowest_ms: int | None
    queued: int
    oldest_queued_at: datetime | None
    rest_until: datetime | None = Field(description="Asked for by the receiver with Retry-After")


class Change(BaseModel):
    """Something that happened to an endpoint; `failing` and `disabled` are notices to its owner."""

    at: datetime
    kind: str
    reason: str | None
    by_id: UUID | None
    by_role: str


class ChangeList(BaseModel):
    """The latest first, at most 200."""

    items: list[Change]
