"""What follows for a student from what the source says: school, grade, graduation year, and when rights pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from services.roster.vocabulary import NOT_A_SCHOOL

AGE_IN_KINDERGARTEN = 5
LAST_GRADE = 12
LOWEST_GRADE = -3
AGE_OF_MAJORITY = 18


@dataclass(frozen=True, slots=True)
class School:
    """An organisation; the range of grades it offers is None where the source does not say."""

    school_id: UUID
    type: str
    parent_id: UUID | None
    lowest_grade: int | None
    highest_grade: int | None

    @property
    def enrolls(self) -> bool:
        return self.type not in NOT_A_SCHOOL

    def distance(self, grade: int) -> int | None:
        """How far a grade is from those offered: 0 within the range, None if the range is not known."""
        if self.lowest_grade is None or self.highest_grade is None:
            return None
        return max(self.lowest_grade - grade, grade - self.highest_grade, 0)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One role as a student."""

    school_id: UUID | None
    is_primary: bool
    begins_on: date | None
    ends_on: date | None
    grade: int | None

    def in_force(self, on: date) -> bool:
        return (self.begins_on is None or self.begins_on <= on) and not self.has_ended(on)

    def has_ended(self, on: date) -> bool:
        return self.ends_on is not None and self.ends_on < on


def school_year_start(today: date, starts: str) -> date:
    """
    First day of the present school year.

    Args:
        starts: Month and day, MM-DD.
    """
    month, day = (int(part) for part in starts.split("-"))
    this_year = _day(today.year, month, day)
    return this_year if this_year <= today else _day(today.year - 1, month, day)


def age_on(born_on: date, on: date) -> int:
    """Completed years; somebody born on 29 February has the birthday on 1 March of other years."""
    return on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))


def grade_by_age(born_on: date, year_start: date, *, highest: int = LAST_GRADE) -> int:
    """
    The grade of a student of this age when the school year starts, where the source gives none.

    Kindergarten is at five, as in nearly every state (ECS, 50-State Comparison: State K-3 Policies, 2023).
    Whoever is older than the last grade offered and still on the roster is taken to be in it.
    """
    return max(LOWEST_GRADE, min(highest, age_on(born_on, year_start) - AGE_IN_KINDERGARTEN))


def graduation_year(grade: int, year_start: date) -> int:
    """Calendar year in which this cohort graduates."""
    return year_start.year + 1 + LAST_GRADE - grade


def rights_transfer_at(born_on: date, zone: ZoneInfo) -> datetime:
    """
    Local midnight of the eighteenth birthday, when the rights of FERPA pass to the student (34 CFR 99.5).

    For somebody born on 29 February the eighteenth birthday is 1 March: eighteen years on there is no 29 February.
    """
    return datetime.combine(_day(born_on.year + AGE_OF_MAJORITY, born_on.month, born_on.day), time(), zone)


def best_enrollment(enrollments: Sequence[Enrollment], on: date) -> Enrollment:
    """The role that counts among several: in force before ended, primary before secondary, later before earlier."""
    return max(
        enrollments,
        key=lambda role: (
            role.in_force(on),
            role.is_primary,
            role.school_id is not None,
            role.begins_on or date.min,
            str(role.school_id),
        ),
    )


def nearest_school(organisation_id: UUID, schools: Mapping[UUID, School]) -> UUID | None:
    """The organisation itself or the first above it that is a school; None if there is none."""
    seen: set[UUID] = set()
    current: UUID | None = organisation_id
    while current is not None and current in schools and current not in seen:
        if schools[current].enrolls:
            return current
        seen.add(current)
        current = schools[current].parent_id
    return None


def school_by_grade(grade: int, schools: Mapping[UUID, School]) -> UUID | None:
    """The school whose grades are nearest to this one; None if no school says which it offers."""
    distances = [
        (distance, str(school.school_id), school.school_id)
        for school in schools.values()
        if school.enrolls and (distance := school.distance(grade)) is not None
    ]
    return min(distances)[2] if distances else None


def highest_grade_offered(schools: Mapping[UUID, School]) -> int:
    return max((school.highest_grade for school in schools.values() if school.highest_grade is not None), default=12)


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:  # 29 February
        return date(year, 3, 1)
