"""What every format is brought to: records of organisations, people, and what is said about them."""

from datetime import date
from typing import Literal, NamedTuple

from services.roster.vocabulary import Role
from shared.events.roster import StaffRelation

Mode = Literal["bulk", "delta"]
Table = Literal["orgs", "people", "roles", "birth_dates", "links", "memberships", "caseload"]


class Org(NamedTuple):
    """A school, or an organisation above or within one. Grades are the range it offers, if the source says."""

    key: str
    name: str
    type: str
    parent: str | None
    lowest_grade: int | None
    highest_grade: int | None
    file: str
    line: int


class Person(NamedTuple):
    """A person with contact points in their final form: email address, phone in E.164."""

    key: str
    given_name: str
    family_name: str
    email: str | None
    phone: str | None
    language: str | None
    grade: int | None
    file: str
    line: int


class RoleHeld(NamedTuple):
    """One role of a person, at an organisation if the source says which; `relation` is the source's own word."""

    key: str
    person: str
    role: Role
    relation: str
    is_primary: bool
    org: str | None
    begins_on: date | None
    ends_on: date | None
    grade: int | None
    file: str
    line: int


class BirthDate(NamedTuple):
    person: str
    born_on: date
    file: str
    line: int


class Link(NamedTuple):
    """`owner`'s row names `other` as an agent or relative. Which of them is the student, the roles say."""

    owner: str
    other: str
    relation: str | None
    file: str
    line: int


class Membership(NamedTuple):
    """A person in a class, as student or as teacher."""

    key: str
    class_key: str
    person: str
    role: str
    begins_on: date | None
    ends_on: date | None
    file: str
    line: int


class CaseloadRow(NamedTuple):
    """A line of a caseload file."""

    student: str
    staff: str
    relation: StaffRelation
    begins_on: date | None
    ends_on: date | None
    file: str
    line: int
