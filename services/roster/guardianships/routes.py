"""Guardians and court orders over HTTP."""

from collections import defaultdict
from datetime import date
from typing import Any
from uuid import UUID

from services.roster.guardianships import court_orders
from services.roster.guardianships.handlers import court_order
from services.roster.guardianships.rules import OrderMeaningless, OrderNotOpen, SamePerson, rights_of
from services.roster.guardianships.schemas import (
    GuardianDocument,
    GuardianList,
    LiftRequest,
    OrderDocument,
    OrderFiling,
    OrderList,
)
from shared.sealing import Sealer
from shared.web.routes import Call, Reply, Routes, on_student, staff

routes = Routes(service="roster", tag="guardianships")


@routes.get(
    "/v1/students/{student_id}/guardians",
    summary="A student's guardians and what court orders leave them; for the staff responsible and the district",
    reply=GuardianList,
    access=on_student("restrictions", "read"),
)
def get_guardians(call: Call[Any]) -> Reply:
    student_id = call.uuid("student_id")
    orders: dict[UUID, list[OrderDocument]] = defaultdict(list)
    for row in court_orders.list_orders(call.session, student_id=student_id):
        orders[row["guardianship_id"]].append(_document(row, call.now.date()))
    sealer = Sealer.from_settings(call.settings)
    items = [
        GuardianDocument(
            guardianship_id=row["guardianship_id"],
            guardian_id=row["guardian_id"],
            **sealer.open(row["sealed_name"]),
            relation=row["relation"],
            barred=row["barred"],
            rights=list(rights_of(row["rights"])),
            begins_on=row["begins_on"],
            ends_on=row["ends_on"],
            orders=orders[row["guardianship_id"]],
        )
        for row in court_orders.list_guardians(call.session, student_id)
    ]
    return Reply(GuardianList(items=items))


@routes.post(
    "/v1/students/{student_id}/guardians/{guardian_id}/restriction",
    summary="File a court order; what it withholds is withheld at once, and another administrator confirms it",
    body=OrderFiling,
    reply=OrderDocument,
    access=staff("district_admin"),
    problems=[OrderMeaningless],
)
def file_restriction(call: Call[OrderFiling]) -> Reply:
    row = court_orders.file_order(
        student_id=call.uuid("student_id"),
        guardian_id=call.uuid("guardian_id"),
        document=call.body.document,
        barred=call.body.barred,
        rights=call.body.rights,
        begins_on=call.body.begins_on,
        ends_on=call.body.ends_on,
        by=call.principal.person_id,
        today=call.now.date(),
        uow=call.uow,
    )
    return _reply(call, row, status=201)


@routes.get(
    "/v1/restrictions",
    summary="Court orders; with ?open=true those that wait for a second administrator",
    reply=OrderList,
    access=staff("district_admin"),
)
def get_restrictions(call: Call[Any]) -> Reply:
    rows = court_orders.list_orders(call.session, open_only=call.query.get("open") == "true")
    return Reply(OrderList(items=[_document(row, call.now.date()) for row in rows]))


@routes.get(
    "/v1/restrictions/{order_id}", summary="One court order", reply=OrderDocument, access=staff("district_admin")
)
def get_restriction(call: Call[Any]) -> Reply:
    return _reply(call, court_orders.read_order(call.session, call.uuid("order_id")))


@routes.post(
    "/v1/restrictions/{order_id}/confirm",
    summary="Confirm, as a second administrator, a court order or its lifting",
    reply=OrderDocument,
    access=staff("district_admin"),
    problems=[SamePerson, OrderNotOpen],
)
def confirm_restriction(call: Call[Any]) -> Reply:
    row = court_orders.confirm_order(
        call.uuid("order_id"), by=call.principal.person_id, today=call.now.date(), uow=call.uow
    )
    return _reply(call, row)


@routes.post(
    "/v1/restrictions/{order_id}/lift",
    summary="Ask for a court order to be lifted; it withholds on until another administrator confirms",
    body=LiftRequest,
    reply=OrderDocument,
    access=staff("district_admin"),
    problems=[OrderNotOpen],
)
def lift_restriction(call: Call[LiftRequest]) -> Reply:
    row = court_orders.ask_to_lift(
        call.uuid("order_id"), document=call.body.document, by=call.principal.person_id, uow=call.uow
    )
    return _reply(call, row)


def _reply(call: Call[Any], row: court_orders.Row, *, status: int = 200) -> Reply:
    return Reply(_document(row, call.now.date()), status=status, etag=str(row["version"]))


def _document(row: court_orders.Row, today: date) -> OrderDocument:
    return OrderDocument(
        order_id=row["order_id"],
        guardianship_id=row["guardianship_id"],
        guardian_id=row["guardian_id"],
        student_id=row["student_id"],
        document=row["document_reference"],
        barred=row["barred"],
        rights=list(rights_of(row["rights"])),
        begins_on=row["begins_on"],
        ends_on=row["ends_on"],
        state=row["state"],
        withholds_today=court_order(row).withholds(today),
        filed_by=row["filed_by"],
        filed_at=row["filed_at"],
        confirmed_by=row["confirmed_by"],
        lift_document=row["lift_reference"],
        lift_asked_by=row["lift_asked_by"],
        lifted_by=row["lifted_by"],
        version=row["version"],
    )
