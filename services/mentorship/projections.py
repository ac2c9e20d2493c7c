"""What mentorship keeps of events alone, and how it is made of them; `signpost rebuild` makes it anew."""

from services.mentorship.matches import consumers, tables
from shared.events import plans, roster
from shared.messaging.projections import projection
from shared.messaging.reactions import reaction

STUDENTS = projection(
    "students",
    tables.students,
    reaction(roster.StudentEnrolled, consumers.on_student_noted),
    reaction(roster.StudentChanged, consumers.on_student_noted),
    reaction(roster.StudentWithdrawn, consumers.keep_withdrawal),
)
GOALS = projection("goals", tables.goals, reaction(plans.GoalSet, consumers.keep_goal))
