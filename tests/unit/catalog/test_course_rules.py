"""What changes between two catalogs, and the small things courses are told apart by."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.catalog.courses.rules import difference, grade_bits, is_school_year, plain, school_year_of
from shared.identifiers import stable_id


class TestDifference:
    def test_finds_new_changed_and_missing_courses(self, course: Any) -> None:
        offered = {"1": course("1"), "2": course("2"), "3": course("3")}

        found = difference(offered, [course("4"), course("1"), course("2", title="New")])

        assert [each.code for each in found.changed] == ["4", "2"]
        assert found.retired == ("3",)

    def test_does_not_count_where_a_course_was_read(self, course: Any) -> None:
        assert difference({"1": course("1", origin="a")}, [course("1", origin="b")]).changed == ()

    def test_does_not_tell_one_from_one_point_zero(self, course: Any) -> None:
        assert difference({"1": course("1", credits=Decimal("1.00"))}, [course("1", credits=Decimal(1))]).changed == ()


class TestCourse:
    def test_is_the_same_one_in_every_import(self, course: Any) -> None:
        assert course("7301").changed().course_id == stable_id("course", "7301")


class TestSchoolYear:
    @pytest.mark.parametrize(
        ("day", "year"),
        [(date(2026, 6, 30), "2025-26"), (date(2026, 7, 1), "2026-27"), (date(2099, 12, 1), "2099-00")],
    )
    def test_begins_in_july(self, day: date, year: str) -> None:
        assert school_year_of(day) == year
        assert is_school_year(year)

    @pytest.mark.parametrize("text", ["2026", "2026-28", "2026-2027", "26-27", ""])
    def test_is_two_years_in_a_row(self, text: str) -> None:
        assert not is_school_year(text)


class TestGradeBits:
    def test_has_one_bit_for_every_grade(self) -> None:
        assert grade_bits([9]) & grade_bits([8, 9, 10])
        assert not grade_bits([9]) & grade_bits([10, 11])
        assert grade_bits([-3]) == 1


class TestPlain:
    @pytest.mark.parametrize(("credits", "text"), [("0.50", "0.5"), ("1.00", "1"), ("20.00", "20"), ("0", "0")])
    def test_writes_credits_as_people_do(self, credits: str, text: str) -> None:
        assert plain(Decimal(credits)) == text
