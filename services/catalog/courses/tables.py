"""Courses and the catalogs they were published with."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Row, Select, String, Table, Text, Uuid, select
from sqlalchemy.orm import Session

from services.catalog.courses.rules import Course, grade_bits, searchable
from services.catalog.tables import metadata
from shared.database.schema import Credits, Json, UtcDateTime, upsert
from shared.events.catalog import MinimumGrade

# A retired course stays: plans that hold it still need its title and credits.
courses = Table(
    "courses",
    metadata,
    Column("course_id", Uuid, primary_key=True),
    Column("code", String(40), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("title", String(200), nullable=False),
    Column("department", String(100), nullable=False),
    Column("credits", Credits, nullable=False),
    Column("grades", Json, nullable=False),
    Column("grade_bits", Integer, nullable=False),
    Column("terms", Json, nullable=False),
    Column("prerequisites", Json, nullable=False),
    Column("minimum_grades", Json, nullable=False),
    Column("corequisites", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("repeatable", Integer, nullable=False),
    Column("remarks", Json, nullable=False),
    Column("origin", String(300), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Index("ix_courses_department", "department"),
)

# One row per school year: the catalog as it was last published.
catalogs = Table(
    "catalogs",
    metadata,
    Column("catalog_id", Uuid, primary_key=True),
    Column("school_year", String(9), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("course_count", Integer, nullable=False),
    Column("source", String(300), nullable=False),
    Column("notes", Json, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
)


def course_of(row: Row[Any]) -> Course:
    return Course(
        code=row.code,
        title=row.title,
        department=row.department,
        credits=row.credits,
        grades=tuple(row.grades),
        terms=tuple(row.terms),
        prerequisites=tuple(tuple(group) for group in row.prerequisites),
        minimum_grades=tuple(MinimumGrade.model_validate(each) for each in row.minimum_grades),
        corequisites=tuple(tuple(group) for group in row.corequisites),
        tags=tuple(row.tags),
        repeatable=row.repeatable,
        remarks=row.remarks,
        origin=row.origin,
    )


def offered_courses() -> Select[Any]:
    return select(courses).where(courses.c.retired_at.is_(None)).order_by(courses.c.code)


def course_row(session: Session, code: str) -> Row[Any] | None:
    """The course with this code, retired or not."""
    return session.execute(select(courses).where(courses.c.code == code)).first()


def versions_of(session: Session) -> dict[str, int]:
    """Version of every course there ever was, by code."""
    return {row.code: row.version for row in session.execute(select(courses.c.code, courses.c.version))}


def retired_codes(session: Session) -> frozenset[str]:
    return frozenset(session.execute(select(courses.c.code).where(courses.c.retired_at.is_not(None))).scalars())


def save_courses(session: Session, changed: Iterable[tuple[Course, int]], *, at: datetime) -> None:
    """Write courses with their new versions; a retired one is offered again."""
    upsert(session, courses, [_values(course, version, at) for course, version in changed], key=["course_id"])


def save_origins(session: Session, read: Sequence[Course]) -> None:
    """Remember where unchanged courses were last read, so that a conflict points into the newest file."""
    known = {row.code: row.origin for row in session.execute(select(courses.c.code, courses.c.origin))}
    for course in read:
        if known.get(course.code) != course.origin:
            session.execute(courses.update().where(courses.c.code == course.code).values(origin=course.origin))


def save_retired(session: Session, code: str, version: int, *, at: datetime) -> None:
    retired = {"version": version, "retired_at": at, "changed_at": at}
    session.execute(courses.update().where(courses.c.code == code).values(retired))


def catalog_of_year(session: Session, catalog_id: UUID) -> Row[Any] | None:
    return session.execute(select(catalogs).where(catalogs.c.catalog_id == catalog_id)).first()


def newest_catalog(session: Session) -> Row[Any] | None:
    return session.execute(select(catalogs).order_by(catalogs.c.published_at.desc()).limit(1)).first()


def _values(course: Course, version: int, at: datetime) -> dict[str, Any]:
    return {
        "course_id": course.course_id,
        "code": course.code,
        "version": version,
        "title": course.title,
        "department": course.department,
        "credits": course.credits,
        "grades": list(course.grades),
        "grade_bits": grade_bits(course.grades),
        "terms": list(course.terms),
        "prerequisites": [list(group) for group in course.prerequisites],
        "minimum_grades": [each.model_dump(mode="json") for each in course.minimum_grades],
        "corequisites": [list(group) for group in course.corequisites],
        "tags": list(course.tags),
        "repeatable": course.repeatable,
        "remarks": dict(course.remarks),
        "origin": course.origin,
        "search_text": searchable(course.code, course.title),
        "changed_at": at,
        "retired_at": None,
    }
