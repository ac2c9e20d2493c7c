"""Second half of applying an import: what follows from the source's statements, and telling it."""

from sqlalchemy import ColumnElement, func, select, true

from services.roster.caseloads.handlers import settle_caseloads
from services.roster.guardianships.handlers import count_active, settle_guardianships
from services.roster.imports.applying import Applying
from services.roster.people.handlers import announce_contacts, known_people
from services.roster.people.tables import people
from services.roster.students.handlers import Placing, settle_students
from services.roster.students.tables import students


def settle_people(applying: Applying) -> None:
    """Contact points and enrollment of everybody the source has ever named."""
    session, of_source = applying.uow.session, people.c.source == applying.source
    applying.tally.before["students"] = _count_enrolled(applying)
    applying.tally.before["guardianships"] = count_active(session, applying.source)
    placing = Placing(applying)
    total = session.scalar(select(func.count()).select_from(people).where(of_source)) or 0
    for ids in applying.pages(people, of_source, step="settling people", total=total):
        page = known_people(session, ids)
        announce_contacts(applying, page)
        settle_students(applying, placing, page)


def settle_relations(applying: Applying) -> None:
    """Guardians and staff of the source's students."""
    of_source = students.c.source == applying.source
    for ids in applying.pages(
        students, of_source, step="settling relations", total=_count_students(applying, of_source)
    ):
        settle_guardianships(applying, ids)
        settle_caseloads(applying, ids)


def settle_all_caseloads(applying: Applying) -> None:
    """Staff of every student, whichever source has enrolled them: a caseload file may name any."""
    total = _count_students(applying, true())
    for ids in applying.pages(students, true(), step="settling caseloads", total=total):
        settle_caseloads(applying, ids)


def _count_enrolled(applying: Applying) -> int:
    return _count_students(applying, (students.c.source == applying.source) & students.c.is_enrolled)


def _count_students(applying: Applying, condition: ColumnElement[bool]) -> int:
    return applying.uow.session.scalar(select(func.count()).select_from(students).where(condition)) or 0
