"""What the mentorship service reacts to, one line per event."""

from services.mentorship import projections
from services.mentorship.matches import consumers as matches
from services.mentorship.settings import MentorshipSettings
from shared.events import plans, roster
from shared.messaging.hosting import EventService, reaction


class MentorshipService(EventService):
    """Keeps students and goals in mind, and proposes partners when a goal is set."""

    name = "mentorship"
    settings_class = MentorshipSettings

    on_student_enrolled = reaction(roster.StudentEnrolled, matches.on_student_noted)
    on_student_changed = reaction(roster.StudentChanged, matches.on_student_noted)
    on_student_withdrawn = reaction(roster.StudentWithdrawn, matches.on_student_withdrawn)
    on_goal_set = reaction(plans.GoalSet, matches.on_goal_set)

    students = projections.STUDENTS
    goals = projections.GOALS
