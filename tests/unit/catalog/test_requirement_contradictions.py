"""Where a rule set and the catalog contradict each other."""

from decimal import Decimal
from typing import Any

from services.catalog.courses.rules import Course
from services.catalog.requirements.contradictions import contradictions
from services.catalog.requirements.rules import Remark, RequirementSet
from shared.events.catalog import Requirement


def rule_set(*lines: Requirement, **facts: Any) -> RequirementSet:
    return RequirementSet(key="r", title="Rules", unit="credit", total=Decimal(24), requirements=lines, **facts)


def found(rules: RequirementSet, *courses: Course, retired: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return [(each.kind, each.subject) for each in contradictions(rules, {each.code: each for each in courses}, retired)]


class TestContradictions:
    def test_finds_none_where_the_catalog_can_meet_the_rules(self, course: Any) -> None:
        line = Requirement(id="science", title="Science", credits=Decimal(2), departments=("Science",))

        assert found(rule_set(line), course("1"), course("2")) == []

    def test_reports_a_line_for_which_the_fitting_courses_are_not_worth_enough(self, course: Any) -> None:
        line = Requirement(id="history", title="History", credits=Decimal(1), any_of=("1",))
        rules = rule_set(line, places={"history": "rules.yaml, line 9"})

        (finding,) = contradictions(rules, {"1": course("1", credits=Decimal("0.5"))})

        assert (finding.kind, finding.severity, finding.where) == ("out_of_reach", "conflict", "rules.yaml, line 9")
        assert finding.detail == "history asks for 1, but what fits (1 Course 1) is worth 0.5 in all"

    def test_counts_a_repeatable_course_as_often_as_it_may_be_taken(self, course: Any) -> None:
        line = Requirement(id="music", title="Music", credits=Decimal(2), any_of=("1",))

        assert found(rule_set(line), course("1", repeatable=2)) == []

    def test_leaves_excluded_courses_out(self, course: Any) -> None:
        line = Requirement(id="pe", title="PE", credits=Decimal(2), departments=("Science",), exclude=("2",))

        assert found(rule_set(line), course("1"), course("2")) == [("out_of_reach", "pe")]

    def test_reports_courses_and_departments_the_catalog_does_not_have(self, course: Any) -> None:
        line = Requirement(
            id="a", title="A", departments=("Alchemy",), one_from_each=(("1", "9"),), clusters={"Finance": ("8",)}
        )

        assert found(rule_set(line), course("1"), retired=frozenset({"9"})) == [
            ("course_absent", "a"),
            ("course_absent", "a"),
            ("department_absent", "a"),
        ]

    def test_looks_into_alternatives(self, course: Any) -> None:
        inner = Requirement(id="a.1", title="One", any_of=("9",))

        assert found(rule_set(Requirement(id="a", title="A", alternatives=(inner,))), course("1")) == [
            ("course_absent", "a.1")
        ]

    def test_reports_alternatives_that_are_not_worth_the_same(self, course: Any) -> None:
        line = Requirement(id="us", title="US", one_from_each=(("1", "2"),))

        assert found(rule_set(line), course("1"), course("2", credits=Decimal("1.5"))) == [
            ("alternatives_worth_differently", "us")
        ]

    def test_reports_lines_that_ask_for_more_than_the_total(self, course: Any) -> None:
        line = Requirement(id="a", title="A", credits=Decimal(25), departments=("Science",))
        many = [course(str(number)) for number in range(30)]

        assert found(rule_set(line), *many) == [("lines_exceed_total", "total")]

    def test_reports_a_course_of_a_worth_the_rule_set_does_not_know(self, course: Any) -> None:
        rules = rule_set(course_sizes=(Decimal("0.5"), Decimal(1)))

        assert found(rules, course("1", credits=Decimal("1.5")), course("2", credits=Decimal(0))) == [
            ("unusual_credits", "1")
        ]

    def test_takes_a_shorter_course_for_granted_where_only_the_long_one_has_a_worth(self, course: Any) -> None:
        rules = rule_set(course_sizes=(Decimal(1),))

        assert found(rules, course("1", credits=Decimal("0.5")), course("2", credits=Decimal(2))) == [
            ("unusual_credits", "2")
        ]

    def test_hands_on_the_remarks_of_the_file(self) -> None:
        remark = Remark("waiver_not_checked", "health", "note", "health may be waived", "rules.yaml, line 3")

        (finding,) = contradictions(rule_set(remarks=(remark,)), {})

        assert (finding.scope, finding.kind, finding.where) == ("r", "waiver_not_checked", "rules.yaml, line 3")
