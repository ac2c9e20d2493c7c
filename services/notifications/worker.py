"""The notifications worker: every event it reacts to, and its periodic work."""

from services.notifications import projections
from services.notifications.notices.sending import SendDue
from services.notifications.people import consumers as people
from services.notifications.rules import consumers as rules
from services.notifications.tasks import consumers as tasks
from shared.events import mentorship, plans, roster
from shared.messaging.hosting import EventService, every, reaction


class NotificationsService(EventService):
    """Tells guardians, students and counselors what happened and what to do next."""

    name = "notifications"

    on_student_enrolled = reaction(roster.StudentEnrolled, people.on_student)
    on_student_changed = reaction(roster.StudentChanged, people.on_student)
    on_contact_changed = reaction(roster.ContactChanged, people.on_contact_changed)
    on_contact_removed = reaction(roster.ContactRemoved, people.on_contact_removed)
    on_caseload_assigned = reaction(roster.CaseloadAssigned, tasks.on_caseload)
    on_caseload_ended = reaction(roster.CaseloadEnded, tasks.on_caseload)

    on_plan_revised = reaction(plans.PlanRevised, rules.on_event)
    on_plan_submitted = reaction(plans.PlanSubmitted, rules.on_event)
    on_plan_approved = reaction(plans.PlanApproved, rules.on_event)
    on_audit_flipped = reaction(plans.AuditFlipped, rules.on_event)
    on_match_proposed = reaction(mentorship.MatchProposed, rules.on_event)
    on_match_accepted = reaction(mentorship.MatchAccepted, rules.on_event)
    on_match_ended = reaction(mentorship.MatchEnded, rules.on_event)

    students = projections.STUDENTS
    recipients = projections.RECIPIENTS

    send_due = every(1.0, SendDue())
    reassign_tasks = every(60.0, tasks.reassign_waiting)
