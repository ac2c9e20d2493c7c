"""What notifications keeps of events alone, and how it is made of them; `signpost rebuild` makes it anew."""

from services.notifications.people import consumers, tables
from shared.events import roster
from shared.messaging.projections import projection
from shared.messaging.reactions import reaction

STUDENTS = projection(
    "students",
    tables.students,
    reaction(roster.StudentEnrolled, consumers.on_student),
    reaction(roster.StudentChanged, consumers.on_student),
)
RECIPIENTS = projection(
    "recipients",
    tables.recipients,
    reaction(roster.ContactChanged, consumers.on_contact_changed),
    reaction(roster.ContactRemoved, consumers.on_contact_removed),
)
