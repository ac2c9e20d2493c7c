"""Writes a whole district to a folder, family by family."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from services.sample.catalog import catalog_document
from services.sample.oneroster import RosterPackage
from services.sample.partners import partners_document
from services.sample.people import FEWEST_STUDENTS, MOST_STUDENTS, Family, Student, families, staff_member
from services.sample.plans import plan_record
from services.sample.requirements import requirements_document
from services.sample.schools import (
    CASE_MANAGED_SHARE,
    DISTRICT_NAME,
    STUDENTS_PER_CASE_MANAGER,
    STUDENTS_PER_COUNSELOR,
    TIME_ZONE,
    School,
    schools_for,
)

SCHOOL_YEAR = 2026
PLANS_SCHEMA = "signpost.sample_plans/v1"


@dataclass(frozen=True)
class Written:
    """What was written, to be told to whoever asked for it."""

    folder: Path
    schools: int
    students: int
    guardians: int
    restrictions: int


class WrongSize(ValueError):
    """The sample district cannot have so many students."""


def write_district(
    folder: Path,
    *,
    students: int,
    seed: int,
    school_year: int = SCHOOL_YEAR,
    advance: Callable[[int], None] = lambda _: None,
) -> Written:
    """
    Write the district to a folder, replacing files of the same names.

    Args:
        students: How many, 1 to 100,000.
        seed: The same seed and size give the same bytes.
        school_year: Calendar year in which the school year begins.
        advance: Called with the number of students just written.

    Raises:
        WrongSize: Fewer than one student or more than 100,000.
    """
    if not FEWEST_STUDENTS <= students <= MOST_STUDENTS:
        raise WrongSize(f"students must be {FEWEST_STUDENTS} to {MOST_STUDENTS}; got {students}")
    folder.mkdir(parents=True, exist_ok=True)
    year = f"{school_year}-{(school_year + 1) % 100:02}"
    _write_text(folder / "catalog.json", catalog_document(year))
    _write_text(folder / "requirements.yaml", requirements_document())
    _write_text(folder / "partners.csv", partners_document(seed=seed))
    _write_text(folder / "district.json", _district_document(students=students, seed=seed, school_year=year))
    schools = schools_for(students, seed=seed)
    guardians = restrictions = 0
    with _Writing(folder, schools=schools, seed=seed, school_year=school_year) as writing:
        for number, family in enumerate(families(students=students, seed=seed, school_year=school_year)):
            writing.add(family, school=schools[number % len(schools)])
            guardians += len(family.guardians)
            restrictions += len(family.restrictions)
            advance(len(family.students))
    return Written(folder, len(schools), students, guardians, restrictions)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _district_document(*, students: int, seed: int, school_year: str) -> str:
    facts = {
        "name": DISTRICT_NAME,
        "time_zone": TIME_ZONE,
        "school_year": school_year,
        "students": students,
        "seed": seed,
        "files": {
            "oneroster": "oneroster",
            "caseload": "caseload.csv",
            "restrictions": "restrictions.csv",
            "catalog": "catalog.json",
            "requirements": "requirements.yaml",
            "partners": "partners.csv",
            "plans": "plans.json",
        },
    }
    return json.dumps(facts, indent=1) + "\n"


@dataclass
class _Writing:
    """The files that grow with the families."""

    folder: Path
    schools: tuple[School, ...]
    seed: int
    school_year: int
    _open: ExitStack = field(default_factory=ExitStack)
    _students_in: Counter[str] = field(default_factory=Counter)
    _case_managed_in: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> "_Writing":
        self._roster = self._open.enter_context(RosterPackage(self.folder / "oneroster", school_year=self.school_year))
        self._roster.add_district(DISTRICT_NAME)
        for school in self.schools:
            self._roster.add_school(school)
        self._caseload = self._csv("caseload.csv", "student_sourced_id", "staff_sourced_id", "relation")
        self._restrictions = self._csv("restrictions.csv", "student_sourced_id", "guardian_sourced_id", "document")
        self._plans = self._open.enter_context(_PlansFile(self.folder / "plans.json"))
        return self

    def __exit__(self, *failure: object) -> None:
        self._open.close()

    def add(self, family: Family, *, school: School) -> None:
        self._roster.add_family(family, school=school.key, seed=self.seed)
        for student in family.students:
            self._plans.add(plan_record(student.key, student.plan, grade=student.grade))
            self._assign(student, school.key)
        self._restrictions.writerows(
            (order.student_key, order.guardian_key, order.document) for order in family.restrictions
        )

    def _csv(self, name: str, *header: str) -> Any:
        file = self._open.enter_context((self.folder / name).open("w", encoding="utf-8", newline=""))
        writer = csv.writer(file)
        writer.writerow(header)
        return writer

    def _assign(self, student: Student, school: str) -> None:
        """Give the student a counselor, and a few a case manager; staff appear when they are needed."""
        count = self._students_in[school]
        self._students_in[school] += 1
        counselor = f"co-{school}-{count // STUDENTS_PER_COUNSELOR + 1:02}"
        if count % STUDENTS_PER_COUNSELOR == 0:
            self._roster.add_staff(staff_member(counselor, "counselor", seed=self.seed), school=school)
        self._caseload.writerow((student.key, counselor, "counselor"))
        if Random(f"{self.seed}/case/{student.key}").random() < CASE_MANAGED_SHARE:  # noqa: S311  (repeatable)
            self._assign_case_manager(student, school)

    def _assign_case_manager(self, student: Student, school: str) -> None:
        count = self._case_managed_in[school]
        self._case_managed_in[school] += 1
        each = int(STUDENTS_PER_CASE_MANAGER * CASE_MANAGED_SHARE)
        manager = f"cm-{school}-{count // each + 1:02}"
        if count % each == 0:
            # OneRoster has no word for case managers; the caseload file says what they are to whom.
            self._roster.add_staff(staff_member(manager, "teacher", seed=self.seed), school=school)
        self._caseload.writerow((student.key, manager, "case_manager"))


class _PlansFile:
    """A JSON object whose list `plans` has one student per line, so that it can be read line by line as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._separator = "\n"

    def __enter__(self) -> "_PlansFile":
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._file.write(f'{{"schema": "{PLANS_SCHEMA}", "plans": [')
        return self

    def add(self, record: Any) -> None:
        self._file.write(self._separator + json.dumps(record, separators=(",", ":")))
        self._separator = ",\n"

    def __exit__(self, *_: object) -> None:
        self._file.write("\n]}\n")
        self._file.close()
