"""Caseloads over HTTP."""

from typing import Any

from services.roster.caseloads.handlers import list_staff
from services.roster.caseloads.schemas import AssignmentDocument, AssignmentList
from shared.sealing import Sealer
from shared.web.routes import Call, Reply, Routes, on_student

routes = Routes(service="roster", tag="caseloads")


@routes.get(
    "/v1/students/{student_id}/staff",
    summary="Who is counselor, case manager and teacher of a student",
    reply=AssignmentList,
    access=on_student("student", "read"),
)
def get_staff(call: Call[Any]) -> Reply:
    sealer = Sealer.from_settings(call.settings)
    items = [
        AssignmentDocument(
            assignment_id=row["assignment_id"],
            staff_id=row["staff_id"],
            **sealer.open(row["sealed_name"]),
            relation=row["relation"],
            begins_on=row["begins_on"],
            ends_on=row["ends_on"],
        )
        for row in list_staff(call.session, call.uuid("student_id"))
    ]
    return Reply(AssignmentList(items=items))
