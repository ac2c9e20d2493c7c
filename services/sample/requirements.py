"""The graduation requirements of the sample district, as the YAML file that `signpost import requirements` reads."""

import yaml

from services.sample import catalog

RULE_SET = "prairie-ridge"
# The first track of a file is the one a plan is checked against until another is chosen.
DEFAULT_TRACK = "standard"
TOTAL_CREDITS = 24

_CORE = [
    {
        "id": "english",
        "title": "English",
        "department": catalog.ENGLISH,
        "credits": 4,
        "one_from_each": [
            ["ENG-101", "ENG-102"],
            ["ENG-201", "ENG-202"],
            ["ENG-301", "ENG-302"],
            ["ENG-401", "ENG-402"],
        ],
    },
    {
        "id": "math",
        "title": "Mathematics",
        "department": catalog.MATHEMATICS,
        "credits": 3,
        "one_from_each": [["MAT-101"]],
    },
    {"id": "science", "title": "Science", "department": catalog.SCIENCE, "credits": 3, "one_from_each": [["SCI-101"]]},
    {
        "id": "social",
        "title": "Social studies",
        "department": catalog.SOCIAL,
        "credits": 3,
        "one_from_each": [["SOC-201"], ["SOC-301", "SOC-302"], ["SOC-401"]],
    },
    {"id": "finance", "title": "Money matters", "any_of": ["BUS-210", "SOC-410"], "credits": 0.5},
    {"id": "pe", "title": "Physical education", "department": catalog.FITNESS, "credits": 1},
    {"id": "health", "title": "Health", "any_of": ["HEA-101"], "credits": 0.5},
    {"id": "arts", "title": "Arts", "department": catalog.ARTS, "credits": 1},
    {"id": "career", "title": "Career courses", "departments": list(catalog.CAREER_DEPARTMENTS), "credits": 2},
]


def requirements_document() -> str:
    document = {
        "schema": "ilp.requirements/v1",
        "id": RULE_SET,
        "title": "Prairie Ridge graduation requirements",
        "jurisdiction": {"level": "district", "district": "Prairie Ridge Public Schools"},
        "unit": {"name": "credit", "per_year_course": 1.0},
        "total": TOTAL_CREDITS,
        "code_system": "local",
        "catalog": "catalog.json",
        "tracks": {DEFAULT_TRACK: {"requirements": _CORE}, "college_prep": _college_prep()},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _college_prep() -> dict[str, object]:
    return {
        "requirements": _CORE,
        "overrides": [
            {"id": "math", "credits": 4, "one_from_each": [["MAT-101"], ["MAT-201"], ["MAT-301"]]},
            {"id": "science", "credits": 3, "all_of": ["SCI-101", "SCI-201"]},
        ],
        "extra": [{"id": "world_language", "title": "World language", "department": catalog.LANGUAGES, "credits": 2}],
    }
