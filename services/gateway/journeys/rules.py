"""The chain of one action: in which order to tell it, what of it one person may see, whether it is finished."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.gateway.journeys.audience import Audience
from shared.events.contract import Event
from shared.events.mentorship import MatchEnded, MatchProposed
from shared.events.notifications import NoticeDelivered, NoticeFailed, TaskDone, TaskOpened
from shared.events.plans import AuditFlipped, GoalSet, PlanApproved, PlanRevised, PlanSubmitted

_NOTICES = "notifications.notice."
_TASKS = "notifications.task."
_HEARD_BY_GUARDIANS = frozenset({PlanRevised.event_type, PlanApproved.event_type})
_AUDITED = frozenset({PlanRevised.event_type, AuditFlipped.event_type})
_TASK_AFTER = {PlanSubmitted.event_type: "review_plan", MatchProposed.event_type: "approve_match"}
# Nobody but those who decide about it is told of a proposal before it is accepted.
_PROPOSALS = MatchProposed.event_type
# Court orders and guardians' links are no business of the family's other members.
_CUSTODY = "roster.guardianship."


@dataclass(frozen=True)
class Fact:
    """One event of the log, as far as a journey needs it."""

    position: int
    event_id: UUID
    type: str
    at: datetime
    caused_by: UUID | None = None
    student_id: UUID | None = None
    addressee_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Viewer:
    """
    Who asks, and what they may do about the students of the journey.

    `reads` are students whose journeys they may read; `oversees` those whose people they
    may write to, which is to say the counselor's and the case manager's.
    """

    person_id: UUID
    reads: Collection[UUID]
    oversees: Collection[UUID]


def visible(facts: Sequence[Fact], viewer: Viewer) -> list[Fact]:
    """
    What of a journey one person may see, each fact linked to the nearest cause they see.

    Facts about students they have no part in are left out. Facts about no student (a course
    was retired) are shown to whoever sees what came of them. Families see the notices
    addressed to themselves, no tasks, no proposals, and not who is linked to the student by
    which court order; whoever oversees the student sees all.
    """
    shown = {fact.event_id: fact for fact in facts if may_see(fact, viewer)}
    if not any(fact.student_id for fact in shown.values()):
        return []
    causes = {fact.event_id: fact.caused_by for fact in facts}
    return [replace(fact, caused_by=_nearest(fact.caused_by, among=shown, causes=causes)) for fact in shown.values()]


def may_see(fact: Fact, viewer: Viewer) -> bool:
    """Whether one person may see this one fact; of those about no student, everybody may."""
    if fact.student_id is None:
        return True
    if fact.student_id not in viewer.reads:
        return False
    if fact.student_id in viewer.oversees:
        return True
    if fact.type.startswith(_NOTICES):
        return fact.addressee_id == viewer.person_id
    return not fact.type.startswith((_TASKS, _PROPOSALS, _CUSTODY))


def _nearest(cause: UUID | None, *, among: Mapping[UUID, Fact], causes: Mapping[UUID, UUID | None]) -> UUID | None:
    passed: set[UUID] = set()
    while cause is not None and cause not in among and cause not in passed:
        passed.add(cause)
        cause = causes.get(cause)
    return cause if cause in among else None


def in_causal_order(facts: Iterable[Fact]) -> list[Fact]:
    """Each fact after its cause and before the next consequence of the same cause, earliest first."""
    by_time = sorted(facts, key=lambda fact: (fact.at, fact.position))
    known = {fact.event_id for fact in by_time}
    consequences: dict[UUID | None, list[Fact]] = {}
    for fact in by_time:
        consequences.setdefault(fact.caused_by if fact.caused_by in known else None, []).append(fact)
    ordered: list[Fact] = []
    waiting = list(reversed(consequences.get(None, [])))
    while waiting:
        fact = waiting.pop()
        ordered.append(fact)
        waiting.extend(reversed(consequences.pop(fact.event_id, [])))
    return ordered


@dataclass(frozen=True)
class Surroundings:
    """What completeness must know beside the journey: who was to hear, and the student's tasks at any time."""

    audience: Audience
    tasks: Sequence[Fact]


def is_complete(
    facts: Sequence[Fact], surroundings: Mapping[UUID, Surroundings], *, now: datetime, settle: timedelta
) -> bool:
    """
    Whether everything that must follow has followed.

    | after | must appear |
    | --- | --- |
    | courses of a plan changed, or it was approved | a notice delivered or failed, for every guardian who could hear |
    | a requirement became unmet | a counselor's task about it, opened here or still open from an earlier cause |
    | a plan was submitted | the counselor's task to review it, likewise |
    | partners were proposed | the counselor's task to approve one, likewise |
    | any fact | the one that caused it |
    | a goal was set | a proposal or the end of one; or, as perhaps nobody fits, `settle` of quiet |

    Args:
        facts: The whole journey, not only what one viewer sees.
        surroundings: By student, for every student the journey concerns.
    """
    journey = _Journey(facts)
    if not journey.knows_every_cause:
        return False
    latest = max((fact.at for fact in facts), default=now)
    for fact in facts:
        around = surroundings.get(fact.student_id) if fact.student_id else None
        if around is not None and not _answered(fact, journey, around, is_quiet=now - latest >= settle):
            return False
    return True


class _Journey:
    def __init__(self, facts: Sequence[Fact]) -> None:
        known = {fact.event_id for fact in facts}
        self.knows_every_cause = all(fact.caused_by in known for fact in facts if fact.caused_by)
        self.types_by_student = {(fact.type, fact.student_id) for fact in facts}
        self.informed = {
            (fact.student_id, fact.addressee_id)
            for fact in facts
            if fact.type in (NoticeDelivered.event_type, NoticeFailed.event_type)
        }

    def has(self, contract: type[Event], student_id: UUID | None) -> bool:
        return (contract.event_type, student_id) in self.types_by_student


def _answered(fact: Fact, journey: _Journey, around: Surroundings, *, is_quiet: bool) -> bool:
    if fact.type in _HEARD_BY_GUARDIANS and fact.data.get("changes", True):
        guardians = around.audience.guardians_of(fact.at)
        if not all((fact.student_id, guardian_id) in journey.informed for guardian_id in guardians):
            return False
    if fact.type == GoalSet.event_type:
        found = journey.has(MatchProposed, fact.student_id) or journey.has(MatchEnded, fact.student_id)
        return found or is_quiet
    kind = _task_after(fact)
    return kind is None or not around.audience.counselors_of(fact.at) or _has_task(kind, fact.at, around.tasks)


def _task_after(fact: Fact) -> str | None:
    """The kind of task this fact gives a counselor."""
    if fact.type in _AUDITED:
        return "plan_off_track" if fact.data.get("standing", {}).get("became_unmet") else None
    return _TASK_AFTER.get(fact.type)


def _has_task(kind: str, at: datetime, tasks: Sequence[Fact]) -> bool:
    """Whether a task of this kind was opened, then or before, and not finished before that time."""
    alike = [task for task in tasks if task.data.get("kind") == kind]
    done_before = {task.data["task_id"] for task in alike if task.type == TaskDone.event_type and task.at < at}
    return any(task.type == TaskOpened.event_type and task.data["task_id"] not in done_before for task in alike)
