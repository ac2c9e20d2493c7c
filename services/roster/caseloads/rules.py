"""Who is responsible for a student, from all a source says."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.roster.dates import widest
from shared.events.roster import StaffRelation


class Assignment(NamedTuple):
    """One statement that a staff member is responsible for a student. `ends_on` is the last day."""

    staff_id: UUID
    student_id: UUID
    relation: StaffRelation
    begins_on: date | None
    ends_on: date | None


def merged_assignments(assignments: Iterable[Assignment]) -> dict[tuple[StaffRelation, UUID, UUID], Assignment]:
    """One assignment per relation, staff member and student, over the widest dates: several classes, one teacher."""
    merged: dict[tuple[StaffRelation, UUID, UUID], Assignment] = {}
    for each in assignments:
        key = (each.relation, each.staff_id, each.student_id)
        earlier = merged.get(key)
        if earlier is not None:
            begins, ends = widest((earlier.begins_on, earlier.ends_on), (each.begins_on, each.ends_on))
            each = each._replace(begins_on=begins, ends_on=ends)
        merged[key] = each
    return merged
