"""Each event as one plain sentence, from its contract alone: ids and facts, never a name."""

from collections.abc import Iterable, Mapping
from functools import cache, singledispatch
from typing import Any

from shared.events import catalog, mentorship, notifications, plans, roster
from shared.events.contract import Event, contracts

_TOPICS = {
    "plan_revised": "the changed plan",
    "plan_approved": "the approved plan",
    "plan_off_track": "a plan that needs attention",
    "plan_repaired": "a plan that is on track again",
    "review_plan": "a plan to review",
    "approve_match": "proposed partners",
    "match_accepted": "the new mentor partner",
}
_TASKS = {
    "plan_off_track": "look at a plan that no longer meets every requirement",
    "approve_match": "choose among the proposed partners",
    "review_plan": "review a submitted plan",
}
_OUTCOMES = {
    "done": "was done",
    "repaired": "was closed, because its cause was repaired",
    "superseded": "was closed, because a newer one took its place",
}
_MATCH_ENDS = {
    "declined": "The proposed partners were declined.",
    "superseded": "The proposal of partners was dropped for a newer goal.",
    "partner_left": "The match ended, because the partner left.",
    "completed": "The match came to its end.",
}
_TERMS = {"S1": "first semester", "S2": "second semester", "YEAR": "all year"}


def summary_of(event_type: str, data: Mapping[str, Any]) -> str:
    """A sentence for a person; for a type not known here, its name in words."""
    contract = _known().get(event_type)
    if contract is None:
        return f"{event_type.rpartition('.v')[0].replace('.', ' ').replace('_', ' ').capitalize()}."
    return summarize(contract.model_validate(data))


@cache
def _known() -> Mapping[str, type[Event]]:
    return contracts()


@singledispatch
def summarize(event: Event) -> str:
    """What happened, in one sentence. Every contract has its own."""
    raise LookupError(f"No sentence is written for {event.event_type}")


@summarize.register
def _(event: plans.PlanRevised) -> str:
    changes = "; ".join(_change(change) for change in event.changes) or "no course changed"
    return f"The plan was changed by the {event.actor_role.replace('_', ' ')}: {changes}. {_standing(event.standing)}"


def _change(change: plans.CourseChange) -> str:
    place = f"grade {change.grade} ({_TERMS[change.term]})"
    if change.kind == "moved" and change.from_grade is not None:
        return f"{change.title} moved from grade {change.from_grade} to {place}"
    return f"{change.title} {change.kind} {'from' if change.kind == 'dropped' else 'in'} {place}"


def _standing(standing: plans.Standing) -> str:
    if standing.on_track:
        return "It meets every graduation requirement."
    return f"Still missing for graduation: {_listed(unmet.title for unmet in standing.unmet) or 'some requirements'}."


def _listed(titles: Iterable[str]) -> str:
    return ", ".join(titles)


@summarize.register
def _(event: plans.PlanSubmitted) -> str:
    return "The plan was handed in for approval."


@summarize.register
def _(event: plans.PlanApproved) -> str:
    return "The plan was approved."


@summarize.register
def _(event: plans.AuditFlipped) -> str:
    cause = {"plan": "the plan", "catalog": "the course catalog", "requirements": "the requirements"}[event.cause]
    parts = []
    if event.standing.became_unmet:
        parts.append(f"no longer met: {_listed(unmet.title for unmet in event.standing.became_unmet)}")
    if event.standing.became_met:
        parts.append(f"met again: {_listed(event.standing.became_met)}")
    return f"The check after a change of {cause}: {'; '.join(parts) or 'other requirements are met than before'}."


@summarize.register
def _(event: plans.GoalSet) -> str:
    before = f", before it was {event.previous_cluster}" if event.previous_cluster else ""
    return f"The career goal is now {event.cluster}{before}."


@summarize.register
def _(event: plans.InterestsChanged) -> str:
    return f"Careers to explore are now: {_listed(event.clusters) or 'none'}."


@summarize.register
def _(event: mentorship.MatchProposed) -> str:
    partners = {1: "One community partner was", 2: "Two community partners were", 3: "Three community partners were"}
    return f"{partners[len(event.candidates)]} proposed to the counselor for the goal {event.cluster}."


@summarize.register
def _(event: mentorship.MatchAccepted) -> str:
    return f"The counselor approved {event.organization} as a partner."


@summarize.register
def _(event: mentorship.MatchEnded) -> str:
    return _MATCH_ENDS[event.reason]


@summarize.register
def _(event: notifications.NoticeDelivered) -> str:
    return f"A notice about {_topic(event.template)} was sent by {_channel(event.channel)}."


@summarize.register
def _(event: notifications.NoticeFailed) -> str:
    reason = event.reason.replace("_", " ")
    return f"A notice about {_topic(event.template)} could not be sent by {_channel(event.channel)}: {reason}."


@summarize.register
def _(event: notifications.NoticeAcknowledged) -> str:
    return "The notice was read and acknowledged."


def _topic(template: str) -> str:
    return _TOPICS.get(template, template.replace("_", " "))


def _channel(channel: str) -> str:
    return "SMS" if channel == "sms" else channel


@summarize.register
def _(event: notifications.TaskOpened) -> str:
    return f"The counselor was asked to {_TASKS[event.kind]}."


@summarize.register
def _(event: notifications.TaskDone) -> str:
    return f"The task to {_TASKS[event.kind]} {_OUTCOMES[event.outcome]}."


@summarize.register
def _(event: catalog.CourseChanged) -> str:
    return f"The course {event.title} ({event.code}) is new or was changed."


@summarize.register
def _(event: catalog.CourseRetired) -> str:
    return f"The course {event.code} is no longer offered."


@summarize.register
def _(event: catalog.CatalogPublished) -> str:
    return f"The course catalog of {event.school_year} was published with {event.course_count} courses."


@summarize.register
def _(event: catalog.RequirementsChanged) -> str:
    return f"The requirements “{event.title}” were published."


@summarize.register
def _(event: roster.StudentEnrolled) -> str:
    return "The student was enrolled."


@summarize.register
def _(event: roster.StudentChanged) -> str:
    return "The student's school record changed."


@summarize.register
def _(event: roster.StudentWithdrawn) -> str:
    return f"The student left the district on {event.withdrawn_on.isoformat()}."


@summarize.register
def _(event: roster.GuardianshipGranted) -> str:
    return "A guardian was linked to the student."


@summarize.register
def _(event: roster.GuardianshipRevoked) -> str:
    return "A guardian's link to the student ended."


@summarize.register
def _(event: roster.GuardianshipRestricted) -> str:
    return "A court order changed what a guardian may see."


@summarize.register
def _(event: roster.CaseloadAssigned) -> str:
    return f"A {event.relation.replace('_', ' ')} became responsible for the student."


@summarize.register
def _(event: roster.CaseloadEnded) -> str:
    return f"A {event.relation.replace('_', ' ')} is no longer responsible for the student."


@summarize.register
def _(event: roster.ContactChanged) -> str:
    return "The way to reach a person changed."


@summarize.register
def _(event: roster.ContactRemoved) -> str:
    return "A person left the roster; nothing is sent to them any more."
