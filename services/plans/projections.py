"""What the plans service keeps of events alone, and how it is made of them; `signpost rebuild` makes it anew."""

from services.plans.catalog import consumers as catalog
from services.plans.catalog.handlers import note_rebuilt
from services.plans.catalog.tables import catalog_revision, courses, requirement_sets
from services.plans.students import consumers as people
from services.plans.students.tables import students
from shared.events import catalog as catalog_events
from shared.events import roster
from shared.messaging.projections import projection
from shared.messaging.reactions import reaction

STUDENTS = projection(
    "students",
    students,
    reaction(roster.StudentEnrolled, people.on_student_stated),
    reaction(roster.StudentChanged, people.on_student_stated),
    reaction(roster.StudentWithdrawn, people.on_student_withdrawn),
)
COURSES = projection(
    "courses",
    courses,
    reaction(catalog_events.CourseChanged, catalog.on_course_changed),
    reaction(catalog_events.CourseRetired, catalog.on_course_retired),
    beside=(catalog_revision,),
    rebuilt=note_rebuilt,
)
REQUIREMENT_SETS = projection(
    "requirement_sets",
    requirement_sets,
    reaction(catalog_events.RequirementsChanged, catalog.on_requirements_changed),
    beside=(catalog_revision,),
    rebuilt=note_rebuilt,
)
