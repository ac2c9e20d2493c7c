"""Who could hear of a student's plan at a given time, told from the roster's own events. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events.contract import Event
from shared.events.roster import (
    CaseloadAssigned,
    CaseloadEnded,
    GuardianshipGranted,
    GuardianshipRestricted,
    GuardianshipRevoked,
    StudentChanged,
    StudentEnrolled,
)

_HEARING = "notices"
_STUDENTS: tuple[type[Event], ...] = (StudentEnrolled, StudentChanged)
_GUARDIANSHIPS: tuple[type[Event], ...] = (GuardianshipGranted, GuardianshipRestricted, GuardianshipRevoked)
_CASELOADS: tuple[type[Event], ...] = (CaseloadAssigned, CaseloadEnded)
AUDIENCE_CONTRACTS = _STUDENTS + _GUARDIANSHIPS + _CASELOADS


@dataclass(frozen=True)
class RosterFact:
    """An event of the roster about one student, with what orders it."""

    event: Event
    version: int
    at: datetime


@dataclass(frozen=True)
class _Guardianship:
    guardian_id: UUID
    may_hear: bool
    ended: bool = False
    begins_on: date | None = None
    ends_on: date | None = None

    def holds_on(self, day: date) -> bool:
        begun = self.begins_on is None or self.begins_on <= day
        return self.may_hear and not self.ended and begun and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True)
class Audience:
    """The roster events about one student, any order; asked for the people behind them at a time."""

    facts: tuple[RosterFact, ...] = field(default=())
    zone: ZoneInfo = field(default=ZoneInfo("UTC"))

    def guardians_of(self, at: datetime) -> frozenset[UUID]:
        """
        Guardians who could hear of a change made at that time, and still can.

        One barred or unlinked before the message went out is sent nothing, one who joined
        later was not there to hear; after the rights passed to the student, guardians stop.
        """
        if self._rights_passed_by(at):
            return frozenset()
        return self._hearing(self._until(at), at) & self._hearing(self.facts, at)

    def counselors_of(self, at: datetime) -> frozenset[UUID]:
        """Counselors responsible for the student at that time."""
        day = at.astimezone(self.zone).date()
        found: set[UUID] = set()
        for latest in _latest(self._until(at), _CASELOADS):
            if isinstance(latest, CaseloadAssigned) and latest.relation == "counselor":
                begun = latest.begins_on is None or latest.begins_on <= day
                if begun and (latest.ends_on is None or day <= latest.ends_on):
                    found.add(latest.staff_id)
        return frozenset(found)

    def _until(self, at: datetime) -> list[RosterFact]:
        return [fact for fact in self.facts if fact.at <= at]

    def _hearing(self, facts: Iterable[RosterFact], at: datetime) -> frozenset[UUID]:
        day = at.astimezone(self.zone).date()
        links: dict[str, _Guardianship] = {}
        for fact in sorted(facts, key=lambda fact: fact.version):
            _follow(links, fact.event)
        return frozenset(link.guardian_id for link in links.values() if link.holds_on(day))

    def _rights_passed_by(self, at: datetime) -> bool:
        for latest in _latest(self._until(at), _STUDENTS):
            if isinstance(latest, StudentEnrolled | StudentChanged) and latest.rights_transfer_at:
                return latest.rights_transfer_at <= at
        return False


def _latest(facts: Iterable[RosterFact], contracts: tuple[type[Event], ...]) -> Iterable[Event]:
    """The newest state of each subject among events of these contracts."""
    newest: dict[str, RosterFact] = {}
    for fact in facts:
        if isinstance(fact.event, contracts):
            held = newest.get(fact.event.subject_id)
            if held is None or held.version < fact.version:
                newest[fact.event.subject_id] = fact
    return [fact.event for fact in newest.values()]


def _follow(links: dict[str, _Guardianship], event: Event) -> None:
    """Bring the guardianships up to this event. A restriction or an end leaves what it does not speak of."""
    match event:
        case GuardianshipGranted():
            may_hear = not event.barred and _HEARING in event.rights
            links[event.subject_id] = _Guardianship(
                event.guardian_id, may_hear, begins_on=event.begins_on, ends_on=event.ends_on
            )
        case GuardianshipRestricted():
            held = links.get(event.subject_id) or _Guardianship(event.guardian_id, may_hear=False)
            links[event.subject_id] = replace(held, may_hear=not event.barred and _HEARING in event.rights)
        case GuardianshipRevoked():
            held = links.get(event.subject_id) or _Guardianship(event.guardian_id, may_hear=False)
            links[event.subject_id] = replace(held, ended=True)
