"""Finding the people a caseload file names by their source's own ids."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from services.roster.caseloads.tables import caseload_rows
from services.roster.imports.applying import Applying
from services.roster.imports.mirror import person_id_of
from services.roster.imports.records import CaseloadRow
from services.roster.imports.sync import SeenRows, batches, forget_unseen, sync
from services.roster.people.tables import people
from shared.identifiers import stable_id


def staff_on_roster(applying: Applying) -> set[str]:
    """
    Ids in the file that name staff the roster knows from another source; they are used as they are there.

    The file creates the others, if it names them.
    """
    known = set()
    rows = applying.snapshot.rows("SELECT DISTINCT staff FROM caseload")
    for batch in batches(key for (key,) in rows):
        known |= {key for key, found in _found(applying, batch, "staff").items() if found}
    return known


def mirror_caseload(applying: Applying, seen: SeenRows) -> None:
    """Keep the file's assignments; a student or staff member nobody knows is an error among the findings."""
    session = applying.uow.session
    applying.tally.before["caseloads"] = (
        session.scalar(select(func.count()).select_from(caseload_rows).where(caseload_rows.c.source == applying.source))
        or 0
    )
    for _ in sync(session, caseload_rows, _rows(applying), seen):
        pass
    forget_unseen(session, caseload_rows, source=applying.source)


def _rows(applying: Applying) -> Iterator[Mapping[str, Any]]:
    for batch in batches(applying.snapshot.caseload()):
        students = _found(applying, [row.student for row in batch], "student")
        staff = _found(applying, [row.staff for row in batch], "staff")
        for row in batch:
            student_id = _one(applying, row, "student_sourced_id", row.student, students[row.student])
            staff_id = _staff_id(applying, row, staff[row.staff])
            if student_id is None or staff_id is None:
                continue
            yield {
                "row_id": stable_id("caseload-row", applying.source, row.relation, str(staff_id), str(student_id)),
                "source": applying.source,
                "staff_id": staff_id,
                "student_id": student_id,
                "relation": row.relation,
                "begins_on": row.begins_on,
                "ends_on": row.ends_on,
            }


def _staff_id(applying: Applying, row: CaseloadRow, found: list[UUID]) -> UUID | None:
    if not found and applying.snapshot.place_of_person(row.staff) is not None:
        return person_id_of(applying.source, row.staff)
    return _one(applying, row, "staff_sourced_id", row.staff, found)


def _one(applying: Applying, row: CaseloadRow, column: str, value: str, found: list[UUID]) -> UUID | None:
    if len(found) == 1:
        return found[0]
    if found:
        expected = f"an id only one source uses; {len(found)} sources do"
    elif column == "student_sourced_id":
        expected = "the sourcedId (Ed-Fi: StudentUniqueId) of an enrolled student"
    else:
        expected = (
            "the sourcedId (Ed-Fi: StaffUniqueId) of somebody on staff, or given_name and family_name to add them"
        )
    applying.findings.error(row.file, row.line, column, value, expected)
    return None


def _found(applying: Applying, keys: list[str], kind: str) -> dict[str, list[UUID]]:
    """People of other sources by the id their source gives them; Ed-Fi keeps staff apart by a prefix."""
    prefix = "staff/"
    spellings = [*keys, *(prefix + key for key in keys)] if kind == "staff" else keys
    found: dict[str, list[UUID]] = defaultdict(list)
    rows = applying.uow.session.execute(
        select(people.c.sourced_id, people.c.person_id).where(
            people.c.sourced_id.in_(spellings),
            people.c.kind == kind,
            people.c.is_active,
            people.c.source != applying.source,
        )
    )
    for sourced_id, person_id in rows:
        found[sourced_id if sourced_id in keys else sourced_id.removeprefix(prefix)].append(person_id)
    return found
