"""The real catalog and rules of one high school, with the oddities their README lists."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.catalog.conflicts.rules import Conflict
from services.catalog.conflicts.tables import stored_conflicts
from services.catalog.courses.handlers import publish_catalog
from services.catalog.courses.parsing import CatalogFile, parse_catalog
from services.catalog.courses.rules import Course
from services.catalog.imports import ImportRefused
from services.catalog.requirements.documents import load
from services.catalog.requirements.handlers import publish_document
from services.catalog.requirements.translation import translate
from shared.database.database import Database
from shared.events.catalog import CatalogPublished, CourseChanged, Requirement, RequirementsChanged

RULES = "watertown_sd_local.yaml"
LIMIT = 1_000_000


@pytest.fixture
def read(shared_data: Path) -> Any:
    """Reads one of the two forms of the catalog."""

    def parse(name: str) -> CatalogFile:
        content = (shared_data / "course_catalog_watertown_sd" / name).read_bytes()
        return parse_catalog(content, file=name, limit=LIMIT)

    return parse


@pytest.fixture
def courses(read: Any) -> Mapping[str, Course]:
    return {course.code: course for course in read("catalog.json").courses}


@pytest.fixture
def rules(shared_data: Path) -> bytes:
    return (shared_data / "requirements" / RULES).read_bytes()


@pytest.fixture
def lines(rules: bytes, courses: Any) -> dict[str, dict[str, Requirement]]:
    """Lines by id, by track."""
    sets = translate(load(rules, file=RULES, limit=LIMIT), file=RULES, courses=courses)
    return {each.key.rpartition("/")[2]: {line.id: line for line in each.requirements} for each in sets}


@pytest.fixture
def found(database: Database, read: Any, rules: bytes) -> list[Conflict]:
    """Every conflict and note once catalog and rules are in."""
    with database.transaction() as uow:
        publish_catalog(read("catalog.json").courses, uow=uow, school_year="2026-27", source="catalog.json")
        publish_document(load(rules, file=RULES, limit=LIMIT), uow=uow, file=RULES)
    with database.reading() as session:
        return list(stored_conflicts(session))


class TestCatalog:
    @pytest.mark.parametrize("name", ["catalog.json", "catalog_raw.csv"])
    def test_has_121_courses_in_either_form(self, read: Any, name: str) -> None:
        assert len(read(name).courses) == 121

    def test_says_the_same_in_either_form(self, read: Any, courses: Mapping[str, Course]) -> None:
        for course in read("catalog_raw.csv").courses:
            other = courses[course.code]
            assert (course.title, course.department, course.credits) == (other.title, other.department, other.credits)
            assert (course.grades, course.tags, course.prerequisites) == (other.grades, other.tags, other.prerequisites)

    def test_keeps_what_notes_added(self, courses: Mapping[str, Course]) -> None:
        assert courses["7400"].corequisites == (("4504", "4506"),)
        assert courses["4601"].corequisites == (("4704",),)
        assert courses["3103"].minimum_grades[0].grade == "B"
        assert courses["2410"].repeatable == 2
        assert courses["2201"].terms == ("S1", "S2")
        assert courses["1109"].remarks == {"instructor_approval": True}


class TestRules:
    def test_have_three_tracks(self, lines: Any) -> None:
        assert list(lines) == ["university", "cte", "advanced_honors"]
        assert [len(track) for track in lines.values()] == [11, 11, 11]

    def test_say_english_as_credits_and_one_of_each_year(self, lines: Any) -> None:
        english = lines["university"]["english"]

        assert (english.credits, english.departments) == (Decimal(4), ("English",))
        assert english.one_from_each[0] == ("2401", "2404")
        assert lines["university"]["speech"].disjoint_from == ("english",)
        assert lines["university"]["speech"].departments == ()

    def test_resolve_the_range_of_advanced_mathematics(self, lines: Any) -> None:
        math = lines["advanced_honors"]["math"]

        assert math.credits == Decimal(4)
        assert math.one_from_each[-1] == ("4502", "4601", "4701", "4704", "4707")

    def test_read_the_cluster_rule(self, lines: Any) -> None:
        cluster = lines["cte"]["cte_cluster"]

        assert (len(cluster.clusters), cluster.cluster_credits) == (11, Decimal("1.5"))

    def test_let_honors_choose_between_language_and_cluster(self, lines: Any) -> None:
        language, cluster = lines["advanced_honors"]["language_or_cte"].alternatives

        assert (language.departments, language.credits) == (("World Languages",), Decimal(2))
        assert cluster.clusters == lines["cte"]["cte_cluster"].clusters

    def test_keep_the_language_together(self, lines: Any) -> None:
        assert lines["university"]["world_language"].same_language


class TestOddities:
    def test_a_prerequisite_that_is_not_in_the_catalog(self, found: list[Conflict]) -> None:
        absent = [each.detail for each in found if each.kind == "course_absent" and each.subject == "16059"]

        assert len(absent) == 2
        assert "22202" in absent[0]
        assert "22205" in absent[1]

    def test_chemistry_lets_algebra_stand_in_for_physical_science(self, found: list[Conflict]) -> None:
        (mixed,) = [each for each in found if each.kind == "mixed_alternatives"]

        assert mixed.subject == "7301"
        assert "one of each was probably meant" in mixed.detail

    def test_a_course_worth_half_of_what_one_track_asks(self, found: list[Conflict]) -> None:
        (short,) = [each for each in found if each.kind == "out_of_reach"]

        assert (short.subject, short.scope) == ("native_american_studies", "us-sd-watertown-hs/advanced_honors")

    def test_courses_worth_nothing(self, found: list[Conflict]) -> None:
        assert [each.subject for each in found if each.kind == "no_credit"] == ["5601", "5604"]

    def test_a_course_worth_one_and_a_half(self, found: list[Conflict]) -> None:
        assert [each.subject for each in found if each.kind == "unusual_credits"] == ["8310"]

    def test_alternatives_of_different_grades(self, found: list[Conflict]) -> None:
        geometry = [each for each in found if each.kind == "alternatives_in_other_grades" and each.subject == "4401"]

        assert "4301 Algebra I in grade 9, 4304 Accelerated Algebra I in grades 8, 9" in geometry[0].detail

    def test_physics_asks_twice_for_algebra(self, found: list[Conflict]) -> None:
        assert [each.subject for each in found if each.kind == "before_or_together"] == ["7400"]

    def test_chemistry_wants_a_grade_in_a_course_it_does_not_ask_for(self, found: list[Conflict]) -> None:
        assert [each.subject for each in found if each.kind == "grade_in_other_course"] == ["7301"]

    def test_a_waiver_nobody_can_see(self, found: list[Conflict]) -> None:
        assert [each.subject for each in found if each.kind == "waiver_not_checked"] == ["health"]

    def test_nothing_else_is_called_a_conflict(self, found: list[Conflict]) -> None:
        assert sum(each.severity == "conflict" for each in found) == 6


class TestImport:
    def test_says_everything_once(self, found: list[Conflict], emitted: Any) -> None:
        events = emitted()

        assert sum(isinstance(each, CourseChanged) for each in events) == 121
        assert sum(isinstance(each, CatalogPublished) for each in events) == 1
        assert [(each.key, each.is_default) for each in events if isinstance(each, RequirementsChanged)] == [
            ("us-sd-watertown-hs/university", True),
            ("us-sd-watertown-hs/cte", False),
            ("us-sd-watertown-hs/advanced_honors", False),
        ]

    def test_says_nothing_the_second_time(
        self, found: list[Conflict], database: Database, read: Any, rules: bytes, emitted: Any
    ) -> None:
        emitted()

        with database.transaction() as uow:
            publish_catalog(read("catalog.json").courses, uow=uow, school_year="2026-27", source="catalog.json")
            publish_document(load(rules, file=RULES, limit=LIMIT), uow=uow, file=RULES)

        assert emitted() == []

    def test_refuses_the_richer_rule_sets_each_with_its_lines(self, shared_data: Path, courses: Any) -> None:
        others = sorted(path for path in (shared_data / "requirements").glob("*.yaml") if path.name != RULES)
        assert others

        for path in others:
            with pytest.raises(ImportRefused) as refused:
                translate(load(path.read_bytes(), file=path.name, limit=LIMIT), file=path.name, courses=courses)
            assert all(each.file == path.name and each.where.startswith("line ") for each in refused.value.defects)
