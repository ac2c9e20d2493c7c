"""Single values of a course, from JSON and from CSV cells."""

from decimal import Decimal
from typing import Any

import pytest

from services.catalog.courses import values
from services.catalog.courses.values import Unreadable


class TestCredits:
    @pytest.mark.parametrize(
        ("value", "credits"),
        [("1", "1.00"), (" 0.5 ", "0.50"), (0, "0.00"), (Decimal("1.5"), "1.50"), ("10", "10.00"), ("1e1", "10.00")],
    )
    def test_reads_numbers_as_people_write_them(self, value: Any, credits: str) -> None:
        assert str(values.credits_of(value)) == credits

    @pytest.mark.parametrize(
        "value", ["", "one", "-1", "0.125", "NaN", "Infinity", "1,5", "1001", True, None, [1], "1e999999", 0.5]
    )
    def test_refuses_what_is_no_amount_of_credits(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="a number from 0 to 1000 with at most two decimals"):
            values.credits_of(value)


class TestCode:
    @pytest.mark.parametrize(
        ("value", "code"), [("7301", "7301"), (7301, "7301"), (" MA-310 ", "MA-310"), ("0101", "0101")]
    )
    def test_keeps_a_code_as_it_is(self, value: Any, code: str) -> None:
        assert values.code_of(value) == code

    @pytest.mark.parametrize("value", ["", " ", "MA 310", "a/b", "x" * 41, None, True, 1.5, ["7301"], "ÄB", "-1"])
    def test_refuses_what_could_not_stand_in_an_address(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="course code"):
            values.code_of(value)


class TestText:
    def test_tidies_spaces(self) -> None:
        assert values.text_of(" Spanish  IV\u00a0", longest=20) == "Spanish IV"

    @pytest.mark.parametrize("value", ["", "  ", None, 7, "x" * 21, "bell\x07", "turned\u202eround"])
    def test_refuses_nothing_too_much_and_control_characters(self, value: Any) -> None:
        with pytest.raises(Unreadable):
            values.text_of(value, longest=20)


class TestGrades:
    @pytest.mark.parametrize(
        ("cell", "grades"),
        [
            ("[9, 10]", (9, 10)),
            ("9-12", (9, 10, 11, 12)),
            ("12 9", (9, 12)),
            ("10", (10,)),
            ("[8]", (8,)),
            ("-1-1", (-1, 0, 1)),
        ],
    )
    def test_reads_ranges_and_lists(self, cell: str, grades: tuple[int, ...]) -> None:
        assert values.grades_of(values.grades_cell(cell)) == grades

    @pytest.mark.parametrize("cell", ["", "[]", "14", "nine", "[9,[10]]", "12-9", "[9"])
    def test_refuses_what_is_no_grade_level(self, cell: str) -> None:
        with pytest.raises(Unreadable):
            values.grades_of(values.grades_cell(cell))

    @pytest.mark.parametrize("value", [9, "9", [True], [None], [9.5], {}])
    def test_refuses_other_json(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="at least one grade level"):
            values.grades_of(value)


class TestTerms:
    @pytest.mark.parametrize(
        ("value", "terms"),
        [
            (["S2", "S1"], ("S1", "S2")),
            ("quarter", ("S1", "S2")),
            ("year", ("YEAR",)),
            ("any", ()),
            ("s1", ("S1",)),
            ([], ()),
        ],
    )
    def test_reads_terms_and_lengths(self, value: Any, terms: tuple[str, ...]) -> None:
        assert values.terms_of(value) == terms

    @pytest.mark.parametrize("value", ["summer", ["S3"], 1, [["S1"]]])
    def test_refuses_other_words(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="S1, S2 or YEAR"):
            values.terms_of(value)


class TestAlternatives:
    @pytest.mark.parametrize(
        ("cell", "prerequisites"),
        [
            ("None", ()),
            ("", ()),
            ("[]", ()),
            ("[9110]", (("9110",),)),
            ("[2501,2504]", (("2501", "2504"),)),
            ("[[4504],[4701]]", (("4504",), ("4701",))),
            ("[[7201], [7101]]", (("7201",), ("7101",))),
            ("['2501', \"2504\"]", (("2501", "2504"),)),
            ("MA-210|MA-215; MA-110", (("MA-210", "MA-215"), ("MA-110",))),
            ("4301", (("4301",),)),
            ("[0101, 0101]", (("0101",),)),
        ],
    )
    def test_reads_brackets_and_our_own_spelling(self, cell: str, prerequisites: Any) -> None:
        assert values.alternatives_of(values.alternatives_cell(cell)) == prerequisites

    @pytest.mark.parametrize("cell", ["[1,2", "1]", "[[[1]]]", "[1],[2]", "[1,[2]]", "[[],[1]]", "a b", "1|;2"])
    def test_refuses_brackets_that_do_not_match(self, cell: str) -> None:
        with pytest.raises(Unreadable):
            values.alternatives_of(values.alternatives_cell(cell))


class TestMinimumGrades:
    def test_reads_codes_and_letter(self) -> None:
        found = values.minimum_grades_of([{"codes": ["4301", 4304], "grade": "B+"}])

        assert [(each.codes, each.grade) for each in found] == [(("4301", "4304"), "B+")]

    @pytest.mark.parametrize(
        "value", ["B", [{"codes": [], "grade": "B"}], [{"codes": ["1"], "grade": "G"}], [["1", "B"]]]
    )
    def test_refuses_other_shapes(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="with a letter from A to F"):
            values.minimum_grades_of(value)


class TestRepeatable:
    @pytest.mark.parametrize(("value", "times"), [(1, 1), ("3", 3), ({"max": 2, "separate_years": True}, 2)])
    def test_reads_how_often(self, value: Any, times: int) -> None:
        assert values.repeatable_of(value) == times

    @pytest.mark.parametrize("value", [0, 21, "many", True, None, {}, 1.5, "١"])
    def test_refuses_other_values(self, value: Any) -> None:
        with pytest.raises(Unreadable, match="from 1 to 20"):
            values.repeatable_of(value)
