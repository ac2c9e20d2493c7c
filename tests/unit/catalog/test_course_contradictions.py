"""What cannot all be true in a list of courses."""

from decimal import Decimal
from typing import Any

import pytest

from services.catalog.courses.contradictions import contradictions, earliest_grades
from services.catalog.courses.rules import Course
from shared.events.catalog import MinimumGrade


def found(*courses: Course, retired: frozenset[str] = frozenset()) -> list[tuple[str, str, str]]:
    return [(each.kind, each.subject, each.severity) for each in contradictions(courses, retired)]


class TestContradictions:
    def test_finds_none_in_a_sound_catalog(self, course: Any) -> None:
        assert found(course("1"), course("2", prerequisites=(("1",),))) == []

    def test_reports_a_course_that_is_not_in_the_catalog(self, course: Any) -> None:
        (finding,) = contradictions([course("1"), course("2", prerequisites=(("1", "99"),), origin="c.csv, line 3")])

        assert (finding.kind, finding.subject, finding.where) == ("course_absent", "2", "c.csv, line 3")
        assert finding.detail == "2 Course 2 names 99 as prerequisite, which is not in the catalog; still met by 1"

    def test_says_where_nothing_else_meets_it(self, course: Any) -> None:
        (finding,) = contradictions([course("2", prerequisites=(("99",),))])

        assert "nothing else meets it, so it cannot be taken" in finding.detail

    def test_tells_a_retired_course_from_one_that_never_was(self, course: Any) -> None:
        (finding,) = contradictions([course("2", corequisites=(("1",),))], frozenset({"1"}))

        assert "names 1 as corequisite, which is no longer offered" in finding.detail

    def test_reports_a_course_worth_nothing(self, course: Any) -> None:
        assert found(course("1", credits=Decimal(0))) == [("no_credit", "1", "note")]

    def test_reports_alternatives_of_several_departments(self, course: Any) -> None:
        assert found(course("1"), course("2", department="Mathematics"), course("3", prerequisites=(("1", "2"),))) == [
            ("mixed_alternatives", "3", "conflict")
        ]

    def test_reports_alternatives_offered_in_other_grades(self, course: Any) -> None:
        assert found(
            course("1", grades=(9,)), course("2", grades=(8, 9)), course("3", prerequisites=(("1", "2"),))
        ) == [("alternatives_in_other_grades", "3", "note")]

    def test_reports_a_list_asked_for_beforehand_and_together(self, course: Any) -> None:
        both = course("2", prerequisites=(("1",),), corequisites=(("1",),))

        assert found(course("1"), both) == [("before_or_together", "2", "conflict")]

    def test_reports_a_grade_wanted_in_a_course_that_is_not_asked_for(self, course: Any) -> None:
        strict = course("3", prerequisites=(("1",),), minimum_grades=(MinimumGrade(codes=("2",), grade="B"),))

        assert found(course("1"), course("2"), strict) == [("grade_in_other_course", "3", "conflict")]

    def test_reports_each_unchecked_fact_once_for_all_courses(self, course: Any) -> None:
        (finding,) = contradictions([course("1", remarks={"audition": True}), course("2", remarks={"audition": 1})])

        assert (finding.kind, finding.severity) == ("not_checked", "note")
        assert finding.detail.endswith("1, 2")


class TestCycles:
    def test_reports_a_circle_once_from_its_first_code(self, course: Any) -> None:
        circle = [course("3", prerequisites=(("2",),)), course("1", prerequisites=(("3",),))]
        circle.append(course("2", prerequisites=(("1",),)))

        cycles = [each for each in contradictions(circle) if each.kind == "prerequisite_cycle"]

        assert [(each.subject, each.detail.rpartition(": ")[2]) for each in cycles] == [("1", "1 -> 2 -> 3 -> 1")]

    def test_reports_a_course_that_asks_for_itself(self, course: Any) -> None:
        assert ("prerequisite_cycle", "1", "conflict") in found(course("1", prerequisites=(("1",),)))

    def test_reports_two_circles(self, course: Any) -> None:
        pairs = [("1", "2"), ("2", "1"), ("3", "4"), ("4", "3")]
        courses = [course(code, prerequisites=((needed,),)) for code, needed in pairs]

        assert [each[:2] for each in found(*courses) if each[0] == "prerequisite_cycle"] == [
            ("prerequisite_cycle", "1"),
            ("prerequisite_cycle", "3"),
        ]

    def test_reports_a_circle_that_an_alternative_avoids(self, course: Any) -> None:
        courses = [course("1", prerequisites=(("2", "3"),)), course("2", prerequisites=(("1",),)), course("3")]

        assert [each[0] for each in found(*courses)] == ["prerequisite_cycle"]


class TestEarliestGrades:
    @pytest.mark.parametrize(
        ("grades", "prerequisite_grades", "earliest"),
        [((9, 10), (9,), 9), ((9, 10), (10, 11), 10), ((11, 12), (9,), 11), ((9,), (10,), None)],
    )
    def test_waits_for_the_prerequisite(
        self, course: Any, grades: Any, prerequisite_grades: Any, earliest: int | None
    ) -> None:
        catalog = {
            "1": course("1", grades=prerequisite_grades),
            "2": course("2", grades=grades, prerequisites=(("1",),)),
        }

        assert earliest_grades(catalog).get("2") == earliest

    def test_takes_the_earliest_alternative(self, course: Any) -> None:
        catalog = {
            "1": course("1", grades=(11,)),
            "2": course("2", grades=(8,)),
            "3": course("3", prerequisites=(("1", "2"),)),
        }

        assert earliest_grades(catalog)["3"] == 9

    def test_follows_a_long_chain(self, course: Any) -> None:
        links = [course(f"{n:04}", prerequisites=((f"{n + 1:04}",),) if n < 999 else ()) for n in range(1000)]

        assert len(earliest_grades({each.code: each for each in links})) == 1000

    def test_reports_a_course_out_of_reach_and_one_later_than_offered(self, course: Any) -> None:
        courses = [
            course("1", grades=(11,)),
            course("2", grades=(9, 10), prerequisites=(("1",),)),
            course("3", grades=(10, 11, 12), prerequisites=(("1",),)),
        ]

        assert found(*courses) == [("out_of_reach", "2", "conflict"), ("later_than_offered", "3", "note")]
