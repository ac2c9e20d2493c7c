"""Imports over HTTP: what was applied, and deciding about what was parked."""

from typing import Any

from services.roster.imports import handlers
from services.roster.imports.findings import ImportRefused
from services.roster.imports.rules import ImportNotParked, RosterMoved
from services.roster.imports.schemas import ImportDocument, ImportPage
from shared.problems import InvalidInput
from shared.web.pagination import PageQuery, cursor_of, instant_position_of, limit_of
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="roster", tag="imports")


@routes.get(
    "/v1/roster/imports",
    summary="Imports, the latest first",
    query=PageQuery,
    reply=ImportPage,
    access=staff("district_admin"),
    problems=[InvalidInput],
)
def get_imports(call: Call[Any]) -> Reply:
    limit = limit_of(call.query)
    rows = handlers.list_imports(call.session, limit=limit + 1, after=instant_position_of(call.query))
    items = [ImportDocument.model_validate(row) for row in rows[:limit]]
    last = items[-1] if items else None
    more = cursor_of(last.imported_at.isoformat(), str(last.import_id)) if last and len(rows) > limit else None
    return Reply(ImportPage(items=items, next=more))


@routes.post(
    "/v1/roster/imports/{import_id}/confirm",
    summary="Apply a parked import, removals included",
    reply=ImportDocument,
    access=staff("district_admin"),
    problems=[ImportNotParked, RosterMoved, ImportRefused],
)
def confirm_import(call: Call[Any]) -> Reply:
    import_id = call.uuid("import_id")
    handlers.confirm_import(import_id, uow=call.uow, settings=call.settings, by=call.principal.person_id)
    return Reply(ImportDocument.model_validate(handlers.read_import(call.session, import_id)))


@routes.post(
    "/v1/roster/imports/{import_id}/reject",
    summary="Discard a parked import",
    reply=ImportDocument,
    access=staff("district_admin"),
    problems=[ImportNotParked],
)
def reject_import(call: Call[Any]) -> Reply:
    row = handlers.reject_import(call.uuid("import_id"), uow=call.uow, by=call.principal.person_id)
    return Reply(ImportDocument.model_validate(row))
