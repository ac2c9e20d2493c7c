"""What follows for a student from a birth date and what schools offer."""

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.roster.students.rules import (
    Enrollment,
    School,
    best_enrollment,
    grade_by_age,
    graduation_year,
    nearest_school,
    rights_transfer_at,
    school_by_grade,
    school_year_start,
)

CHICAGO = ZoneInfo("America/Chicago")
DISTRICT, HIGH, MIDDLE, ROOM = (UUID(int=number) for number in range(1, 5))
SCHOOLS = {
    DISTRICT: School(DISTRICT, "district", None, None, None),
    HIGH: School(HIGH, "school", DISTRICT, 9, 12),
    MIDDLE: School(MIDDLE, "school", DISTRICT, 6, 8),
    ROOM: School(ROOM, "department", HIGH, None, None),
}


class TestRightsTransfer:
    def test_is_local_midnight_of_the_eighteenth_birthday(self) -> None:
        at = rights_transfer_at(date(2008, 7, 4), CHICAGO)

        assert at.astimezone(UTC) == datetime(2026, 7, 4, 5, 0, tzinfo=UTC)

    def test_is_the_first_of_march_for_somebody_born_on_a_leap_day(self) -> None:
        assert rights_transfer_at(date(2008, 2, 29), CHICAGO).date() == date(2026, 3, 1)

    @given(st.dates(date(1990, 1, 1), date(2030, 12, 31)))
    def test_is_never_before_the_birthday_and_at_most_a_day_after(self, born_on: date) -> None:
        at = rights_transfer_at(born_on, CHICAGO)

        assert (at.hour, at.minute) == (0, 0)
        assert at.year == born_on.year + 18
        assert (at.month, at.day) >= (born_on.month, born_on.day)


class TestGradeByAge:
    @pytest.mark.parametrize(
        ("born_on", "grade"),
        [(date(2021, 8, 1), 0), (date(2021, 8, 2), -1), (date(2011, 9, 1), 9), (date(2005, 1, 1), 12)],
    )
    def test_counts_from_kindergarten_at_five(self, born_on: date, grade: int) -> None:
        assert grade_by_age(born_on, date(2026, 8, 1)) == grade

    @given(st.dates(date(1950, 1, 1), date(2026, 8, 1)))
    def test_stays_within_what_events_carry(self, born_on: date) -> None:
        assert -3 <= grade_by_age(born_on, date(2026, 8, 1)) <= 12


class TestSchoolYear:
    @pytest.mark.parametrize(
        ("today", "start"),
        [
            (date(2026, 7, 31), date(2025, 8, 1)),
            (date(2026, 8, 1), date(2026, 8, 1)),
            (date(2027, 1, 5), date(2026, 8, 1)),
        ],
    )
    def test_starts_on_the_set_day(self, today: date, start: date) -> None:
        assert school_year_start(today, "08-01") == start

    def test_graduates_a_senior_the_next_spring(self) -> None:
        assert graduation_year(12, date(2026, 8, 1)) == 2027


class TestSchools:
    def test_are_the_nearest_above_an_organisation(self) -> None:
        assert nearest_school(ROOM, SCHOOLS) == HIGH

    def test_are_none_above_a_district(self) -> None:
        assert nearest_school(DISTRICT, SCHOOLS) is None

    def test_survive_organisations_above_each_other(self) -> None:
        circle = {
            DISTRICT: School(DISTRICT, "district", ROOM, None, None),
            ROOM: School(ROOM, "local", DISTRICT, None, None),
        }

        assert nearest_school(ROOM, circle) is None

    @pytest.mark.parametrize(("grade", "school"), [(7, MIDDLE), (9, HIGH), (13, HIGH), (-1, MIDDLE)])
    def test_are_found_by_grade(self, grade: int, school: UUID) -> None:
        assert school_by_grade(grade, SCHOOLS) == school


class TestBestEnrollment:
    def test_prefers_one_in_force_to_the_primary_one(self) -> None:
        ended = Enrollment(HIGH, is_primary=True, begins_on=None, ends_on=date(2026, 6, 1), grade=None)
        current = Enrollment(MIDDLE, is_primary=False, begins_on=date(2026, 8, 1), ends_on=None, grade=None)

        assert best_enrollment([ended, current], date(2026, 9, 15)) == current
