"""The roster of the sample district as a OneRoster 1.2 CSV package in bulk mode."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TextIO

from services.sample.catalog import COURSES
from services.sample.people import Family, Guardian, Staff, Student, staff_member
from services.sample.schools import CLASS_SIZE, CLASSES_PER_TEACHER, DISTRICT_KEY, School

_COMMON = ("sourcedId", "status", "dateLastModified")
_LANGUAGE = "metadata.homeLanguage"
# Headers of the files written, in the order the specification gives them.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    name: (*_COMMON, *columns.split())
    for name, columns in {
        "orgs": "name type identifier parentSourcedId",
        "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
        "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
        "classes": "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds subjects "
        "subjectCodes periods",
        "users": "enabledUser username userIds givenName familyName middleName identifier email sms phone "
        "agentSourcedIds grades password userMasterIdentifier preferredGivenName preferredMiddleName "
        f"preferredFamilyName primaryOrgSourcedId pronouns {_LANGUAGE}",
        "roles": "userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
        "userProfiles": "userSourcedId profileType vendorId applicationId description credentialType username password",
        "demographics": "birthDate sex americanIndianOrAlaskaNative asian blackOrAfricanAmerican "
        "nativeHawaiianOrOtherPacificIslander white demographicRaceTwoOrMoreRaces hispanicOrLatinoEthnicity "
        "countryOfBirthCode stateOfBirthAbbreviation cityOfBirth publicSchoolResidenceStatus",
        "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
    }.items()
}
_ABSENT = (
    *("categories", "classResources", "courseResources", "lineItemLearningObjectiveIds", "lineItemScoreScales"),
    *("lineItems", "resources", "resultLearningObjectiveIds", "resultScoreScales", "results", "scoreScales"),
    "userResources",
)
_HOMEROOM = "ADVISORY"


class RosterPackage:
    """
    A package being written. Files grow side by side, so memory does not grow with the number of families.

    Classes hold `CLASS_SIZE` students of one English course; each is a homeroom too, with the same teacher.
    """

    def __init__(self, folder: Path, *, school_year: int) -> None:
        self._folder = folder
        self._year = school_year
        self._open = ExitStack()
        self._files: dict[str, Any] = {}
        self._students_in: Counter[tuple[str, str]] = Counter()
        self._classes_in: Counter[str] = Counter()
        self._class_now: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, header in _HEADERS.items():
            self._files[name] = csv.DictWriter(self._text(name), header, restval="")
            self._files[name].writeheader()
        self._write_manifest()
        self._write_calendar()
        self._write_courses()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add_school(self, school: School) -> None:
        self._write("orgs", school.key, name=school.name, type="school", parentSourcedId=DISTRICT_KEY)

    def add_district(self, name: str) -> None:
        self._write("orgs", DISTRICT_KEY, name=name, type="district")

    def add_staff(self, staff: Staff, *, school: str) -> None:
        self._write_user(
            staff.key,
            given_name=staff.given_name,
            family_name=staff.family_name,
            email=staff.email,
            language="en",
            school=school,
        )
        self._write_role(staff.key, staff.role, school=school)

    def add_family(self, family: Family, *, school: str, seed: int) -> None:
        student_keys = ",".join(student.key for student in family.students)
        for guardian in family.guardians:
            self._write_guardian(guardian, school=school, students=student_keys)
        for student in family.students:
            self._write_student(student, school=school, guardians=family.guardians)
            self._enrol(student, school=school, seed=seed)

    def _text(self, name: str) -> TextIO:
        # RFC 4180 ends lines with CR LF, which csv writes itself.
        return self._open.enter_context((self._folder / f"{name}.csv").open("w", encoding="utf-8", newline=""))

    def _write(self, file: str, key: str, **columns: str) -> None:
        self._files[file].writerow({"sourcedId": key, **columns})

    def _write_manifest(self) -> None:
        writer = csv.writer(self._text("manifest"))
        writer.writerow(("propertyName", "value"))
        writer.writerow(("manifest.version", "1.0"))
        writer.writerow(("oneroster.version", "1.2"))
        modes = dict.fromkeys(_ABSENT, "absent") | dict.fromkeys(_HEADERS, "bulk")
        writer.writerows((f"file.{name}", mode) for name, mode in sorted(modes.items()))
        writer.writerow(("source.systemName", "Signpost sample district"))
        writer.writerow(("source.systemCode", "signpost-sample"))

    def _write_calendar(self) -> None:
        starts, ends = f"{self._year}-08-17", f"{self._year + 1}-05-28"
        year, ending = self._session, str(self._year + 1)
        title = f"School year {self._year}-{ending[2:]}"
        self._write(
            "academicSessions", year, title=title, type="schoolYear", startDate=starts, endDate=ends, schoolYear=ending
        )
        for half, (title, first, last) in enumerate(
            (("First semester", starts, f"{self._year}-12-18"), ("Second semester", f"{self._year + 1}-01-04", ends)),
            start=1,
        ):
            self._write(
                "academicSessions",
                f"{year}-S{half}",
                title=title,
                type="semester",
                startDate=first,
                endDate=last,
                parentSourcedId=year,
                schoolYear=ending,
            )

    def _write_courses(self) -> None:
        for course in COURSES:
            self._write(
                "courses",
                course.code,
                schoolYearSourcedId=self._session,
                title=course.title,
                courseCode=course.code,
                grades=",".join(f"{grade:02}" for grade in course.grades),
                orgSourcedId=DISTRICT_KEY,
                subjects=course.department,
            )
        self._write(
            "courses", _HOMEROOM, schoolYearSourcedId=self._session, title="Advisory", orgSourcedId=DISTRICT_KEY
        )

    def _write_student(self, student: Student, *, school: str, guardians: Iterable[Guardian]) -> None:
        self._write_user(
            student.key,
            given_name=student.given_name,
            family_name=student.family_name,
            email=student.email,
            language=student.language,
            school=school,
            agentSourcedIds=",".join(guardian.key for guardian in guardians),
            grades=f"{student.grade:02}",
        )
        self._write_role(student.key, "student", school=school)
        self._write("demographics", student.key, birthDate=student.born_on.isoformat(), sex=student.sex)

    def _write_guardian(self, guardian: Guardian, *, school: str, students: str) -> None:
        self._write_user(
            guardian.key,
            given_name=guardian.given_name,
            family_name=guardian.family_name,
            email=guardian.email,
            language=guardian.language,
            school=school,
            sms=guardian.sms,
            agentSourcedIds=students,
        )
        self._write_role(guardian.key, guardian.role, school=school)

    def _enrol(self, student: Student, *, school: str, seed: int) -> None:
        course = student.plan.english_in(student.grade)
        group = (school, course)
        if self._students_in[group] % CLASS_SIZE == 0:
            self._class_now[group] = self._open_class(course, school=school, grade=student.grade, seed=seed)
        self._students_in[group] += 1
        for kind in ("E", "H"):
            class_key = f"{self._class_now[group]}-{kind}"
            self._write_enrollment(class_key, student.key, "student", school=school)

    def _open_class(self, course: str, *, school: str, grade: int, seed: int) -> str:
        """A class of this English course and a homeroom for the same students, both with the same teacher."""
        number = self._classes_in[school]
        self._classes_in[school] += 1
        teacher = f"tc-{school}-{number // CLASSES_PER_TEACHER + 1:02}"
        if number % CLASSES_PER_TEACHER == 0:
            self.add_staff(staff_member(teacher, "teacher", seed=seed), school=school)
        key = f"cl-{school}-{number + 1:03}"
        for kind, course_key, class_type in (("E", course, "scheduled"), ("H", _HOMEROOM, "homeroom")):
            self._write(
                "classes",
                f"{key}-{kind}",
                title=f"{course_key} {number + 1}",
                grades=f"{grade:02}",
                courseSourcedId=course_key,
                classCode=f"{course_key}-{number + 1}",
                classType=class_type,
                schoolSourcedId=school,
                termSourcedIds=self._session,
            )
            self._write_enrollment(f"{key}-{kind}", teacher, "teacher", school=school)
        return key

    def _write_enrollment(self, class_key: str, user: str, role: str, *, school: str) -> None:
        self._write(
            "enrollments",
            f"en-{class_key}-{user}",
            classSourcedId=class_key,
            schoolSourcedId=school,
            userSourcedId=user,
            role=role,
            primary="true" if role == "teacher" else "",
        )

    def _write_user(
        self,
        key: str,
        *,
        given_name: str,
        family_name: str,
        email: str,
        language: str,
        school: str,
        **more: str,
    ) -> None:
        columns = {
            "enabledUser": "true",
            "username": key,
            "givenName": given_name,
            "familyName": family_name,
            "email": email,
            "primaryOrgSourcedId": school,
            _LANGUAGE: language,
        }
        self._write("users", key, **columns, **more)

    def _write_role(self, user: str, role: str, *, school: str) -> None:
        self._write("roles", f"rl-{user}", userSourcedId=user, roleType="primary", role=role, orgSourcedId=school)

    @property
    def _session(self) -> str:
        return f"SY-{self._year}"
