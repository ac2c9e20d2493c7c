"""Students over HTTP: those the caller has to do with, and no others."""

import re
from typing import Any
from uuid import UUID

from services.roster.people.handlers import name_of
from services.roster.students.reading import list_students, read_student, relations_to
from services.roster.students.schemas import Me, RelatedStudent, StudentDocument, StudentPage
from shared.problems import InvalidInput
from shared.sealing import Sealer
from shared.web.pagination import LARGEST_LIMIT, PageQuery, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, on_student, signed_in

routes = Routes(service="roster", tag="students")


class StudentQuery(PageQuery):
    """Which students are wanted."""

    grade: int | None = None


@routes.get(
    "/v1/students",
    summary="Enrolled students you may see",
    query=StudentQuery,
    reply=StudentPage,
    access=signed_in(),
    problems=[InvalidInput],
)
def get_students(call: Call[Any]) -> Reply:
    limit = limit_of(call.query)
    position = position_of(call.query)
    found = list_students(
        call.session,
        call.principal,
        now=call.now,
        sealer=Sealer.from_settings(call.settings),
        limit=limit + 1,
        after=_id_in(position[0]) if position else None,
        grade=_grade_in(call.query.get("grade")),
    )
    items = found[:limit]
    return Reply(StudentPage(items=items, next=cursor_of(str(items[-1].student_id)) if len(found) > limit else None))


@routes.get(
    "/v1/students/{student_id}", summary="One student", reply=StudentDocument, access=on_student("student", "read")
)
def get_student(call: Call[Any]) -> Reply:
    student = read_student(call.session, call.uuid("student_id"), sealer=Sealer.from_settings(call.settings))
    return Reply(student, etag=str(student.version))


@routes.get("/v1/me", summary="Who you are, and the students you have to do with", reply=Me, access=signed_in())
def get_me(call: Call[Any]) -> Reply:
    sealer = Sealer.from_settings(call.settings)
    found = list_students(call.session, call.principal, now=call.now, sealer=sealer, limit=LARGEST_LIMIT)
    relations = relations_to(call.session, call.principal, [student.student_id for student in found], now=call.now)
    name = name_of(call.session, call.principal.person_id, sealer=sealer)
    return Reply(
        Me(
            person_id=call.principal.person_id,
            role=call.principal.role,
            given_name=name and name["given_name"],
            family_name=name and name["family_name"],
            students=[
                RelatedStudent(student=student, relations=list(relations.get(student.student_id, ())))
                for student in found
            ],
        )
    )


def _id_in(value: Any) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise InvalidInput("`cursor` must be the `next` of an earlier page of this list.") from None


def _grade_in(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,2}", value):
        raise InvalidInput(f"`grade` must be a number such as 9; got {value[:20]!r}.")
    return int(value)
