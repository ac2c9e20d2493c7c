"""A small made-up school: a catalog and a rule set with the conflicts that matter."""

from decimal import Decimal
from typing import Any

from services.plans.audits.lines import Rulebook, compile_rules
from services.plans.audits.placements import Placement
from services.plans.audits.rules import Audit, LineResult, audit
from services.plans.catalog.rules import Catalog, Course, RequirementSet
from services.plans.plans.rules import AddCourse, Changed, Limits, apply_changes
from shared.events.catalog import MinimumGrade, Requirement
from shared.events.plans import Term

ALL_GRADES = (9, 10, 11, 12)
NO_LIMITS = Limits()
Line = dict[str, Any]


def course(code: str, title: str, department: str, credits: str = "1", **facts: Any) -> Course:
    return Course(code, title, department, Decimal(credits), **{"grades": ALL_GRADES, **facts})


COURSES = (
    course("EN9", "English 9", "English", grades=(9,)),
    course("EN10", "English 10", "English", grades=(10,), prerequisites=(("EN9",),)),
    course("EN11", "English 11", "English", grades=(11,), prerequisites=(("EN10",),)),
    course("SP1", "Speech", "English", "0.5", terms=("S1", "S2")),
    course("DE1", "Debate", "English", "0.5", terms=("S1", "S2")),
    course("MA1", "Algebra I", "Mathematics"),
    course("MA2", "Geometry", "Mathematics", prerequisites=(("MA1",),)),
    course("MA3", "Statistics", "Mathematics", "0.5", corequisites=(("MA2",),)),
    course("SC1", "Biology", "Science"),
    course("SC2", "Chemistry", "Science", minimum_grades=(MinimumGrade(codes=("SC1",), grade="C"),)),
    course("SO1", "US History", "Social Studies"),
    course("SO2", "Economics", "Social Studies", "0.5", grades=(11, 12)),
    course("BU1", "Personal Finance", "Business", "0.5", prerequisites=(("EN9", "EN10"),)),
    course("AR1", "Art", "Arts", "0.5", repeatable=2),
    course("SP01", "Spanish I", "Languages"),
    course("SP02", "Spanish II", "Languages", prerequisites=(("SP01",),)),
    course("FR01", "French I", "Languages"),
    course("OLD", "Typing", "Business", is_retired=True),
)

LINES: tuple[Line, ...] = (
    {"id": "english", "title": "English", "departments": ["English"], "credits": 3, "one_from_each": [["EN9"]]},
    {"id": "speech", "title": "Speech", "any_of": ["SP1", "DE1"], "credits": "0.5", "disjoint_from": ["english"]},
    {"id": "math", "title": "Math", "departments": ["Mathematics"], "credits": 2},
    {"id": "social", "title": "Social Studies", "departments": ["Social Studies"], "credits": "1.5"},
    {"id": "finance", "title": "Finance", "any_of": ["SO2", "BU1"], "credits": "0.5"},
)


def rules(*lines: Line, total: str = "8", key: str = "made-up/basic", is_default: bool = True) -> RequirementSet:
    requirements = tuple(Requirement.model_validate({"title": line["id"].title(), **line}) for line in lines or LINES)
    return RequirementSet(key, "the basic track", "credit", Decimal(total), is_default, requirements)


def catalog(*courses: Course) -> Catalog:
    return Catalog.of(courses or COURSES, [rules()])


def book(*lines: Line, of: Catalog | None = None, total: str = "8") -> Rulebook:
    return compile_rules(rules(*lines, total=total), of or catalog())


def placements(text: str) -> tuple[Placement, ...]:
    """`"EN9 9, SP1 9 S1, MA1 9 taken"`: code, grade level, and where it is not YEAR the term."""
    return tuple(_placement(words.split()) for words in text.split(",") if words.strip())


def _placement(words: list[str]) -> Placement:
    term: Term = next((word for word in words[2:] if word in ("S1", "S2")), "YEAR")  # type: ignore[assignment]
    return Placement(words[0], int(words[1]), term, "taken" if "taken" in words else "planned")


def audited(text: str, *lines: Line, of: Catalog | None = None) -> Audit:
    known = of or catalog()
    return audit(placements(text), book(*lines, of=known), known)


def line(found: Audit, id: str) -> LineResult:
    return next(each for each in found.lines if each.id == id)


def changed(text: str, *changes: Any, limits: Limits = NO_LIMITS) -> Changed:
    return apply_changes(placements(text), changes, catalog(), limits)


def additions(text: str) -> list[AddCourse]:
    return [AddCourse(each.code, each.grade, each.term) for each in placements(text)]
