"""Grades, languages and roles, however a source writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.roster.vocabulary import UnknownGrade, grade_level, language_tag, role_of

ORDINALS = (
    *("First", "Second", "Third", "Fourth", "Fifth", "Sixth"),
    *("Seventh", "Eighth", "Ninth", "Tenth", "Eleventh", "Twelfth"),
)


class TestGradeLevel:
    @given(st.integers(1, 12), st.sampled_from(["{0}", "{0:02}", "Grade {0}", "grade {0:02}", "{0}th", "{0}th Grade"]))
    def test_reads_every_spelling_of_a_number(self, number: int, spelling: str) -> None:
        assert grade_level(spelling.format(number))[0] == number

    @pytest.mark.parametrize(("number", "word"), list(enumerate(ORDINALS, start=1)))
    def test_reads_ed_fi_descriptors(self, number: int, word: str) -> None:
        assert grade_level(f"{word} grade") == (number, False)

    @pytest.mark.parametrize(
        ("code", "level"),
        [("IT", -3), ("PR", -2), ("PK", -1), ("TK", 0), ("KG", 0), ("09", 9), ("13", 13), ("PS", 13), ("UG", None)],
    )
    def test_reads_ceds_codes_as_written(self, code: str, level: int | None) -> None:
        assert grade_level(code) == (level, True)

    @pytest.mark.parametrize("text", ["", "senior", "14", "-1", "Grade", "9.5"])
    def test_refuses_what_is_no_grade(self, text: str) -> None:
        with pytest.raises(UnknownGrade):
            grade_level(text)


class TestLanguageTag:
    @pytest.mark.parametrize(
        ("text", "tag"),
        [("es", "es"), ("es_mx", "es-MX"), ("SPA", "es"), ("Spanish", "es"), ("zh-hans", "zh-Hans"), ("eng", "en")],
    )
    def test_brings_spellings_to_one_form(self, text: str, tag: str) -> None:
        assert language_tag(text) == tag

    @pytest.mark.parametrize("text", ["", "zzz", "Klingonese", "x", "es-", "12"])
    def test_knows_what_it_does_not_know(self, text: str) -> None:
        assert language_tag(text) is None


class TestRoleOf:
    def test_gives_guardians_one_role(self) -> None:
        assert {role_of(word) for word in ("parent", "guardian", "relative")} == {"guardian"}

    def test_gives_an_emergency_contact_none(self) -> None:
        assert role_of("emergencyContact") is None
