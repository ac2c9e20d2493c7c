"""Courses over HTTP: read by everyone but operations, changed by counselors and district administrators."""

import re
from typing import Any

from sqlalchemy import Select, func, select

from services.catalog.courses import handlers
from services.catalog.courses.rules import HIGHEST_GRADE, LOWEST_GRADE, grade_bits
from services.catalog.courses.schemas import CourseBody, CourseDocument, CourseQuery
from services.catalog.courses.tables import course_row, courses
from services.catalog.courses.values import Unreadable, code_of
from services.catalog.roles import EDITORS, READERS
from services.catalog.tables import revision
from shared.problems import InvalidInput, NotFound, PreconditionFailed, PreconditionRequired
from shared.web.pagination import Page, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="catalog", tag="courses")


@routes.get(
    "/v1/courses",
    summary="The courses on offer, in the order of their codes",
    query=CourseQuery,
    reply=Page[CourseDocument],
    access=staff(*READERS),
    problems=[InvalidInput],
)
def list_courses(call: Call[Any]) -> Reply:
    limit, after = limit_of(call.query), position_of(call.query)
    wanted = _wanted(call)
    # Read before the rows: should a change come between, the tag is too old and the next read gets it.
    current = revision(call.session)
    if call.if_none_match == current:
        return Reply(status=304, etag=str(current))
    if after:
        wanted = wanted.where(courses.c.code > str(after[0]))
    rows = call.session.execute(wanted.order_by(courses.c.code).limit(limit + 1)).all()
    following = cursor_of(rows[limit - 1].code) if len(rows) > limit else None
    items = [CourseDocument.of(row) for row in rows[:limit]]
    return Reply(Page(items=items, next=following), etag=str(current))


@routes.get(
    "/v1/courses/{code}",
    summary="One course, retired or not",
    reply=CourseDocument,
    access=staff(*READERS),
)
def read_course(call: Call[Any]) -> Reply:
    row = course_row(call.session, call.path["code"])
    if row is None:
        raise NotFound
    if call.if_none_match == row.version:
        return Reply(status=304, etag=str(row.version))
    return Reply(CourseDocument.of(row), etag=str(row.version))


@routes.put(
    "/v1/courses/{code}",
    summary="Add a course, or replace the facts of one",
    body=CourseBody,
    reply=CourseDocument,
    access=staff(*EDITORS),
    problems=[InvalidInput, PreconditionFailed],
)
def put_course(call: Call[CourseBody]) -> Reply:
    """Without If-Match only a new course is accepted; an existing one is changed at the version you read."""
    try:
        course = call.body.course(code_of(call.path["code"]))
    except Unreadable as error:
        raise InvalidInput(f"The last part of the path must be {error}.") from None
    version = handlers.put_course(course, uow=call.uow, expected_version=call.if_match)
    return _as_saved(call, course.code, version)


@routes.post(
    "/v1/courses/{code}/retire",
    summary="Stop offering a course; plans that hold it are checked anew",
    reply=CourseDocument,
    access=staff(*EDITORS),
    problems=[PreconditionFailed, PreconditionRequired, handlers.CourseIsRetired],
)
def retire_course(call: Call[Any]) -> Reply:
    code = call.path["code"]
    version = handlers.retire_course(code, uow=call.uow, expected_version=call.if_match)
    return _as_saved(call, code, version)


def _as_saved(call: Call[Any], code: str, version: int) -> Reply:
    row = course_row(call.session, code)
    if row is None:
        raise NotFound
    return Reply(CourseDocument.of(row), etag=str(version))


def _wanted(call: Call[Any]) -> Select[Any]:
    query = call.query
    retired = query.get("retired", "false").casefold()
    if retired not in ("true", "false"):
        raise InvalidInput("`retired` must be true or false.")
    stopped = courses.c.retired_at
    wanted = select(courses).where(stopped.is_not(None) if retired == "true" else stopped.is_(None))
    if department := query.get("department"):
        wanted = wanted.where(func.lower(courses.c.department) == department.lower())
    if text := query.get("q"):
        wanted = wanted.where(courses.c.search_text.contains(text.casefold(), autoescape=True))
    if grade := query.get("grade"):
        wanted = wanted.where(courses.c.grade_bits.bitwise_and(_grade_bit(grade)) != 0)
    return wanted


def _grade_bit(grade: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,2}", grade) or not LOWEST_GRADE <= int(grade) <= HIGHEST_GRADE:
        expected = f"a grade level from {LOWEST_GRADE} to {HIGHEST_GRADE}, such as 10"
        raise InvalidInput(f"`grade` must be {expected}; got {grade[:20]!r}.")
    return grade_bits([int(grade)])
