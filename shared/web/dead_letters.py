"""Dead letters of a service over HTTP, for operations: ids and reasons, never bodies."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from shared.database.database import Database
from shared.messaging.dead_letters import (
    PORTION,
    DeadLetter,
    classes_of,
    discard,
    discard_class,
    list_dead_letters,
    replay,
    replay_class,
    show_dead_letter,
)
from shared.web.calls import Call, Reply
from shared.web.routes import Route, Routes, staff


class DeadLetterView(BaseModel):
    """An event that a consumer group could not apply."""

    consumer: str
    event_id: UUID
    type: str
    state: str
    attempts: int
    received_at: datetime
    next_attempt_at: datetime | None
    error_class: str | None
    error: str | None


class DeadLetterList(BaseModel):
    """Oldest first, at most 100."""

    items: list[DeadLetterView]


class LetterClassView(BaseModel):
    """Dead letters that failed for the same kind of reason."""

    consumer: str
    error_class: str
    state: str
    count: int
    oldest: datetime
    newest: datetime


class LetterClassList(BaseModel):
    """The most frequent first."""

    items: list[LetterClassView]


class Selection(BaseModel):
    """Which dead letters: by their ids, or the oldest of one error class; and for discarding, why."""

    event_ids: list[UUID] = Field(default_factory=list, max_length=1000)
    error_class: str | None = Field(default=None, max_length=120)
    reason: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Selection":
        if bool(self.event_ids) == bool(self.error_class):
            raise ValueError("name event_ids or an error_class, one of both")
        return self


class Affected(BaseModel):
    """How many consumer group entries were changed; of a class at most a portion, so ask again while there is more."""

    count: int
    more: bool = False


def dead_letter_routes(service: str, database: Database) -> Iterable[Route]:
    """The same operations for any service, under its own path."""
    routes = Routes(service=service, tag="dead letters")
    path = f"/v1/{service}/dead-letters"

    @routes.get(path, summary=f"Dead letters of {service}", reply=DeadLetterList, access=staff("ops"))
    def list_letters(call: Call[Any]) -> Reply:
        letters = list_dead_letters(
            database, include_parked="parked" in call.query, error_class=call.query.get("error_class")
        )
        return Reply(DeadLetterList(items=[_view(letter) for letter in letters]))

    @routes.get(path + "/classes", summary="Dead letters by error class", reply=LetterClassList, access=staff("ops"))
    def list_classes(call: Call[Any]) -> Reply:
        found = classes_of(database, include_parked="parked" in call.query)
        return Reply(
            LetterClassList(items=[LetterClassView.model_validate(each, from_attributes=True) for each in found])
        )

    @routes.get(path + "/{event_id}", summary="One dead letter", reply=DeadLetterList, access=staff("ops"))
    def show_letter(call: Call[Any]) -> Reply:
        return Reply(DeadLetterList(items=[_view(each) for each in show_dead_letter(database, call.uuid("event_id"))]))

    @routes.post(path + "/replay", summary="Try again", body=Selection, reply=Affected, access=staff("ops"))
    def replay_letters(call: Call[Selection]) -> Reply:
        chosen, actor = call.body, str(call.principal.person_id)
        if chosen.error_class:
            return _affected(replay_class(call.uow, chosen.error_class, actor=actor))
        return Reply(Affected(count=replay(call.uow, chosen.event_ids, actor=actor)))

    @routes.post(
        path + "/discard", summary="Give up, with a reason", body=Selection, reply=Affected, access=staff("ops")
    )
    def discard_letters(call: Call[Selection]) -> Reply:
        chosen, actor = call.body, str(call.principal.person_id)
        if chosen.error_class:
            return _affected(discard_class(call.uow, chosen.error_class, actor=actor, reason=chosen.reason))
        return Reply(Affected(count=discard(call.uow, chosen.event_ids, actor=actor, reason=chosen.reason)))

    return routes


def _affected(count: int) -> Reply:
    return Reply(Affected(count=count, more=count == PORTION))


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView.model_validate(letter, from_attributes=True)
