"""Every plan of the sample district is one that a counselor could approve."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.sample.catalog import BY_CODE, COURSES, PATHWAYS
from services.sample.plans import make_plan, plan_record
from services.sample.reading import read_plans
from tests.unit.sample.conftest import STUDENTS

Course = Mapping[str, Any]
# First and last half of the year of each term.
HALVES = {"S1": (1, 1), "S2": (2, 2), "YEAR": (1, 2)}


@pytest.fixture(scope="session")
def courses(district: Path) -> dict[str, Course]:
    return {course["code"]: course for course in json.loads((district / "catalog.json").read_text())["courses"]}


@pytest.fixture(scope="session")
def plans(district: Path) -> list[Mapping[str, Any]]:
    written: list[Mapping[str, Any]] = json.loads((district / "plans.json").read_text())["plans"]
    return written


def misplaced(changes: Iterable[Mapping[str, Any]], courses: Mapping[str, Course]) -> list[str]:
    """What stands where it may not: wrong grade or term, twice, or before what it needs."""
    ends: dict[str, tuple[int, int]] = {}
    for change in changes:
        end = (change["grade"], HALVES[change["term"]][1])
        ends[change["code"]] = min(end, ends.get(change["code"], end))
    faults = [code for code, count in Counter(change["code"] for change in changes).items() if count > 1]
    for change in changes:
        course = courses[change["code"]]
        begins = (change["grade"], HALVES[change["term"]][0])
        ready = all(any(ends.get(code, begins) < begins for code in group) for group in course["prerequisites_cnf"])
        if change["grade"] not in course["grades"] or change["term"] not in course["terms"] or not ready:
            faults.append(f"{change}")
    return faults


def unmet(changes: Iterable[Mapping[str, Any]], courses: Mapping[str, Course], rules: Mapping[str, Any]) -> list[str]:
    """Requirement lines that the courses do not meet, each line taken by itself."""
    taken = {change["code"] for change in changes}
    short = [] if sum(courses[code]["credits"] for code in taken) >= rules["total"] else ["total"]
    for line in rules["tracks"]["standard"]["requirements"]:
        departments = {line["department"]} if "department" in line else set(line.get("departments", ()))
        fitting = [
            code for code in taken if code in line.get("any_of", ()) or courses[code]["department"] in departments
        ]
        groups = line.get("one_from_each", ())
        if sum(courses[code]["credits"] for code in fitting) < line["credits"] or not all(
            taken & set(group) for group in groups
        ):
            short.append(line["id"])
    return short


class TestPlans:
    def test_are_there_for_every_student(self, plans: list[Mapping[str, Any]]) -> None:
        assert len({plan["student_sourced_id"] for plan in plans}) == STUDENTS

    def test_stand_right(self, plans: list[Mapping[str, Any]], courses: dict[str, Course]) -> None:
        for plan in plans:
            assert misplaced(plan["changes"], courses) == []

    def test_meet_the_requirements(
        self, plans: list[Mapping[str, Any]], courses: dict[str, Course], district: Path
    ) -> None:
        rules = yaml.safe_load((district / "requirements.yaml").read_text())
        for plan in plans:
            assert unmet(plan["changes"], courses, rules) == []

    def test_fit_into_a_year(self, plans: list[Mapping[str, Any]], courses: dict[str, Course]) -> None:
        for plan in plans:
            credits: dict[int, float] = defaultdict(float)
            for change in plan["changes"]:
                credits[change["grade"]] += courses[change["code"]]["credits"]
            assert set(credits) == {9, 10, 11, 12}
            assert all(6 <= each <= 8 for each in credits.values())

    def test_were_taken_in_past_grades(self, plans: list[Mapping[str, Any]]) -> None:
        for plan in plans:
            for change in plan["changes"]:
                assert (change["state"] == "taken") == (change["grade"] < plan["grade"])

    def test_differ(self, plans: list[Mapping[str, Any]]) -> None:
        kinds = {json.dumps([(each["code"], each["grade"]) for each in plan["changes"]]) for plan in plans}

        assert len(kinds) > STUDENTS * 0.9
        assert {plan["goal_cluster"] for plan in plans} == set(PATHWAYS)

    def test_lead_toward_their_goal(self, plans: list[Mapping[str, Any]]) -> None:
        for plan in plans:
            assert set(PATHWAYS[plan["goal_cluster"]][:2]) <= {change["code"] for change in plan["changes"]}

    def test_can_be_read_one_by_one(self, district: Path, plans: list[Mapping[str, Any]]) -> None:
        read = list(read_plans(district / "plans.json"))

        assert [each.student_sourced_id for each in read] == [plan["student_sourced_id"] for plan in plans]
        assert list(read[-1].changes) == plans[-1]["changes"]

    @given(st.integers(), st.sampled_from(["en", "es"]))
    def test_stand_right_by_any_chance(self, seed: int, language: str) -> None:
        plan = make_plan(Random(seed), home_language=language)

        changes = plan_record("st-1", plan, grade=9)["changes"]

        facts = {
            course.code: {"grades": course.grades, "terms": course.terms, "prerequisites_cnf": course.needs}
            for course in COURSES
        }
        assert misplaced(changes, facts) == []
        assert sum((BY_CODE[each.code].credits for each in plan.courses), Decimal(0)) >= 24
        assert all(plan.english_in(grade) in BY_CODE for grade in (9, 10, 11, 12))


class TestCatalog:
    def test_has_some_eighty_courses_each_once(self, courses: dict[str, Course]) -> None:
        assert 60 <= len(courses) == len(COURSES) <= 85

    def test_needs_only_what_is_offered(self, courses: dict[str, Course]) -> None:
        for course in courses.values():
            assert all(code in courses for group in course["prerequisites_cnf"] for code in group)

    def test_has_courses_toward_every_cluster(self, courses: dict[str, Course]) -> None:
        assert len(PATHWAYS) == 16
        assert all(code in courses for codes in PATHWAYS.values() for code in codes)
