"""Handing events of a service to one consumer group again, over HTTP, for operations: ids and counts, never bodies."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, field_validator, model_validator

from shared.database.database import Database
from shared.events.contract import contracts, producer_of
from shared.events.patterns import is_pattern, matches
from shared.messaging import replays
from shared.messaging.history import Selection
from shared.messaging.replays import ReplayRefused, Wanted
from shared.problems import NotFound
from shared.web.calls import Call, Reply
from shared.web.routes import Route, Routes, staff


class ReplayRequest(BaseModel):
    """
    Which events of this service go to one consumer group again.

    What the group has applied stays applied once, unless `again` says that it is meant.
    """

    to: str = Field(max_length=60, description="The consumer group", examples=["plans"])
    type: str = Field(default="*", max_length=120, description="Type or pattern", examples=["roster.student.*"])
    event_ids: list[UUID] = Field(default_factory=list, max_length=500, description="These alone; empty: all that fit")
    subjects: list[str] = Field(default_factory=list, max_length=500, description="About these alone; empty: any")
    since: AwareDatetime | None = Field(default=None, description="When it happened, from")
    until: AwareDatetime | None = Field(default=None, description="When it happened, before")
    again: bool = Field(default=False, description="Apply also what the group has applied; needs a reason")
    reason: str = Field(default="", max_length=500)
    dry_run: bool = Field(default=False, description="Only say how many events it would be")

    @field_validator("type")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        if not is_pattern(pattern):
            raise ValueError("an event type, or a pattern such as roster.student.*")
        return pattern

    @model_validator(mode="after")
    def _not_everything_by_mistake(self) -> "ReplayRequest":
        if not self.event_ids and (self.since is None or self.until is None):
            raise ValueError("name event_ids, or since and until")
        return self


class ReplayView(BaseModel):
    """A replay and how far it has come. `state`: running, done, refused (see `error`), stopped; dry_run."""

    replay_id: UUID | None
    asked_at: datetime
    actor: str
    reason: str | None
    consumer: str
    again: bool
    state: str
    found: int
    sent: int
    finished_at: datetime | None
    error: str | None


class ReplayList(BaseModel):
    """The newest first, at most 50."""

    items: list[ReplayView]


def replay_routes(service: str, database: Database) -> Iterable[Route]:
    """The same operations for every service that publishes, under its own path."""
    routes = Routes(service=service, tag="replays")
    path = f"/v1/{service}/replays"

    @routes.get(path, summary=f"Replays of events of {service}", reply=ReplayList, access=staff("ops"))
    def list_replays(call: Call[Any]) -> Reply:
        return Reply(ReplayList(items=[_view(each) for each in replays.recent(call.session)]))

    @routes.get(path + "/{replay_id}", summary="How far a replay has come", reply=ReplayView, access=staff("ops"))
    def show_replay(call: Call[Any]) -> Reply:
        return Reply(_view(replays.show(call.session, call.uuid("replay_id"))))

    @routes.post(
        path,
        summary=f"Hand events of {service} to one consumer group again",
        body=ReplayRequest,
        reply=ReplayView,
        access=staff("ops"),
        problems=[ReplayRefused, NotFound],
    )
    def request_replay(call: Call[ReplayRequest]) -> Reply:
        asked, actor = call.body, str(call.principal.person_id)
        wanted = _wanted(service, asked)
        days = call.settings.inbox_days
        if asked.dry_run:
            now = call.uow.clock.now()
            found = replays.look(call.session, wanted, now=now, inbox_days=days)
            return Reply(_only_looked(asked, found, actor=actor, now=now))
        return Reply(_view(replays.request(call.uow, wanted, actor=actor, inbox_days=days)), status=202)

    @routes.post(path + "/{replay_id}/stop", summary="Hand over no more", reply=ReplayView, access=staff("ops"))
    def stop_replay(call: Call[Any]) -> Reply:
        return Reply(_view(replays.stop(call.uow, call.uuid("replay_id"))))

    return routes


def _wanted(service: str, asked: ReplayRequest) -> Wanted:
    types = [each for each in contracts() if producer_of(each) == service and matches(each, [asked.type])]
    if not types:
        raise ReplayRefused(f"{service} publishes no event of type {asked.type!r}. `signpost events list` shows all.")
    selection = Selection(
        types, event_ids=asked.event_ids, subjects=asked.subjects, since=asked.since, until=asked.until
    )
    return Wanted(asked.to, selection, again=asked.again, reason=asked.reason)


def _only_looked(asked: ReplayRequest, found: int, *, actor: str, now: datetime) -> ReplayView:
    return ReplayView(
        replay_id=None,
        asked_at=now,
        actor=actor,
        reason=asked.reason or None,
        consumer=asked.to,
        again=asked.again,
        state="dry_run",
        found=found,
        sent=0,
        finished_at=None,
        error=None,
    )


def _view(progress: replays.Progress) -> ReplayView:
    return ReplayView.model_validate(progress, from_attributes=True)
