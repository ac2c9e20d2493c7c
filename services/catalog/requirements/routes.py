"""Requirement sets over HTTP: read by everyone but operations; they change by import."""

from typing import Any

from services.catalog.requirements.schemas import RequirementSetDocument, RequirementSetList, RequirementSetSummary
from services.catalog.requirements.tables import set_rows
from services.catalog.roles import READERS
from services.catalog.tables import revision
from shared.problems import NotFound
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="catalog", tag="requirements")


@routes.get(
    "/v1/requirement-sets",
    summary="The rule sets a plan can be checked against, the default one first",
    reply=RequirementSetList,
    access=staff(*READERS),
)
def list_requirement_sets(call: Call[Any]) -> Reply:
    current = revision(call.session)
    if call.if_none_match == current:
        return Reply(status=304, etag=str(current))
    items = [RequirementSetSummary.of(row) for row in set_rows(call.session).values()]
    return Reply(RequirementSetList(items=items), etag=str(current))


@routes.get(
    "/v1/requirement-sets/{rule_set}/{track}",
    summary="One track of a rule set, with its lines",
    reply=RequirementSetDocument,
    access=staff(*READERS),
)
def read_track(call: Call[Any]) -> Reply:
    return _read(call, f"{call.path['rule_set']}/{call.path['track']}")


@routes.get(
    "/v1/requirement-sets/{key}",
    summary="A rule set without tracks, with its lines",
    reply=RequirementSetDocument,
    access=staff(*READERS),
)
def read_requirement_set(call: Call[Any]) -> Reply:
    """A key with a track may also come here, its slash written %2F."""
    return _read(call, call.path["key"])


def _read(call: Call[Any], key: str) -> Reply:
    row = set_rows(call.session).get(key)
    if row is None:
        raise NotFound
    if call.if_none_match == row.version:
        return Reply(status=304, etag=str(row.version))
    return Reply(RequirementSetDocument.of(row), etag=str(row.version))
