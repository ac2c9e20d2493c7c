"""What of the feed one reader may see, and how an event looks there. Pure."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from services.gateway.journeys.rules import Fact, Viewer, may_see
from shared.events.envelope import CONTENT_TYPE, SPEC_VERSION
from shared.events.patterns import EVERYTHING, matches, patterns_in, reaches
from shared.problems import NotFound, Problem

_CATALOG = "catalog.*"
_SEALED_PREFIX = "sealed_"


class CursorExpired(Problem):
    """Events after this cursor are no longer kept; begin again without one."""

    code = "cursor-expired"
    status = 410


@dataclass(frozen=True)
class Place:
    """A point between two events of one log; `epoch` tells the log from one that was set up anew."""

    epoch: str
    position: int


@dataclass(frozen=True)
class Head:
    """How far the log reaches, and up to where events may have been forgotten."""

    epoch: str
    position: int
    forgotten: int

    def start_after(self, place: Place | None) -> int:
        """
        The position a reader goes on from; without a place, the beginning of what is kept.

        Raises:
            CursorExpired: What follows it is not all there any more, or it is a place in another log.
        """
        if place is None:
            return 0
        if place.epoch != self.epoch or place.position > self.position:
            raise CursorExpired("It belongs to a log that this one has replaced.")
        if place.position < self.forgotten:
            raise CursorExpired("Events after it are past the time they are kept for.")
        return place.position


@dataclass(frozen=True)
class Logged:
    """One event of the feed."""

    position: int
    event_id: UUID
    type: str
    source: str
    subject: str
    subject_version: int
    time: datetime
    correlation_id: UUID
    causation_id: UUID | None = None
    student_id: UUID | None = None
    addressee_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def fact(self) -> Fact:
        return Fact(
            position=self.position,
            event_id=self.event_id,
            type=self.type,
            at=self.time,
            student_id=self.student_id,
            addressee_id=self.addressee_id,
        )

    @cached_property
    def envelope(self) -> dict[str, Any]:
        return {
            "specversion": SPEC_VERSION,
            "id": str(self.event_id),
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "subjectversion": self.subject_version,
            "correlationid": str(self.correlation_id),
        }

    @cached_property
    def whole(self) -> bytes:
        cause = {"causationid": str(self.causation_id)} if self.causation_id else {}
        return _json({**self.envelope, **cause, **self._content})

    @cached_property
    def without_cause(self) -> bytes:
        """For readers to whom the event behind this one may be hidden."""
        return _json({**self.envelope, **self._content})

    @cached_property
    def outside(self) -> bytes:
        """The envelope alone: that something happened, and nothing of what."""
        return _json(self.envelope)

    @cached_property
    def _content(self) -> dict[str, Any]:
        data = {name: value for name, value in self.data.items() if not name.startswith(_SEALED_PREFIX)}
        # What lacks its sealed fields does not fit the schema of the whole.
        schema = {"dataschema": f"/schemas/{self.type}.json"} if len(data) == len(self.data) else {}
        return {**schema, "datacontenttype": CONTENT_TYPE, "data": data}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Insight:
    """Who may read and who oversees each student that some events are about."""

    readers: Mapping[UUID, Collection[UUID]] = field(default_factory=dict)
    overseers: Mapping[UUID, Collection[UUID]] = field(default_factory=dict)

    def viewer(self, person_id: UUID, student_id: UUID) -> Viewer:
        own = (student_id,)
        return Viewer(
            person_id,
            reads=own if person_id in self.readers.get(student_id, ()) else (),
            oversees=own if person_id in self.overseers.get(student_id, ()) else (),
        )


@dataclass(frozen=True)
class Reader:
    """
    Who reads, and what for.

    | kind | sees |
    | --- | --- |
    | person | events about students whose journeys they may read, less what journeys hide; the catalog's |
    | integrator | events of the types its token's scopes name, and each student so seen is disclosed |
    | operator | every event's envelope, never its content |
    """

    kind: Literal["person", "integrator", "operator"]
    person_id: UUID
    role: str
    granted: tuple[str, ...]
    wanted: tuple[str, ...]

    def shown(self, event: Logged, insight: Insight) -> bytes | None:
        """The event as this reader may see it; None if not at all."""
        if not (matches(event.type, self.wanted) and self._is_granted(event.type)):
            return None
        match self.kind:
            case "operator":
                return event.outside
            case "integrator":
                return event.whole
            case "person":
                return self._shown_to_person(event, insight)

    def _is_granted(self, event_type: str) -> bool:
        if self.kind == "integrator":  # to a stranger some types are shown only where they are named
            return any(reaches(pattern, event_type) for pattern in self.granted)
        return matches(event_type, self.granted)

    def _shown_to_person(self, event: Logged, insight: Insight) -> bytes | None:
        if event.student_id is None:
            return event.without_cause if matches(event.type, (_CATALOG,)) else None
        viewer = insight.viewer(self.person_id, event.student_id)
        if not may_see(event.fact, viewer):
            return None
        return event.whole if viewer.oversees else event.without_cause

    @property
    def is_disclosed_to(self) -> bool:
        return self.kind == "integrator"


def reader_for(person_id: UUID, role: str, scopes: Collection[str], wanted: tuple[str, ...]) -> Reader:
    """
    Raises:
        NotFound: An integrator whose token names no events: the feed does not exist for it.
    """
    if role == "integrator":
        granted = patterns_in(scopes)
        if not granted:
            raise NotFound
        return Reader("integrator", person_id, role, granted, wanted)
    # A district administrator reads records with a reason, student by student, and not here.
    kind: Literal["person", "operator"] = "operator" if role in ("ops", "district_admin") else "person"
    return Reader(kind, person_id, role, (EVERYTHING,), wanted)
