"""Settling who is enrolled where, once a source's statements are in the store."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.roster.imports.applying import Applying
from services.roster.imports.sync import existing, update_rows
from services.roster.people.handlers import Known
from services.roster.people.rules import DEFAULT_LANGUAGE
from services.roster.students.rules import (
    Enrollment,
    School,
    best_enrollment,
    grade_by_age,
    graduation_year,
    highest_grade_offered,
    nearest_school,
    rights_transfer_at,
    school_by_grade,
)
from services.roster.students.tables import schools, students
from services.roster.vocabulary import STUDENT
from shared.database.bulk import insert_many
from shared.database.unit_of_work import UnitOfWork
from shared.events.roster import StudentChanged, StudentEnrolled, StudentWithdrawn

_TOLD = ("student_id", "school_id", "grade", "graduation_year", "home_language", "rights_transfer_at", "sealed_name")
# A student in whom any of these differs is changed; sealed names differ every time, so the digest stands for them.
_STATE = ("school_id", "grade", "graduation_year", "home_language", "rights_transfer_at", "name_digest")


def settle_students(applying: Applying, placing: "Placing", page: Mapping[UUID, Known]) -> None:
    """Enroll, change and withdraw students of the page; whoever cannot be placed is an error among the findings."""
    session = applying.uow.session
    stored = existing(session, students, page)
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    withdrawn: list[dict[str, Any]] = []
    for person_id, person in page.items():
        before = stored.get(person_id)
        state = placing.state_of(person) if person.row["is_active"] and person.has_role(STUDENT) else None
        if state is not None:
            _settle_one(applying, before, state, added, changed)
        elif before is not None and before["is_enrolled"]:
            withdrawn.append(_withdraw(applying, before))
    insert_many(session, students, added)
    update_rows(session, students, changed)
    update_rows(session, students, withdrawn)


def schools_of(applying: Applying) -> dict[UUID, School]:
    rows = applying.uow.session.execute(
        select(
            schools.c.school_id, schools.c.type, schools.c.parent_id, schools.c.lowest_grade, schools.c.highest_grade
        ).where(schools.c.source == applying.source)
    )
    return {row.school_id: School(*row) for row in rows}


def _settle_one(
    applying: Applying,
    before: Mapping[str, Any] | None,
    state: dict[str, Any],
    added: list[dict[str, Any]],
    changed: list[dict[str, Any]],
) -> None:
    tally = applying.tally["students"]
    if before is None:
        tally.added += 1
        added.append(state | {"version": 1})
        _announce(applying, StudentEnrolled, state, version=1)
    elif not before["is_enrolled"]:
        tally.added += 1
        changed.append(state | {"version": before["version"] + 1})
        _announce(applying, StudentEnrolled, state, version=before["version"] + 1)
    elif any(state[name] != before[name] for name in _STATE):
        tally.changed += 1
        changed.append(state | {"version": before["version"] + 1})
        _announce(applying, StudentChanged, state, version=before["version"] + 1)
    else:
        tally.unchanged += 1


def _announce(
    applying: Applying, contract: type[StudentEnrolled | StudentChanged], state: Mapping[str, Any], *, version: int
) -> None:
    applying.emit(contract(**{name: state[name] for name in _TOLD}), version=version)


def _withdraw(applying: Applying, before: Mapping[str, Any]) -> dict[str, Any]:
    version = before["version"] + 1
    applying.tally["students"].removed += 1
    applying.emit(StudentWithdrawn(student_id=before["student_id"], withdrawn_on=applying.today), version=version)
    return {
        "student_id": before["student_id"],
        "is_enrolled": False,
        "withdrawn_on": applying.today,
        "version": version,
    }


class Placing:
    """Finds each student's school and grade, and reports those who have none."""

    def __init__(self, applying: Applying) -> None:
        self._applying = applying
        self._schools = schools_of(applying)
        self._highest = highest_grade_offered(self._schools)

    def state_of(self, person: Known) -> dict[str, Any] | None:
        """The row of an enrolled student without its version; None for one who has left or cannot be placed."""
        applying = self._applying
        enrollments = [
            Enrollment(role["school_id"], role["is_primary"], role["begins_on"], role["ends_on"], role["grade"])
            for role in person.roles
            if role["role"] == STUDENT
        ]
        has_ended = all(enrollment.has_ended(applying.today) for enrollment in enrollments)
        if has_ended and applying.snapshot.ended_means_left:
            return None
        enrollment = best_enrollment(enrollments, applying.today)
        if has_ended:
            self._warn(
                person, "endDate", str(enrollment.ends_on), "a role in force; taken as enrolled, as still listed"
            )
        grade = self._grade(person, enrollment)
        if grade is None or (school_id := self._school(person, enrollment, grade)) is None:
            return None
        born_on = person.born_on
        return {
            "student_id": person.person_id,
            "source": applying.source,
            "school_id": school_id,
            "grade": grade,
            "graduation_year": graduation_year(grade, applying.year_start),
            "home_language": person.row["language"] or DEFAULT_LANGUAGE,
            "rights_transfer_at": rights_transfer_at(born_on, applying.zone) if born_on else None,
            "sealed_name": person.row["sealed_name"],
            "name_digest": person.row["name_digest"],
            "is_enrolled": True,
            "withdrawn_on": None,
        }

    def _grade(self, person: Known, enrollment: Enrollment) -> int | None:
        stated = enrollment.grade if enrollment.grade is not None else person.row["grade"]
        if stated is not None:
            return stated
        if person.born_on is None:
            file, line = self._applying.place_of(person.sourced_id)
            expected = "a grade such as 09, or a birth date to take it from (OneRoster: birthDate in demographics.csv)"
            self._applying.findings.error(file, line, "grades", "", expected)
            return None
        grade = grade_by_age(person.born_on, self._applying.year_start, highest=self._highest)
        self._warn(
            person,
            "grades",
            "",
            f"a grade such as 09; taken from the age on {self._applying.year_start}, at most grade {self._highest}",
        )
        return grade

    def _school(self, person: Known, enrollment: Enrollment, grade: int) -> UUID | None:
        organisation_id = enrollment.school_id
        if organisation_id is None:
            school_id = school_by_grade(grade, self._schools)
            if school_id is None:
                self._refuse_school(person, "a school, or schools that say which grades they offer")
            return school_id
        if organisation_id not in self._schools:
            self._refuse_school(person, "the sourcedId of an org sent in this or an earlier package")
            return None
        school_id = nearest_school(organisation_id, self._schools)
        if school_id is None:
            self._warn(person, "orgSourcedIds", "", "an org of type school or within one; the org itself is taken")
        return school_id or organisation_id

    def _refuse_school(self, person: Known, expected: str) -> None:
        file, line = self._applying.place_of(person.sourced_id)
        self._applying.findings.error(file, line, "orgSourcedIds", person.sourced_id, expected)

    def _warn(self, person: Known, column: str, value: str, expected: str) -> None:
        file, line = self._applying.place_of(person.sourced_id)
        self._applying.findings.warning(file, line, column, value, expected)


def announce_change(uow: UnitOfWork, student_id: UUID, *, home_language: str) -> None:
    """Change an enrolled student's language and say so; nothing for one who is not enrolled or has it already."""
    query = select(students).where(students.c.student_id == student_id, students.c.is_enrolled).with_for_update()
    row = uow.session.execute(query).mappings().first()
    if row is None or row["home_language"] == home_language:
        return
    state = {**row, "home_language": home_language, "version": row["version"] + 1}
    changed = {"home_language": home_language, "version": state["version"]}
    uow.session.execute(students.update().where(students.c.student_id == student_id).values(**changed))
    uow.emit(StudentChanged(**{name: state[name] for name in _TOLD}), version=state["version"])
