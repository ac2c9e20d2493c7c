"""Partners over HTTP: staff alone."""

from typing import Any

from services.mentorship.matches.rules import PartnerSeats
from services.mentorship.partners import handlers
from services.mentorship.partners.schemas import ContactDocument, PartnerDocument, PartnerSummary
from services.mentorship.relationship_files.rules import file_id_of
from shared.problems import InvalidInput
from shared.sealing import Sealer
from shared.web.pagination import Page, PageQuery, cursor_of, limit_of, position_of
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="mentorship", tag="partners")


@routes.get(
    "/v1/partners",
    summary="Community partners in the order of the district's keys",
    query=PageQuery,
    reply=Page[PartnerSummary],
    access=staff("counselor", "district_admin"),
    problems=[InvalidInput],
)
def list_partners(call: Call[Any]) -> Reply:
    limit = limit_of(call.query)
    position = position_of(call.query)
    after = str(position[0]) if position else None
    listed = handlers.list_partners(call.session, after=after, limit=limit)
    more = cursor_of(listed[-1][0]) if len(listed) == limit else None
    return Reply(Page(items=[PartnerSummary(**summary_of(partner)) for _, partner in listed], next=more))


@routes.get(
    "/v1/partners/{partner_id}",
    summary="A community partner with its contact person",
    reply=PartnerDocument,
    access=staff("counselor", "district_admin"),
)
def read_partner(call: Call[Any]) -> Reply:
    partner, sealed = handlers.find_partner(call.session, call.uuid("partner_id"))
    contact = ContactDocument(**Sealer.from_settings(call.settings).open(sealed))
    return Reply(PartnerDocument(**summary_of(partner), contact=contact))


def summary_of(partner: PartnerSeats) -> dict[str, Any]:
    return {
        "partner_id": partner.partner_id,
        "organization": partner.organization,
        "clusters": partner.clusters,
        "languages": partner.languages,
        "capacity": partner.capacity,
        "places_left": partner.left,
        "is_active": partner.is_active,
        "relationship_file_id": file_id_of(partner.partner_id),
    }
