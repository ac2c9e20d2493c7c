"""What the sample district writes, the importers take: nothing refused, no contradiction, every plan on track."""

from pathlib import Path

import pytest

from services.catalog.courses.contradictions import contradictions
from services.catalog.courses.parsing import CatalogFile, parse_catalog
from services.catalog.requirements import documents
from services.catalog.requirements.rules import RequirementSet
from services.catalog.requirements.translation import translate
from services.mentorship.partners.clusters import CLUSTERS as MENTORSHIP_CLUSTERS
from services.mentorship.partners.rules import parse_partners
from services.plans.audits.lines import compile_rules
from services.plans.audits.rules import audit
from services.plans.catalog.rules import Catalog, Course
from services.plans.catalog.rules import RequirementSet as PlanRules
from services.plans.plans.rules import CLUSTERS, AddCourse, Limits, apply_changes
from services.roster.imports.caseload_file import read_caseload
from services.roster.imports.findings import Findings
from services.roster.imports.oneroster import read_oneroster
from services.roster.imports.package import open_package
from services.roster.imports.progress import silent
from services.sample.catalog import PATHWAYS
from services.sample.reading import read_plans
from services.sample.requirements import DEFAULT_TRACK, RULE_SET

LIMIT = 10_000_000


@pytest.fixture(scope="session")
def catalog(district: Path) -> CatalogFile:
    return parse_catalog((district / "catalog.json").read_bytes(), file="catalog.json", limit=LIMIT)


@pytest.fixture(scope="session")
def sets(district: Path, catalog: CatalogFile) -> tuple[RequirementSet, ...]:
    content = (district / "requirements.yaml").read_bytes()
    document = documents.load(content, file="requirements.yaml", limit=LIMIT)
    return translate(document, file="requirements.yaml", courses={course.code: course for course in catalog.courses})


@pytest.fixture(scope="session")
def facts(catalog: CatalogFile, sets: tuple[RequirementSet, ...]) -> Catalog:
    """Catalog and rules as the plans service knows them."""
    courses = [
        Course(
            code=each.code,
            title=each.title,
            department=each.department,
            credits=each.credits,
            grades=each.grades,
            terms=each.terms,  # type: ignore[arg-type]
            prerequisites=each.prerequisites,
            repeatable=each.repeatable,
        )
        for each in catalog.courses
    ]
    rules = [
        PlanRules(each.key, each.title, each.unit, each.total, number == 0, each.requirements)
        for number, each in enumerate(sets)
    ]
    return Catalog.of(courses, rules)


class TestSampleIsImportable:
    def test_the_catalog_has_no_contradictions(self, catalog: CatalogFile) -> None:
        assert catalog.school_year == "2026-27"
        assert contradictions(catalog.courses) == []

    def test_the_requirements_are_understood_whole(self, sets: tuple[RequirementSet, ...]) -> None:
        assert [each.key for each in sets] == [f"{RULE_SET}/{DEFAULT_TRACK}", f"{RULE_SET}/college_prep"]
        assert [remark.detail for each in sets for remark in each.remarks] == []

    def test_every_plan_is_taken_and_on_track(self, district: Path, facts: Catalog) -> None:
        assert facts.default_set is not None
        book = compile_rules(facts.default_set, facts)
        limits = Limits(may_record_taken=True)
        for plan in read_plans(district / "plans.json"):
            changes = [AddCourse(each["code"], each["grade"], each["term"], each["state"]) for each in plan.changes]

            placed = apply_changes((), changes, facts, limits).placements

            found = audit(placed, book, facts)
            assert (found.unmet, found.findings) == ((), ()), plan.student_sourced_id

    def test_goals_are_clusters_everybody_knows(self) -> None:
        assert set(PATHWAYS) == set(CLUSTERS) <= set(MENTORSHIP_CLUSTERS)

    def test_the_partners_cover_every_cluster_in_both_languages(self, district: Path) -> None:
        partners = parse_partners((district / "partners.csv").read_bytes(), file="partners.csv")

        assert len({partner.organization for partner in partners}) == len(partners) == 40
        assert {cluster for partner in partners for cluster in partner.clusters} == set(CLUSTERS)
        spanish = {cluster for partner in partners if "es" in partner.languages for cluster in partner.clusters}
        assert spanish == set(CLUSTERS)

    def test_the_roster_is_read_without_a_remark(self, district: Path) -> None:
        findings = Findings()
        with (
            open_package(district / "oneroster", max_bytes=LIMIT, findings=findings) as package,
            read_oneroster(package, source=None, region="US", findings=findings, progress=silent) as snapshot,
        ):
            assert [str(finding) for finding in findings.listed()] == []
            assert {person.language for person in snapshot.people()} == {"en", "es"}

    def test_the_caseload_is_read_without_a_remark(self, district: Path) -> None:
        findings = Findings()
        with (
            open_package(district / "caseload.csv", max_bytes=LIMIT, findings=findings) as package,
            read_caseload(package, source=None, findings=findings, progress=silent),
        ):
            assert [str(finding) for finding in findings.listed()] == []
