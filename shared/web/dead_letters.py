"""Dead letters of a service over HTTP, for operations: ids and reasons, never bodies."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from shared.database.database import Database
from shared.messaging.dead_letters import DeadLetter, discard, list_dead_letters, replay, show_dead_letter
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


class Selection(BaseModel):
    """Which dead letters, and for discarding, why."""

    event_ids: list[UUID] = Field(min_length=1, max_length=1000)
    reason: str = Field(default="", max_length=500)


class Affected(BaseModel):
    """How many consumer group entries were changed."""

    count: int


def dead_letter_routes(service: str, database: Database) -> Iterable[Route]:
    """The same four operations for any service, under its own path."""
    routes = Routes(service=service, tag="dead letters")
    path = f"/v1/{service}/dead-letters"

    @routes.get(path, summary=f"Dead letters of {service}", reply=DeadLetterList, access=staff("ops"))
    def list_letters(call: Call[Any]) -> Reply:
        letters = list_dead_letters(
            database, include_parked="parked" in call.query, error_class=call.query.get("error_class")
        )
        return Reply(DeadLetterList(items=[_view(letter) for letter in letters]))

    @routes.get(path + "/{event_id}", summary="One dead letter", reply=DeadLetterList, access=staff("ops"))
    def show_letter(call: Call[Any]) -> Reply:
        return Reply(DeadLetterList(items=[_view(each) for each in show_dead_letter(database, call.uuid("event_id"))]))

    @routes.post(path + "/replay", summary="Try again", body=Selection, reply=Affected, access=staff("ops"))
    def replay_letters(call: Call[Selection]) -> Reply:
        return Reply(Affected(count=replay(call.uow, call.body.event_ids, actor=str(call.principal.person_id))))

    @routes.post(
        path + "/discard", summary="Give up, with a reason", body=Selection, reply=Affected, access=staff("ops")
    )
    def discard_letters(call: Call[Selection]) -> Reply:
        return Reply(
            Affected(
                count=discard(
                    call.uow, call.body.event_ids, actor=str(call.principal.person_id), reason=call.body.reason
                )
            )
        )

    return routes


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView.model_validate(letter, from_attributes=True)
