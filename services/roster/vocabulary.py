"""The words of OneRoster, Microsoft SDS and Ed-Fi, and ours for them."""

import re
from functools import lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.core import get_global

Role = Literal["student", "guardian", "counselor", "case_manager", "teacher", "staff"]

STUDENT: Role = "student"
GUARDIAN: Role = "guardian"
STAFF_ROLES: frozenset[str] = frozenset({"counselor", "case_manager", "teacher", "staff"})

# OneRoster 1.1 users.role and 1.2 roles.role, then those only Microsoft SDS 2.1 knows.
ROLES_V1P1 = frozenset({"administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"})
ROLES_V1P2 = frozenset(
    {"aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor", "relative"}
    | {"siteAdministrator", "student", "systemAdministrator", "teacher"}
)
ROLES_SDS = ROLES_V1P2 | frozenset(
    {"adjunct", "administrator", "alumni", "assistant", "chair", "chiefTechnologyOfficer", "contact", "coach", "dean"}
    | {"director", "doctoral", "emergencyContact", "faculty", "graduate", "instructor", "itAdmin", "lecturer"}
    | {"nonInstructionalStaff", "officeStaff", "other", "paraprofessional", "professor", "provost", "researcher"}
    | {"retired", "specialist", "staff", "substitute", "teacherAssistant", "transferStudent", "tutor", "undergraduate"}
    | {"doctor", "nurse", "caseworker", "aide", "fieldServicesAdministrator", "formTeacher"}
)
GUARDIAN_ROLES = frozenset({"guardian", "parent", "relative"})
TEACHER_ROLES = frozenset({"teacher", "professor", "faculty", "instructor", "lecturer", "adjunct", "formTeacher"})

# CEDS codes of a grade, as the number a plan counts by; UG and Other are grades without a number.
GRADE_CODES: dict[str, int | None] = {
    "IT": -3,
    "PR": -2,
    "PK": -1,
    "TK": 0,
    "KG": 0,
    **{f"{number:02}": number for number in range(1, 14)},
    "PS": 13,
    "UG": None,
    "Other": None,
}
_GRADE_WORDS: dict[str, int | None] = {
    "infant": -3,
    "toddler": -3,
    "infant/toddler": -3,
    "preschool": -2,
    "early education": -2,
    "prekindergarten": -1,
    "preschool/prekindergarten": -1,
    "pre-k": -1,
    "prek": -1,
    "transitional kindergarten": 0,
    "kindergarten": 0,
    "k": 0,
    "0": 0,
    "00": 0,
    "postsecondary": 13,
    "grade 13": 13,
    "ungraded": None,
    "other": None,
    **{
        word: number
        for number, word in enumerate(
            [
                "first",
                "second",
                "third",
                "fourth",
                "fifth",
                "sixth",
                "seventh",
                "eighth",
                "ninth",
                "tenth",
                "eleventh",
                "twelfth",
            ],
            start=1,
        )
    },
}
_NUMBERED = re.compile(r"^(?:grade|gr\.?|year)?\s*(\d{1,2})(?:st|nd|rd|th)?(?:\s+grade)?$")
_POSTSECONDARY = re.compile(r"^ps\s*\d*$")

ORG_TYPES = frozenset({"department", "school", "district", "local", "state", "national"})
# Types of organisation nobody is enrolled in; what is none of these counts as a school.
NOT_A_SCHOOL = ORG_TYPES - {"school"} | {
    "ministryOfEducation",
    "localEducationAgency",
    "region",
    "country",
    "territory",
}

_LANGUAGE_TAG = re.compile(r"^([a-z]{2,3})(-[A-Z][a-z]{3})?(-(?:[A-Z]{2}|\d{3}))?$")


class UnknownGrade(ValueError):
    """Not a grade level."""


def role_of(word: str) -> Role | None:
    """Our role for a source's word; None for one whose bearer has no part in a student's plan."""
    if word in ("student", "transferStudent", "undergraduate", "graduate"):
        return "student"
    if word in GUARDIAN_ROLES:
        return "guardian"
    if word == "counselor":
        return "counselor"
    if word == "caseworker":
        return "case_manager"
    if word in TEACHER_ROLES:
        return "teacher"
    return None if word in ("emergencyContact", "doctor", "contact", "alumni", "retired") else "staff"


def grade_level(text: str) -> tuple[int | None, bool]:
    """
    The number of a grade however it is written: `09`, `9`, `Grade 9`, `9th`, `Ninth grade`, `KG`.

    Returns:
        The number, None for a grade without one (UG, Other), and whether it was written as CEDS does.

    Raises:
        UnknownGrade: It is not a grade.

    Source: CEDS Grade Level option set, by way of OneRoster.
    """
    text = text.strip()
    if text in GRADE_CODES:
        return GRADE_CODES[text], True
    if text.upper() in GRADE_CODES:
        return GRADE_CODES[text.upper()], False
    lowered = re.sub(r"\s+", " ", text.lower())
    if numbered := _NUMBERED.match(lowered):
        number = int(numbered[1])
        if 1 <= number <= 13:
            return number, False
    if _POSTSECONDARY.match(lowered):
        return 13, False
    word = lowered.removesuffix(" grade")
    if word in _GRADE_WORDS:
        return _GRADE_WORDS[word], False
    raise UnknownGrade(text)


@lru_cache(maxsize=4096)
def language_tag(text: str) -> str | None:
    """
    A BCP 47 tag for a language however a source names it: `es`, `es-MX`, `es_mx`, `spa`, `Spanish`.

    Returns:
        The tag; None if the language is not recognised.
    """
    parts = text.strip().replace("_", "-").split("-")
    shaped = "-".join(
        part.lower() if n == 0 else part.title() if len(part) == 4 else part.upper() for n, part in enumerate(parts)
    )
    if matched := _LANGUAGE_TAG.match(shaped):
        language = str(get_global("language_aliases").get(matched[1], matched[1]))
        if language in _languages_by_code():
            return language + shaped[len(matched[1]) :]
    return _codes_by_name().get(text.strip().lower())


@lru_cache(maxsize=1)
def _languages_by_code() -> dict[str, str]:
    try:
        return {code: name for code, name in Locale.parse("en").languages.items() if "_" not in code}
    except UnknownLocaleError:  # pragma: no cover - Babel always carries English
        return {"en": "English", "es": "Spanish"}


@lru_cache(maxsize=1)
def _codes_by_name() -> dict[str, str]:
    names = {name.lower(): code for code, name in _languages_by_code().items()}
    # Names Ed-Fi's LanguageDescriptor spells otherwise.
    return names | {"spanish; castilian": "es", "spanish, castilian": "es", "chinese, mandarin": "zh", "hmong": "hmn"}
