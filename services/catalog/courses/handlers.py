"""Publish a whole catalog, change one course, retire one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row

from services.catalog.conflicts.handlers import review_conflicts
from services.catalog.courses.rules import Course, difference
from services.catalog.courses.tables import (
    catalog_of_year,
    catalogs,
    course_of,
    course_row,
    offered_courses,
    save_courses,
    save_origins,
    save_retired,
    versions_of,
)
from services.catalog.tables import lock_catalog, mark_changed
from shared.database.schema import upsert
from shared.database.unit_of_work import UnitOfWork
from shared.events.catalog import CatalogPublished, CourseRetired
from shared.identifiers import stable_id
from shared.problems import Conflict, NotFound, PreconditionFailed, PreconditionRequired


@dataclass(frozen=True)
class CatalogPublication:
    """What publishing a catalog changed. Nothing in it: it was already published just so."""

    school_year: str
    course_count: int
    changed_codes: tuple[str, ...]
    retired_codes: tuple[str, ...]
    is_new: bool

    @property
    def changed_anything(self) -> bool:
        return bool(self.changed_codes or self.retired_codes or self.is_new)


class CourseIsRetired(Conflict):
    """The course is already retired."""

    code = "course-retired"


def publish_catalog(
    listed: Sequence[Course],
    *,
    uow: UnitOfWork,
    school_year: str,
    source: str,
    notes: Sequence[str] = (),
    advance: Callable[[], None] = lambda: None,
) -> CatalogPublication:
    """
    Make a list of courses the catalog: new and changed ones are published, missing ones retired.

    Args:
        listed: The whole catalog, each code once.
        school_year: The year it is for, such as 2026-27.
        source: Name of the file, to point conflicts at.
        notes: What of the file was not read.
        advance: Called for every course of the list, to show progress.
    """
    lock_catalog(uow.session)
    now = uow.clock.now()
    offered = {row.code: course_of(row) for row in uow.session.execute(offered_courses())}
    changes = difference(offered, listed)
    versions = versions_of(uow.session)
    changed = [(course, versions.get(course.code, 0) + 1) for course in changes.changed]
    save_courses(uow.session, changed, at=now)
    save_origins(uow.session, listed)
    due = {course.code: version for course, version in changed}
    for course in listed:
        if course.code in due:
            uow.emit(course.changed(), version=due[course.code])
        advance()
    for code in changes.retired:
        _retire(code, versions[code] + 1, uow=uow)
    publication = CatalogPublication(
        school_year=school_year,
        course_count=len(listed),
        changed_codes=tuple(course.code for course in changes.changed),
        retired_codes=changes.retired,
        is_new=catalog_of_year(uow.session, _catalog_id(school_year)) is None,
    )
    if publication.changed_anything:
        _publish(publication, uow=uow, source=source, notes=notes)
    review_conflicts(uow=uow)
    return publication


def put_course(course: Course, *, uow: UnitOfWork, expected_version: int | None) -> int:
    """
    Add a course or replace its facts; a retired one is offered again.

    Args:
        expected_version: The version the caller has read; needed where the course exists.

    Returns:
        The course's version afterwards; the same as before where nothing changed.

    Raises:
        PreconditionRequired: The course exists and the caller named no version.
        PreconditionFailed: It is not at the version the caller has read.
    """
    lock_catalog(uow.session)
    row = course_row(uow.session, course.code)
    if row is None and expected_version is not None:
        raise PreconditionFailed(f"There is no course {course.code}; to add it, send no If-Match.")
    if row is not None:
        _check_version(row, expected_version)
        if row.retired_at is None and course_of(row) == course:
            return int(row.version)
    version = 1 if row is None else row.version + 1
    save_courses(uow.session, [(course, version)], at=uow.clock.now())
    uow.emit(course.changed(), version=version)
    mark_changed(uow.session)
    review_conflicts(uow=uow)
    return version


def retire_course(code: str, *, uow: UnitOfWork, expected_version: int | None) -> int:
    """
    Stop offering a course; plans that hold it hear of it.

    Returns:
        The course's version afterwards.

    Raises:
        NotFound: No course has this code.
        CourseIsRetired: It is already retired.
        PreconditionRequired: The caller named no version.
        PreconditionFailed: It is not at the version the caller has read.
    """
    lock_catalog(uow.session)
    row = course_row(uow.session, code)
    if row is None:
        raise NotFound
    _check_version(row, expected_version)
    if row.retired_at is not None:
        raise CourseIsRetired(f"{code} has been retired since {row.retired_at.date().isoformat()}.")
    version = int(row.version) + 1
    _retire(code, version, uow=uow)
    mark_changed(uow.session)
    review_conflicts(uow=uow)
    return version


def _check_version(row: Row[tuple[object, ...]], expected: int | None) -> None:
    if expected is None:
        raise PreconditionRequired('The course exists; send the ETag you read as `If-Match: "<version>"`.')
    if row.version != expected:
        raise PreconditionFailed(f"{row.code} is at version {row.version}, not {expected}; read it again.")


def _retire(code: str, version: int, *, uow: UnitOfWork) -> None:
    save_retired(uow.session, code, version, at=uow.clock.now())
    uow.emit(CourseRetired(course_id=stable_id("course", code), code=code), version=version)


def _publish(publication: CatalogPublication, *, uow: UnitOfWork, source: str, notes: Sequence[str]) -> None:
    catalog_id = _catalog_id(publication.school_year)
    row = catalog_of_year(uow.session, catalog_id)
    version = 1 if row is None else int(row.version) + 1
    values = {
        "catalog_id": catalog_id,
        "school_year": publication.school_year,
        "version": version,
        "course_count": publication.course_count,
        "source": source,
        "notes": list(notes),
        "published_at": uow.clock.now(),
    }
    upsert(uow.session, catalogs, values, key=["catalog_id"])
    published = CatalogPublished(
        catalog_id=catalog_id,
        school_year=publication.school_year,
        course_count=publication.course_count,
        changed_codes=publication.changed_codes,
        retired_codes=publication.retired_codes,
    )
    uow.emit(published, version=version)
    mark_changed(uow.session)


def _catalog_id(school_year: str) -> UUID:
    return stable_id("catalog", school_year)
