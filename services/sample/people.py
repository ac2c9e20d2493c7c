"""Families and staff of the sample district."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from services.sample import names
from services.sample.plans import Plan, make_plan

# Area codes of the states around; with 555-01xx they make numbers that are well formed and nobody's.
_AREA_CODES = (402, 507, 515, 563, 605, 608, 612, 641, 651, 701, 712, 715, 763, 920, 952)
FEWEST_STUDENTS = 1
# The first student is the one a tutorial looks at: still a minor, with years ahead to plan.
FIRST_STUDENTS_GRADE = 10
MOST_STUDENTS = 100_000
# Every family whose number leaves this remainder has a court order against the second guardian.
_COURT_ORDER_EVERY, _COURT_ORDER_AT = 150, 7


@dataclass(frozen=True)
class Guardian:
    """A guardian with at least one way to be reached."""

    key: str
    given_name: str
    family_name: str
    role: str
    language: str
    email: str
    sms: str


@dataclass(frozen=True)
class Student:
    """A student of grade 9 to 12 with the plan of all four years."""

    key: str
    given_name: str
    family_name: str
    grade: int
    born_on: date
    sex: str
    language: str
    email: str
    plan: Plan


@dataclass(frozen=True)
class Restriction:
    """A guardian barred from one child by a court order; brothers and sisters may be another matter."""

    student_key: str
    guardian_key: str
    document: str


@dataclass(frozen=True)
class Family:
    students: tuple[Student, ...]
    guardians: tuple[Guardian, ...]
    restrictions: tuple[Restriction, ...]


@dataclass(frozen=True)
class Staff:
    """Somebody who works at a school. `role` is OneRoster's word."""

    key: str
    given_name: str
    family_name: str
    role: str
    email: str


def families(*, students: int, seed: int, school_year: int) -> Iterator[Family]:
    """
    Families, one after the other, with exactly as many students as wanted between them.

    Args:
        school_year: Calendar year in which the school year begins; ages follow from it.
    """
    number, made = 0, 0
    while made < students:
        family = _family(number, first_student=made + 1, most=students - made, seed=seed, school_year=school_year)
        made += len(family.students)
        number += 1
        yield family


def staff_member(key: str, role: str, *, seed: int) -> Staff:
    rng = Random(f"{seed}/staff/{key}")  # noqa: S311  (the point is that it can be repeated)
    language = "es" if rng.random() < 0.15 else "en"
    given, family = names.given_name(rng, language), names.family_name(rng, language)
    return Staff(key, given, family, role, f"{names.mailbox_name(given, family, key)}@example.org")


def _family(number: int, *, first_student: int, most: int, seed: int, school_year: int) -> Family:
    rng = Random(f"{seed}/family/{number}")  # noqa: S311  (the point is that it can be repeated)
    is_barred = number % _COURT_ORDER_EVERY == _COURT_ORDER_AT
    language = "es" if rng.random() < 0.3 else "en"
    surname = names.family_name(rng, language)
    guardians = _guardians(rng, number, language, surname, is_pair=is_barred or number == 0 or rng.random() < 0.62)
    count = min(most, rng.choices((1, 2, 3), weights=(76, 21, 3))[0])
    students = tuple(
        _student(rng, first_student + offset, language, surname, school_year=school_year) for offset in range(count)
    )
    if not is_barred:
        return Family(students, guardians, restrictions=())
    order = Restriction(students[0].key, guardians[1].key, document=f"Order FD-{school_year}-{number:06}")
    return Family(students, guardians, (order,))


def _student(rng: Random, number: int, language: str, surname: str, *, school_year: int) -> Student:
    key = f"st-{number:06}"
    given = names.given_name(rng, language)
    grade = FIRST_STUDENTS_GRADE if number == 1 else rng.randint(9, 12)
    # Who starts grade 9 has turned 14 by the end of August.
    born_on = date(school_year - grade - 6, 9, 1) + timedelta(days=rng.randrange(365))
    return Student(
        key=key,
        given_name=given,
        family_name=surname,
        grade=grade,
        born_on=born_on,
        sex=rng.choice(("female", "male")),
        language=language,
        email=f"{names.mailbox_name(given, surname, key)}@example.org",
        plan=make_plan(rng, home_language=language),
    )


def _guardians(rng: Random, family: int, language: str, surname: str, *, is_pair: bool) -> tuple[Guardian, ...]:
    """One or two guardians. The first family shows all there is: an English email and a Spanish SMS."""
    role = "guardian" if rng.random() < 0.08 else "parent"
    is_first = family == 0
    first = _guardian(rng, f"gd-{family:06}-1", "en" if is_first else language, surname, role, sms_only=False)
    if not is_pair:
        return (first,)
    is_mixed = is_first or rng.random() < 0.07
    other = ("es" if first.language == "en" else "en") if is_mixed else first.language
    family_name = names.family_name(rng, other) if is_mixed or rng.random() < 0.3 else surname
    return first, _guardian(rng, f"gd-{family:06}-2", other, family_name, "parent", sms_only=is_first)


def _guardian(rng: Random, key: str, language: str, surname: str, role: str, *, sms_only: bool) -> Guardian:
    given = names.given_name(rng, language)
    reach = rng.random()
    has_email = not sms_only and reach < 0.85
    has_sms = not has_email or reach < 0.45
    return Guardian(
        key=key,
        given_name=given,
        family_name=surname,
        role=role,
        language=language,
        email=f"{names.mailbox_name(given, surname, key)}@example.net" if has_email else "",
        sms=telephone(rng) if has_sms else "",
    )


def telephone(rng: Random) -> str:
    """A number in E.164 from the range that is reserved for fiction."""
    return f"+1{rng.choice(_AREA_CODES)}55501{rng.randrange(100):02}"
