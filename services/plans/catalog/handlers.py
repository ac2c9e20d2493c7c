"""Keeping the catalog projection. Each change counts the revision up, which sends plans to be audited again."""

from uuid import UUID

from sqlalchemy import select

from services.plans.catalog.rules import Course, RequirementSet
from services.plans.catalog.tables import catalog_revision, courses, requirement_sets
from shared.database.schema import upsert, upsert_parts
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.reactions import NotYetKnown

# A retirement tells nothing but that; facts told before and arriving after it still hold.
_COURSE_PARTS = {
    "version": ("code", "title", "department", "credits", "facts"),
    "retired_version": ("is_retired",),
}


def record_course(course_id: UUID, course: Course, *, version: int, uow: UnitOfWork) -> None:
    _count_up(uow)
    row = {
        "course_id": course_id,
        "code": course.code,
        "title": course.title,
        "department": course.department,
        "credits": course.credits,
        "facts": {
            "grades": course.grades,
            "terms": course.terms,
            "prerequisites": course.prerequisites,
            "minimum_grades": [each.model_dump(mode="json") for each in course.minimum_grades],
            "corequisites": course.corequisites,
            "repeatable": course.repeatable,
        },
        "is_retired": False,
        "version": version,
        "retired_version": version,
    }
    upsert_parts(uow.session, courses, row, parts=_COURSE_PARTS)


def retire_course(course_id: UUID, *, version: int, uow: UnitOfWork) -> None:
    """
    Raises:
        NotYetKnown: The retirement overtook the course.
    """
    _count_up(uow)
    known = uow.session.execute(select(courses.c.version).where(courses.c.course_id == course_id)).scalar()
    if known is None:
        raise NotYetKnown("course", course_id)
    uow.session.execute(
        courses.update()
        .where(courses.c.course_id == course_id, courses.c.retired_version < version)
        .values(is_retired=True, retired_version=version)
    )


def record_requirements(requirement_set_id: UUID, rules: RequirementSet, *, version: int, uow: UnitOfWork) -> None:
    _count_up(uow, requirements=True)
    row = {
        "requirement_set_id": requirement_set_id,
        "key": rules.key,
        "title": rules.title,
        "unit": rules.unit,
        "total": rules.total,
        "is_default": rules.is_default,
        "requirements": [each.model_dump(mode="json", exclude_defaults=True) for each in rules.requirements],
        "version": version,
    }
    upsert(uow.session, requirement_sets, row, key=["requirement_set_id"], newer_than="version")


def note_rebuilt(uow: UnitOfWork) -> None:
    """Courses or rules were not as the catalog says: whatever was audited against them is audited again."""
    _count_up(uow, requirements=True)


def _count_up(uow: UnitOfWork, *, requirements: bool = False) -> None:
    """The row stays locked until the commit, so revisions and what they cover come in one order."""
    following = catalog_revision.c.revision + 1
    values = {
        "revision": following,
        "correlation_id": uow.cause.correlation_id,
        "causation_id": uow.cause.causation_id,
    }
    if requirements:
        values["requirements_revision"] = following
    uow.session.execute(catalog_revision.update().values(values))
