"""
The real course catalog and graduation rules of Watertown High School.

Nothing of it is in this repository: the `shared_data` fixture says where it is.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

# Code, grade level and term of a plan that meets the university track: 30 courses, 24 credits.
_UNIVERSITY = """
    2401 9 YEAR   4301 9 YEAR   7201 9 YEAR   2201 9 S1    8101 9 S2   6105 9 S1   6101 9 S2   3101 9 YEAR   5105 9 YEAR
    2501 10 YEAR  4401 10 YEAR  7101 10 YEAR  8201 10 S1   8410 10 S2  3102 10 YEAR  1101 10 S1  1105 10 S2
    2601 11 YEAR  4506 11 YEAR  7206 11 YEAR  8304 11 YEAR  9120 11 S1  8702 11 S2  14001 11 YEAR
    3103 11 YEAR
    2715 12 YEAR  8401 12 S1    8703 12 S2    14002 12 YEAR  7209 12 YEAR
"""


def complete_university_plan(catalog: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    Additions, as `POST .../plan/changes` takes them, that bring an empty plan on track for the university.

    Args:
        catalog: The courses of the catalog file; each one planned must be among them.
    """
    offered = {course["code"] for course in catalog}
    words = _UNIVERSITY.split()
    plan = [
        {"action": "add", "code": code, "grade": int(grade), "term": term}
        for code, grade, term in zip(words[::3], words[1::3], words[2::3], strict=True)
    ]
    assert offered.issuperset(change["code"] for change in plan)
    return plan


def catalog_courses(data: Path) -> list[dict[str, Any]]:
    text = (data / "course_catalog_watertown_sd" / "catalog.json").read_text()
    courses: list[dict[str, Any]] = json.loads(text)["courses"]
    return courses


def requirement_lines(data: Path, track: str) -> list[dict[str, Any]]:
    """The lines of a track as fields of the contract's `Requirement`, without what the file says in prose."""
    text = (data / "requirements" / "watertown_sd_local.yaml").read_text()
    rules = yaml.safe_load(text)["tracks"][track]
    return [_line(line) for line in [*rules["requirements"], *rules.get("extra", [])]]


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    known = ("id", "credits", "any_of", "one_from_each", "exclude", "same_language", "disjoint_from", "departments")
    fields = {name: line[name] for name in known if name in line}
    if "department" in line:
        fields["departments"] = [line["department"]]
    elif "area" in line and "any_of" not in line:
        fields["departments"] = [line["area"].title()]
    return {"title": line["id"].replace("_", " ").title(), **fields}
