"""From YAML to the lines that plans are checked against, or to a precise refusal."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from services.catalog.courses.rules import Course
from services.catalog.imports import ImportRefused
from services.catalog.requirements.documents import load
from services.catalog.requirements.rules import RequirementSet
from services.catalog.requirements.translation import title_of, translate
from shared.events.catalog import Requirement

HEAD = """\
schema: ilp.requirements/v1
id: example-high
title: Example High
unit: {name: credit, per_year_course: 1.0, per_quarter_course: 0.5}
total: 24
code_system: local
"""


@pytest.fixture
def courses(course: Any) -> Mapping[str, Course]:
    listed = [
        course("100", department="English"),
        course("4301", department="Mathematics"),
        course("4502", department="Mathematics"),
        course("4601", department="Mathematics"),
        course("4700", department="Mathematics"),
        course("M-9", department="Mathematics"),
        course("9000", department="Science"),
    ]
    return {each.code: each for each in listed}


class Rules:
    """Translates rules written as YAML after the head."""

    def __init__(self, courses: Mapping[str, Course]) -> None:
        self.courses = courses

    def sets(self, body: str, head: str = HEAD) -> tuple[RequirementSet, ...]:
        document = load((head + body).encode(), file="rules.yaml", limit=100_000)
        return translate(document, file="rules.yaml", courses=self.courses)

    def line(self, line: str) -> Requirement:
        (rules,) = self.sets(f"requirements:\n  - {line}\n")
        return rules.requirements[0]

    def refusals(self, body: str, head: str = HEAD) -> list[str]:
        with pytest.raises(ImportRefused) as refused:
            self.sets(body, head)
        return [str(each) for each in refused.value.defects]

    def refused_line(self, line: str) -> list[str]:
        return self.refusals(f"requirements:\n  - {line}\n")


@pytest.fixture
def rules(courses: Mapping[str, Course]) -> Rules:
    return Rules(courses)


class TestSets:
    def test_without_tracks_there_is_one_set_with_the_id_as_key(self, rules: Rules) -> None:
        (only,) = rules.sets("requirements:\n  - {id: math, department: Mathematics, credits: 3}\n")

        assert (only.key, only.title, only.unit, only.total) == ("example-high", "Example High", "credit", 24)
        assert only.course_sizes == (Decimal("0.50"), Decimal("1.00"))
        assert only.places == {"math": "rules.yaml, line 8"}

    def test_each_track_is_a_set_with_its_own_title(self, rules: Rules) -> None:
        first, second = rules.sets(
            "tracks:\n"
            "  college_bound:\n    requirements: &core [{id: math, department: Mathematics, credits: 3}]\n"
            "  cte:\n    title: Trades\n    requirements: *core\n    extra: [{id: more, any_of: ['100']}]\n"
        )

        assert [first.key, second.key] == ["example-high/college_bound", "example-high/cte"]
        assert [first.title, second.title] == ["Example High: College Bound", "Example High: Trades"]
        assert [each.id for each in second.requirements] == ["math", "more"]

    def test_an_override_replaces_what_it_names_and_keeps_the_rest(self, rules: Rules) -> None:
        (only,) = rules.sets(
            "tracks:\n  honors:\n"
            "    requirements: [{id: math, department: Mathematics, credits: 3}, {id: art, any_of: ['100']}]\n"
            "    overrides: [{id: math, credits: 4, all_of: ['4301']}]\n"
        )

        math = only.requirements[0]
        assert (math.departments, math.credits, math.all_of) == (("Mathematics",), Decimal(4), ("4301",))
        assert len(only.requirements) == 2

    def test_facts_about_the_file_are_kept_as_remarks(self, rules: Rules) -> None:
        (only,) = rules.sets(
            "middle_school_credit_allowed: 4\nrequirements: [{id: math, department: Mathematics, credits: 3}]\n"
        )

        assert [(each.kind, each.subject, each.where) for each in only.remarks] == [
            ("not_checked", "middle_school_credit_allowed", "rules.yaml, line 7")
        ]

    def test_a_unit_may_be_a_plain_word(self, rules: Rules) -> None:
        (only,) = rules.sets(
            "requirements: [{id: math, department: Mathematics, credits: 3}]\n",
            head=HEAD.replace("{name: credit, per_year_course: 1.0, per_quarter_course: 0.5}", "unit"),
        )

        assert (only.unit, only.course_sizes) == ("unit", ())


class TestLines:
    def test_a_department(self, rules: Rules) -> None:
        line = rules.line("{id: math, department: Mathematics, credits: 3, exclude: [4301]}")

        assert line == Requirement(
            id="math", title="Mathematics", credits=Decimal(3), departments=("Mathematics",), exclude=("4301",)
        )

    def test_an_area_is_the_department_of_that_name(self, rules: Rules) -> None:
        assert rules.line("{id: english, area: english, credits: 4}").departments == ("English",)

    def test_an_area_beside_named_courses_is_a_heading(self, rules: Rules) -> None:
        line = rules.line("{id: speech, area: english, credits: 0.5, any_of: ['100']}")

        assert (line.departments, line.any_of) == ((), ("100",))

    def test_groups_and_named_courses(self, rules: Rules) -> None:
        line = rules.line("{id: core, one_from_each: [['100', '4301'], ['9000']], all_of: ['4700'], title: The core}")

        assert (line.title, line.one_from_each, line.all_of) == ("The core", (("100", "4301"), ("9000",)), ("4700",))

    def test_a_range_of_codes_is_resolved_within_the_department(self, rules: Rules) -> None:
        (only,) = rules.sets(
            "requirements:\n  - {id: math, department: Mathematics, credits: 4, one_from_each: [['4301']],"
            " plus_any: {codes: ['4502'], or_code_greater_than: 4600}}\n"
        )

        assert only.requirements[0].one_from_each == (("4301",), ("4502", "4601", "4700"))
        assert [each.kind for each in only.remarks] == ["range_resolved"]

    def test_clusters_with_their_rule_in_words(self, rules: Rules) -> None:
        (only,) = rules.sets(
            "requirements:\n  - id: cte\n"
            "    rule: all listed courses of one cluster, or at least 1.5 credits in it\n"
            "    clusters: {Health Science: ['100'], STEM: ['9000'], Sorcery: ['4301']}\n"
        )

        (line,) = only.requirements
        assert line.title == "CTE"
        assert line.cluster_credits == Decimal("1.50")
        assert line.clusters == {"Health Science": ("100",), "STEM": ("9000",), "Sorcery": ("4301",)}
        assert [each.detail.partition(" is ")[2] for each in only.remarks] == [
            "taken to be Science, Technology, Engineering & Mathematics",
            "none of the sixteen career clusters",
        ]

    def test_alternatives_may_point_to_a_line_of_another_track(self, rules: Rules) -> None:
        _, second = rules.sets(
            "tracks:\n"
            "  cte:\n    requirements: [{id: cluster, clusters: {Finance: ['100']}, cluster_credits: 1}]\n"
            "  honors:\n    requirements:\n"
            "      - {id: either, any: [{department: Science, credits: 2}, {cluster: satisfied}]}\n"
        )

        one, other = second.requirements[0].alternatives
        assert (one.id, one.title, one.credits) == ("either.1", "Science", Decimal(2))
        assert (other.id, other.clusters) == ("cluster", {"Finance": ("100",)})

    def test_one_language(self, rules: Rules) -> None:
        line = (
            "{id: l, department: Science, credits: 2, same_language: true, language_key: first two digits of the code}"
        )

        assert rules.line(line).same_language

    def test_a_waiver_and_a_remark_are_said_but_not_checked(self, rules: Rules) -> None:
        (only,) = rules.sets("requirements:\n  - {id: health, any_of: ['100'], waived_if: done before, note: ask}\n")

        assert only.requirements[0].note == "Waived if: done before ask"
        assert [each.kind for each in only.remarks] == ["waiver_not_checked", "source_remark"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            (
                "{id: la, department: English, include: []}",
                "rules.yaml, line 8: la.include: a requirement cannot say this",
            ),
            ("{department: English, credits: 1}", "line 8: id: missing"),
            ("{id: [1], department: English, credits: 1}", "line 8: id [1]: must be a name"),
            ("{id: A, department: English, credits: 1}", "line 8: id 'A': must be a name of small letters"),
            ("{id: la, department: English, credits: many}", "line 8: credits 'many': must be a number from 0 to 1000"),
            (
                "{id: la, area: wizardry, credits: 1}",
                "line 8: area 'wizardry': a department of the catalog (English, Math",
            ),
            ("{id: la, credits: 5.5}", "line 8: la '5.50 credits': which courses count"),
            ("{id: la}", "line 8: la: credits, named courses, clusters or alternatives; it asks for nothing"),
            ("{id: la, any_of: []}", "line 8: any_of []: must be a list of codes"),
            ("{id: la, any_of: [a b]}", "line 8: any_of ['a b']: must be a course code"),
            ("{id: la, one_from_each: ['100']}", "line 8: one_from_each ['100']: must be a list of lists"),
            ("{id: la, any_of: ['100'], disjoint_from: [nobody]}", "disjoint_from 'nobody': the id of another line"),
            ("{id: la, any_of: ['100'], same_language: maybe}", "same_language 'maybe': must be true or false"),
            ("{id: la, any_of: ['100'], language_key: the title}", "plans know no other way to tell languages"),
            ("{id: la, clusters: {}}", "clusters {}: a mapping from a cluster to its course codes"),
            ("{id: la, clusters: {Finance: x}}", "Finance 'x': must be a list of codes"),
            ("{id: la, clusters: {Finance: ['100']}, rule: all of it}", "rule 'all of it': only 'all listed courses"),
            ("{id: la, any: [{nobody: satisfied}]}", "la.any 'nobody': one other line of the file"),
            ("{id: la, any: [{la: satisfied}]}", "la.any 'la': one other line of the file"),
            ("{id: la, any_of: ['100'], plus_any: [1]}", "plus_any [1]: a mapping with codes"),
            ("{id: la, any_of: ['100'], plus_any: {or_code_greater_than: x}}", "must be a whole number"),
            ("just a word", "requirements 'just a word': a mapping such as {id: math"),
        ],
    )
    def test_name_the_line_and_what_is_supported(self, rules: Rules, line: str, complaint: str) -> None:
        assert complaint in "\n".join(rules.refused_line(line))

    @pytest.mark.parametrize(
        ("body", "complaint"),
        [
            ("", "line 1: requirements: a list of requirements"),
            ("requirements: []\n", "line 7: requirements []: a list of requirements"),
            ("tracks: {}\n", "line 7: tracks {}: a mapping from a track's name"),
            ("tracks: {Big: {requirements: []}}\n", "line 7: Big: a track named in small letters"),
            (
                "tracks: {a: {requirements: [{id: x, any_of: ['100']}], also: 1}}\n",
                "also: a track has title, requirements",
            ),
            (
                "tracks: {a: {requirements: [{id: x, any_of: ['100']}], overrides: [{id: y}]}}\n",
                "id 'y': the id of a line it overrides: x",
            ),
            ("requirements: [{id: x, any_of: ['100']}]\noverlays: []\n", "line 8: overlays: no rule of this kind"),
            ("requirements: [{id: x, any_of: ['100']}]\nmin_course_grade: C\n", "line 8: min_course_grade 'C'"),
            (
                "requirements: [{id: x, any_of: ['100']}, {id: x, any_of: ['100']}]\n",
                "id 'x': each id once in a track",
            ),
        ],
    )
    def test_of_whole_files(self, rules: Rules, body: str, complaint: str) -> None:
        assert complaint in "\n".join(rules.refusals(body))

    @pytest.mark.parametrize(
        ("was", "would_be", "complaint"),
        [
            ("ilp.requirements/v1", "ilp.requirements/v9", "line 1: schema 'ilp.requirements/v9': must be ilp.requ"),
            ("total: 24", "total: null", "line 5: total: must be a number"),
            ("code_system: local", "code_system: slug", "line 6: code_system 'slug': local: requirements must name"),
            ("id: example-high", "id: Example High", "line 2: id 'Example High': must be a name"),
            ("title: Example High\n", "", "line 1: title: missing"),
        ],
    )
    def test_of_the_head(self, rules: Rules, was: str, would_be: str, complaint: str) -> None:
        body = "requirements: [{id: math, department: Mathematics, credits: 3}]\n"

        assert complaint in "\n".join(rules.refusals(body, head=HEAD.replace(was, would_be)))

    def test_are_all_told_at_once(self, rules: Rules) -> None:
        found = rules.refusals("requirements:\n  - {id: a}\n  - {id: b, tag: lab}\n  - {id: c, credits: -1}\n")

        assert {each.split(", ")[1].partition(":")[0] for each in found} == {"line 8", "line 9", "line 10"}


class TestTitleOf:
    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("native_american_studies", "Native American Studies"),
            ("language_or_cte", "Language or CTE"),
            ("advanced-honors", "Advanced Honors"),
            ("pe", "PE"),
        ],
    )
    def test_reads_like_words(self, name: str, title: str) -> None:
        assert title_of(name) == title
