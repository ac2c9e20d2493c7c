"""The courses of the sample district, and which of them lead to which career cluster."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

YEAR = ("YEAR",)
SEMESTERS = ("S1", "S2")

ENGLISH = "English"
MATHEMATICS = "Mathematics"
SCIENCE = "Science"
SOCIAL = "Social Studies"
LANGUAGES = "World Languages"
ARTS = "Arts"
FITNESS = "Physical Education"
HEALTH = "Health"
BUSINESS = "Business"
TECHNOLOGY = "Technology & Engineering"
TRADES = "Skilled Trades"
CAREERS = "Human & Health Careers"
AGRICULTURE = "Agriculture"
CAREER_DEPARTMENTS = (BUSINESS, TECHNOLOGY, TRADES, CAREERS, AGRICULTURE)


@dataclass(frozen=True)
class Course:
    """One course. `needs` is in conjunctive normal form: one course of each inner tuple comes first."""

    code: str
    title: str
    department: str
    credits: Decimal
    grades: tuple[int, ...]
    terms: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...] = ()
    tags: tuple[str, ...] = ()
    repeatable: int = 1


def _course(
    code: str, title: str, department: str, grades: str, *needs: str, tags: str = "", repeat: int = 1
) -> Course:
    """
    A course of one row below.

    Args:
        grades: First and last grade level, `~` in front for half a credit in one semester.
        needs: Groups of codes with `|` between; one course of each group comes first.
    """
    first, _, last = grades.lstrip("~").partition("-")
    is_half = grades.startswith("~")
    return Course(
        code=code,
        title=title,
        department=department,
        credits=Decimal("0.5") if is_half else Decimal(1),
        grades=tuple(range(int(first), int(last or first) + 1)),
        terms=SEMESTERS if is_half else YEAR,
        needs=tuple(tuple(group.split("|")) for group in needs),
        tags=tuple(tags.split(";")) if tags else (),
        repeatable=repeat,
    )


COURSES: tuple[Course, ...] = (
    _course("ENG-101", "English 9", ENGLISH, "9"),
    _course("ENG-102", "Honors English 9", ENGLISH, "9", tags="Honors"),
    _course("ENG-201", "English 10", ENGLISH, "10", "ENG-101|ENG-102"),
    _course("ENG-202", "Honors English 10", ENGLISH, "10", "ENG-101|ENG-102", tags="Honors"),
    _course("ENG-301", "English 11: American Voices", ENGLISH, "11", "ENG-201|ENG-202"),
    _course("ENG-302", "AP English Language", ENGLISH, "11", "ENG-201|ENG-202", tags="AP"),
    _course("ENG-401", "English 12: Writing for Work and College", ENGLISH, "12", "ENG-301|ENG-302"),
    _course("ENG-402", "AP English Literature", ENGLISH, "12", "ENG-301|ENG-302", tags="AP"),
    _course("ENG-150", "Public Speaking", ENGLISH, "~9-12"),
    _course("ENG-250", "Creative Writing", ENGLISH, "~10-12"),
    _course("MAT-101", "Algebra I", MATHEMATICS, "9-10"),
    _course("MAT-201", "Geometry", MATHEMATICS, "10-11", "MAT-101"),
    _course("MAT-301", "Algebra II", MATHEMATICS, "10-12", "MAT-101"),
    _course("MAT-310", "Statistics in Everyday Life", MATHEMATICS, "11-12", "MAT-101"),
    _course("MAT-320", "Mathematics for Trades and Business", MATHEMATICS, "11-12", "MAT-101"),
    _course("MAT-401", "Precalculus", MATHEMATICS, "11-12", "MAT-201", "MAT-301"),
    _course("MAT-402", "AP Calculus", MATHEMATICS, "12", "MAT-401", tags="AP"),
    _course("SCI-101", "Biology", SCIENCE, "9-10"),
    _course("SCI-201", "Chemistry", SCIENCE, "10-12", "SCI-101", "MAT-101"),
    _course("SCI-210", "Earth and Environment", SCIENCE, "10-12"),
    _course("SCI-301", "Physics", SCIENCE, "11-12", "MAT-201"),
    _course("SCI-310", "Anatomy and Physiology", SCIENCE, "11-12", "SCI-101"),
    _course("SCI-320", "Wildlife and Prairie Ecology", SCIENCE, "11-12", "SCI-101"),
    _course("SCI-401", "AP Biology", SCIENCE, "11-12", "SCI-101", "SCI-201", tags="AP"),
    _course("SOC-101", "World Geography", SOCIAL, "~9"),
    _course("SOC-110", "Community and Citizenship", SOCIAL, "~9"),
    _course("SOC-201", "World History", SOCIAL, "10"),
    _course("SOC-301", "United States History", SOCIAL, "11"),
    _course("SOC-302", "AP United States History", SOCIAL, "11", tags="AP"),
    _course("SOC-401", "American Government", SOCIAL, "~12"),
    _course("SOC-410", "Economics", SOCIAL, "~11-12"),
    _course("SOC-420", "Psychology", SOCIAL, "~11-12"),
    _course("SPA-101", "Spanish I", LANGUAGES, "9-11"),
    _course("SPA-201", "Spanish II", LANGUAGES, "10-12", "SPA-101"),
    _course("SPA-301", "Spanish III", LANGUAGES, "11-12", "SPA-201"),
    _course("SPH-101", "Spanish for Heritage Speakers I", LANGUAGES, "9-11"),
    _course("SPH-201", "Spanish for Heritage Speakers II", LANGUAGES, "10-12", "SPH-101"),
    _course("FRE-101", "French I", LANGUAGES, "9-11"),
    _course("FRE-201", "French II", LANGUAGES, "10-12", "FRE-101"),
    _course("ART-101", "Art Foundations", ARTS, "9-12"),
    _course("ART-201", "Drawing and Painting", ARTS, "10-12", "ART-101"),
    _course("ART-150", "Ceramics", ARTS, "~9-12"),
    _course("ART-160", "Theater Workshop", ARTS, "~9-12"),
    _course("MUS-101", "Concert Band", ARTS, "9-12", repeat=4),
    _course("MUS-110", "Concert Choir", ARTS, "9-12", repeat=4),
    _course("PED-101", "Foundations of Fitness", FITNESS, "~9"),
    _course("PED-201", "Team Sports", FITNESS, "~10-12"),
    _course("PED-210", "Strength and Conditioning", FITNESS, "~10-12"),
    _course("PED-220", "Lifetime Outdoor Activities", FITNESS, "~10-12"),
    _course("HEA-101", "Health and Wellbeing", HEALTH, "~9-10"),
    _course("BUS-101", "Introduction to Business", BUSINESS, "9-11"),
    _course("BUS-210", "Personal Finance", BUSINESS, "~10-12"),
    _course("BUS-220", "Accounting", BUSINESS, "10-12", "BUS-101"),
    _course("BUS-230", "Marketing and Media", BUSINESS, "10-12", "BUS-101"),
    _course("BUS-310", "Entrepreneurship", BUSINESS, "11-12", "BUS-101"),
    _course("ITE-101", "Computer Science Foundations", TECHNOLOGY, "9-11"),
    _course("ITE-201", "Programming", TECHNOLOGY, "10-12", "ITE-101"),
    _course("ITE-301", "Cybersecurity", TECHNOLOGY, "11-12", "ITE-101"),
    _course("EGR-101", "Introduction to Engineering", TECHNOLOGY, "9-11"),
    _course("EGR-201", "Robotics", TECHNOLOGY, "10-12", "EGR-101"),
    _course("AVP-101", "Digital Media", TECHNOLOGY, "9-11"),
    _course("AVP-201", "Video Production", TECHNOLOGY, "10-12", "AVP-101"),
    _course("MFG-101", "Welding I", TRADES, "9-11"),
    _course("MFG-201", "Welding II", TRADES, "10-12", "MFG-101"),
    _course("CON-101", "Building Trades I", TRADES, "9-11"),
    _course("CON-201", "Building Trades II", TRADES, "10-12", "CON-101"),
    _course("AUT-101", "Automotive Service I", TRADES, "9-11"),
    _course("AUT-201", "Automotive Service II", TRADES, "10-12", "AUT-101"),
    _course("HSC-101", "Introduction to Health Careers", CAREERS, "9-11"),
    _course("HSC-201", "Medical Terminology and First Aid", CAREERS, "10-12", "HSC-101"),
    _course("HSC-301", "Nursing Assistant", CAREERS, "11-12", "HSC-201", tags="Certificate"),
    _course("HUM-101", "Child and Family Studies", CAREERS, "9-11"),
    _course("HUM-201", "Teaching and Learning", CAREERS, "10-12", "HUM-101"),
    _course("CUL-101", "Culinary Arts I", CAREERS, "9-11"),
    _course("CUL-201", "Culinary Arts II", CAREERS, "10-12", "CUL-101"),
    _course("LAW-101", "Law and Public Safety", CAREERS, "9-11"),
    _course("LAW-201", "Criminal Justice", CAREERS, "10-12", "LAW-101"),
    _course("AGR-101", "Introduction to Agriculture", AGRICULTURE, "9-11"),
    _course("AGR-201", "Animal Science", AGRICULTURE, "10-12", "AGR-101"),
    _course("AGR-301", "Agribusiness", AGRICULTURE, "11-12", "AGR-101"),
)
BY_CODE: Mapping[str, Course] = {course.code: course for course in COURSES}

# The career courses of each cluster, in the order in which they are taken.
PATHWAYS: Mapping[str, tuple[str, ...]] = {
    "Agriculture, Food & Natural Resources": ("AGR-101", "AGR-201", "AGR-301"),
    "Architecture & Construction": ("CON-101", "CON-201"),
    "Arts, Audio/Video Technology & Communications": ("AVP-101", "AVP-201"),
    "Business Management & Administration": ("BUS-101", "BUS-220", "BUS-310"),
    "Education & Training": ("HUM-101", "HUM-201"),
    "Finance": ("BUS-101", "BUS-220"),
    "Government & Public Administration": ("LAW-101", "LAW-201"),
    "Health Science": ("HSC-101", "HSC-201", "HSC-301"),
    "Hospitality & Tourism": ("CUL-101", "CUL-201"),
    "Human Services": ("HUM-101", "HUM-201"),
    "Information Technology": ("ITE-101", "ITE-201", "ITE-301"),
    "Law, Public Safety, Corrections & Security": ("LAW-101", "LAW-201"),
    "Manufacturing": ("MFG-101", "MFG-201"),
    "Marketing": ("BUS-101", "BUS-230"),
    "Science, Technology, Engineering & Mathematics": ("EGR-101", "EGR-201"),
    "Transportation, Distribution & Logistics": ("AUT-101", "AUT-201"),
}


def catalog_document(school_year: str) -> str:
    """The catalog as the JSON file that `signpost import catalog` reads."""
    document = {
        "school": "Prairie Ridge Public Schools",
        "school_year": school_year,
        "unit": "credit",
        "courses": [_entry(course) for course in COURSES],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _entry(course: Course) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "code": course.code,
        "title": course.title,
        "department": course.department,
        "grades": list(course.grades),
        "credits": float(course.credits),
        "terms": list(course.terms),
        "tags": list(course.tags),
        "prerequisites_cnf": [list(group) for group in course.needs],
    }
    return entry if course.repeatable == 1 else {**entry, "repeatable": {"max": course.repeatable}}
