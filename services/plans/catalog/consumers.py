"""What the catalog says about courses and requirement sets, applied to the projection."""

from typing import cast

from services.plans.catalog import handlers
from services.plans.catalog.rules import Course, RequirementSet
from shared.database.unit_of_work import UnitOfWork
from shared.events.catalog import CourseChanged, CourseRetired, RequirementsChanged
from shared.events.plans import Term
from shared.messaging.reactions import Received


def on_course_changed(received: Received[CourseChanged], *, uow: UnitOfWork) -> None:
    fact = received.event
    course = Course(
        code=fact.code,
        title=fact.title,
        department=fact.department,
        credits=fact.credits,
        grades=fact.grades,
        terms=cast(tuple[Term, ...], fact.terms),
        prerequisites=fact.prerequisites,
        minimum_grades=fact.minimum_grades,
        corequisites=fact.corequisites,
        repeatable=fact.repeatable,
    )
    handlers.record_course(fact.course_id, course, version=received.envelope.subject_version, uow=uow)


def on_course_retired(received: Received[CourseRetired], *, uow: UnitOfWork) -> None:
    handlers.retire_course(received.event.course_id, version=received.envelope.subject_version, uow=uow)


def on_requirements_changed(received: Received[RequirementsChanged], *, uow: UnitOfWork) -> None:
    fact = received.event
    rules = RequirementSet(
        key=fact.key,
        title=fact.title,
        unit=fact.unit,
        total=fact.total,
        is_default=fact.is_default,
        requirements=fact.requirements,
    )
    handlers.record_requirements(fact.requirement_set_id, rules, version=received.envelope.subject_version, uow=uow)
