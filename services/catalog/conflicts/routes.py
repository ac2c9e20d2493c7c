"""Conflicts over HTTP: for staff, who can have them put right at the source."""

from typing import Any

from sqlalchemy import select

from services.catalog.conflicts.schemas import ConflictDocument, ConflictQuery
from services.catalog.conflicts.tables import conflict_of, conflicts
from services.catalog.tables import revision
from shared.problems import InvalidInput
from shared.web.pagination import Page, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="catalog", tag="conflicts")


@routes.get(
    "/v1/catalog/conflicts",
    summary="Contradictions in the catalog and its rules, the serious ones first",
    query=ConflictQuery,
    reply=Page[ConflictDocument],
    access=staff("counselor", "case_manager", "teacher", "district_admin"),
    problems=[InvalidInput],
)
def list_conflicts(call: Call[Any]) -> Reply:
    limit, after = limit_of(call.query), position_of(call.query)
    severity = call.query.get("severity")
    if severity not in (None, "conflict", "note"):
        raise InvalidInput("`severity` must be conflict or note.")
    current = revision(call.session)
    if call.if_none_match == current:
        return Reply(status=304, etag=str(current))
    wanted = select(conflicts).order_by(conflicts.c.position)
    if severity:
        wanted = wanted.where(conflicts.c.severity == severity)
    if after:
        if not isinstance(after[0], int):
            raise InvalidInput("`cursor` must be the `next` of an earlier page of this list.")
        wanted = wanted.where(conflicts.c.position > after[0])
    rows = call.session.execute(wanted.limit(limit + 1)).all()
    found = [conflict_of(row) for row in rows[:limit]]
    items = [
        ConflictDocument(
            scope=each.scope,
            kind=each.kind,
            subject=each.subject,
            severity=each.severity,
            detail=each.detail,
            where=each.where,
        )
        for each in found
    ]
    following = cursor_of(rows[limit - 1].position) if len(rows) > limit else None
    return Reply(Page(items=items, next=following), etag=str(current))
