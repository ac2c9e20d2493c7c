"""What the plans service reacts to, one line per event."""

from services.plans import projections
from services.plans.catalog import consumers as catalog
from services.plans.plans.reaudit import reaudit_plans
from services.plans.settings import PlansSettings
from services.plans.students import consumers as students
from shared.events import catalog as catalog_events
from shared.events import roster
from shared.messaging.hosting import EventService, every, reaction


class PlansService(EventService):
    """Keeps students, courses and rules in mind, and audits plans again when the rules under them change."""

    name = "plans"
    settings_class = PlansSettings

    on_student_enrolled = reaction(roster.StudentEnrolled, students.on_student_stated)
    on_student_changed = reaction(roster.StudentChanged, students.on_student_stated)
    on_student_withdrawn = reaction(roster.StudentWithdrawn, students.on_student_withdrawn)
    on_course_changed = reaction(catalog_events.CourseChanged, catalog.on_course_changed)
    on_course_retired = reaction(catalog_events.CourseRetired, catalog.on_course_retired)
    on_requirements_changed = reaction(catalog_events.RequirementsChanged, catalog.on_requirements_changed)

    students = projections.STUDENTS
    courses = projections.COURSES
    requirement_sets = projections.REQUIREMENT_SETS

    reaudit = every(1.0, reaudit_plans)
