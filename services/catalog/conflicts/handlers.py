"""Look through courses and rules for contradictions, and keep what is found."""

from sqlalchemy.orm import Session

from services.catalog.conflicts.rules import COURSES, Conflict, in_order
from services.catalog.conflicts.tables import replace_conflicts, stored_conflicts
from services.catalog.courses import contradictions as course_contradictions
from services.catalog.courses.tables import course_of, newest_catalog, offered_courses, retired_codes
from services.catalog.requirements import contradictions as rule_contradictions
from services.catalog.requirements.tables import stored_sets
from services.catalog.tables import mark_changed
from shared.database.unit_of_work import UnitOfWork


def review_conflicts(*, uow: UnitOfWork) -> list[Conflict]:
    """
    The findings in the catalog as this transaction leaves it, stored if they are other than before.

    Both courses and rules are looked at, whichever changed: a retired course may be one a rule names.
    """
    found = in_order(_found(uow.session))
    if found != list(stored_conflicts(uow.session)):
        replace_conflicts(uow.session, found)
        mark_changed(uow.session)
    return found


def _found(session: Session) -> list[Conflict]:
    offered = [course_of(row) for row in session.execute(offered_courses())]
    retired = retired_codes(session)
    found = course_contradictions.contradictions(offered, retired)
    catalog = newest_catalog(session)
    for note in catalog.notes if catalog else ():
        found.append(Conflict(COURSES, "not_read", "file", "note", note))
    by_code = {course.code: course for course in offered}
    for rules in stored_sets(session):
        found += rule_contradictions.contradictions(rules, by_code, retired)
    return found
