"""`GET /v1/journeys/{correlation_id}`."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from services.gateway.journeys import handlers
from services.gateway.journeys.schemas import JourneyDocument
from services.gateway.settings import GatewaySettings
from shared.web.routes import Call, Reply, Routes, signed_in

routes = Routes(service="gateway", tag="journeys")


@routes.get(
    "/v1/journeys/{correlation_id}", summary="What one action led to", reply=JourneyDocument, access=signed_in()
)
def read_journey(call: Call[None]) -> Reply:
    """
    The chain of events behind the `Correlation-Id` of a change, each step after its cause.

    Shown to the student, the guardians who may read the plan, the counselor and the case
    manager; families see the notices addressed to themselves and no tasks.
    """
    settings = call.settings.specialized(GatewaySettings)
    document = handlers.read_journey(
        call.session,
        call.principal,
        call.uuid("correlation_id"),
        now=call.now,
        settle=timedelta(seconds=settings.journey_settle_s),
        zone=ZoneInfo(settings.time_zone),
    )
    return Reply(document, headers={"Cache-Control": "no-store"})
