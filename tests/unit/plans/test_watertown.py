from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.plans.audits.lines import compile_rules
from services.plans.audits.placements import Placement
from services.plans.audits.rules import Audit, audit
from services.plans.catalog.rules import Catalog, Course, RequirementSet
from services.plans.plans.rules import AddCourse, Limits, apply_changes
from shared.events.catalog import MinimumGrade, Requirement
from tests.support.watertown import catalog_courses, complete_university_plan, requirement_lines


def course(facts: dict[str, Any]) -> Course:
    return Course(
        code=facts["code"],
        title=facts["title"],
        department=facts["department"],
        credits=Decimal(str(facts["credits"])),
        grades=tuple(facts["grades"]),
        terms=("S1", "S2") if facts.get("term") == "quarter" else (),
        prerequisites=tuple(map(tuple, facts["prerequisites_cnf"])),
        minimum_grades=tuple(MinimumGrade(**each) for each in facts.get("min_grades", [])),
        corequisites=tuple(map(tuple, facts.get("corequisite", facts.get("pre_or_corequisite", [])))),
    )


@pytest.fixture(scope="module")
def watertown(shared_data: Path) -> Catalog:
    lines = tuple(Requirement(**line) for line in requirement_lines(shared_data, "university"))
    university = RequirementSet("watertown/university", "the university track", "credit", Decimal(24), True, lines)
    return Catalog.of(map(course, catalog_courses(shared_data)), [university])


@pytest.fixture(scope="module")
def complete(shared_data: Path, watertown: Catalog) -> tuple[Placement, ...]:
    additions = complete_university_plan(catalog_courses(shared_data))
    changes = [AddCourse(each["code"], each["grade"], each["term"]) for each in additions]
    return apply_changes([], changes, watertown, Limits()).placements


def audited(plan: tuple[Placement, ...], catalog: Catalog) -> Audit:
    assert catalog.default_set is not None
    return audit(plan, compile_rules(catalog.default_set, catalog), catalog)


class TestUniversityTrack:
    def test_a_complete_plan_is_on_track(self, complete: tuple[Placement, ...], watertown: Catalog) -> None:
        found = audited(complete, watertown)

        assert found.unmet == ()
        assert (len(complete), found.credits_planned) == (30, 24)
        assert found.summary == "You are on track: your plan meets everything in the university track."

    @pytest.mark.parametrize(
        ("dropped", "unmet"),
        [
            ({"2201"}, {"speech", "total_credits"}),
            ({"9120"}, {"finance", "total_credits"}),
            ({"2715"}, {"english", "total_credits"}),
            ({"8702"}, {"total_credits"}),  # Sociology stands in for Psychology in social studies
            ({"8410"}, {"native_american_studies", "total_credits"}),
            ({"3102"}, {"prerequisite:3103", "total_credits"}),  # Spanish III keeps the language met
            ({"4401"}, {"math", "prerequisite:4506", "total_credits"}),
        ],
    )
    def test_says_exactly_what_a_dropped_course_leaves_open(
        self, complete: tuple[Placement, ...], watertown: Catalog, dropped: set[str], unmet: set[str]
    ) -> None:
        found = audited(tuple(each for each in complete if each.code not in dropped), watertown)

        assert {each.id for each in found.unmet} == unmet

    def test_says_what_would_do(self, watertown: Catalog) -> None:
        sentences = {line.id: line.sentence for line in audited((), watertown).lines}

        assert sentences["speech"] == "You still need 0.5 credit of Speech: Speech I or Debate I would do."
        assert sentences["finance"].endswith("Economics or Personal Finance would do.")
