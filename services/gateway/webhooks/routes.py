"""`/v1/webhooks`: integrators manage their own endpoints, administrators all, operations may pause."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import deliveries, handlers, reading, schemas
from services.gateway.webhooks.rules import NotYours, PatternUnknown, UrlRefused
from shared.problems import Conflict, InvalidInput, PreconditionFailed, PreconditionRequired
from shared.telemetry.logs import get_logger
from shared.web.pagination import PageQuery, cursor_of, instant_position_of, limit_of
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="gateway", tag="webhooks")

log = get_logger(__name__)
_PATH = "/v1/webhooks"
_ONE = _PATH + "/{endpoint_id}"
_MANAGED = staff("integrator", "district_admin")
_SEEN = staff("integrator", "district_admin", "ops")
_STATES = ("queued", "sending", "delivered", "failed")


@routes.post(
    _PATH,
    summary="Add an endpoint",
    body=schemas.EndpointDraft,
    reply=schemas.Endpoint,
    access=_MANAGED,
    problems=[UrlRefused, PatternUnknown, handlers.TooManyEndpoints, InvalidInput],
)
def add_endpoint(call: Call[schemas.EndpointDraft]) -> Reply:
    """
    An address that events are sent to, by Standard Webhooks 1.0.

    Active at once if an administrator adds it for an integrator; an integrator's own waits for approval. Its secret
    is read with `GET /v1/webhooks/{endpoint_id}/secret`.
    """
    row = handlers.register(call.body, principal=call.principal, settings=_settings(call), uow=call.uow)
    return _shown(call, row, status=201)


@routes.get(_PATH, summary="Endpoints one may know of", query=PageQuery, reply=schemas.EndpointList, access=_SEEN)
def list_endpoints(call: Call[None]) -> Reply:
    """An integrator's own, or all for administrators and operations, who see neither addresses nor patterns."""
    limit = limit_of(call.query)
    rows = reading.list_endpoints(call.session, call.principal, after=instant_position_of(call.query), limit=limit + 1)
    items = [reading.endpoint_document(row, call.principal.role) for row in rows[:limit]]
    more = cursor_of(items[-1].created_at.isoformat(), str(items[-1].endpoint_id)) if len(rows) > limit else None
    return Reply(schemas.EndpointList(items=items, next=more))


@routes.get(_ONE, summary="One endpoint", reply=schemas.Endpoint, access=_SEEN)
def read_endpoint(call: Call[None]) -> Reply:
    return _shown(call, _endpoint(call))


@routes.patch(
    _ONE,
    summary="Change an endpoint",
    body=schemas.EndpointChange,
    reply=schemas.Endpoint,
    access=_MANAGED,
    problems=[UrlRefused, PatternUnknown, PreconditionFailed, PreconditionRequired, InvalidInput],
)
def change_endpoint(call: Call[schemas.EndpointChange]) -> Reply:
    """Address, description and wanted events; what is permitted is changed by an administrator. Needs `If-Match`."""
    row = handlers.change(
        call.uuid("endpoint_id"),
        call.body,
        version=call.required_version,
        principal=call.principal,
        settings=_settings(call),
        uow=call.uow,
    )
    return _shown(call, row)


@routes.delete(_ONE, summary="Remove an endpoint", access=_MANAGED)
def remove_endpoint(call: Call[None]) -> Reply:
    """Removes its secrets and its log too."""
    handlers.remove(call.uuid("endpoint_id"), principal=call.principal, uow=call.uow)
    return Reply(status=204)


@routes.post(
    _ONE + "/approve",
    summary="Approve an integrator's endpoint",
    body=schemas.Approval,
    reply=schemas.Endpoint,
    access=staff("district_admin"),
    problems=[PatternUnknown, Conflict],
)
def approve_endpoint(call: Call[schemas.Approval]) -> Reply:
    """Says which event types it may be sent. Its owner chooses among them."""
    row = handlers.approve(call.uuid("endpoint_id"), call.body.allowed_events, principal=call.principal, uow=call.uow)
    return _shown(call, row)


@routes.post(_ONE + "/pause", summary="Pause", reply=schemas.Endpoint, access=_SEEN, problems=[Conflict])
def pause_endpoint(call: Call[None]) -> Reply:
    """Send nothing for a while. What happens meanwhile is queued, and kept as long as the log."""
    return _shown(call, handlers.pause(call.uuid("endpoint_id"), principal=call.principal, uow=call.uow))


@routes.post(_ONE + "/resume", summary="Resume", reply=schemas.Endpoint, access=_SEEN, problems=[Conflict, NotYours])
def resume_endpoint(call: Call[None]) -> Reply:
    """
    After a pause, or after it was disabled and is mended.

    An integrator can undo what they did or what failures led to, operations their own pause, administrators all.
    """
    return _shown(call, handlers.resume(call.uuid("endpoint_id"), principal=call.principal, uow=call.uow))


@routes.get(_ONE + "/secret", summary="The secret in use", reply=schemas.Secret, access=_MANAGED)
def read_secret(call: Call[None]) -> Reply:
    """Each reading is logged. After a rotation it is the new one."""
    endpoint = _endpoint(call)
    document = handlers.read_secret(call.session, endpoint, settings=_settings(call), now=call.now)
    log.info("webhook_secret_read", endpoint_id=str(endpoint.endpoint_id), by=str(call.principal.person_id))
    return Reply(document, headers={"Cache-Control": "no-store"})


@routes.post(
    _ONE + "/secret/rotate",
    summary="Replace the secret",
    body=schemas.Rotation,
    reply=schemas.Endpoint,
    access=_MANAGED,
)
def rotate_secret(call: Call[schemas.Rotation]) -> Reply:
    """
    Both secrets sign while they overlap: read the new one, give it to the receiver, nothing is refused meanwhile.

    The answer does not hold it, as answers are kept for repeated requests.
    """
    handlers.rotate_secret(
        call.uuid("endpoint_id"),
        overlap=timedelta(hours=call.body.overlap_hours),
        principal=call.principal,
        settings=_settings(call),
        uow=call.uow,
    )
    return _shown(call, _endpoint(call))


@routes.post(_ONE + "/test", summary="Send a test event", reply=schemas.Tested, access=_MANAGED, problems=[Conflict])
def send_test(call: Call[None]) -> Reply:
    """Of type `gateway.webhook.tested.v1`; sent at once, signed and tried again like any other."""
    endpoint = _endpoint(call)
    return Reply(schemas.Tested(event_id=deliveries.queue_test(endpoint.endpoint_id, uow=call.uow)), status=202)


@routes.get(
    _ONE + "/deliveries",
    summary="Delivery log",
    query=schemas.DeliveryQuery,
    reply=schemas.DeliveryList,
    access=_SEEN,
)
def list_deliveries(call: Call[None]) -> Reply:
    """Ids, types and outcomes, the latest first; `?state=failed` for those given up on."""
    state, limit = call.query.get("state"), limit_of(call.query)
    if state is not None and state not in _STATES:
        raise InvalidInput(f"`state` must be one of {', '.join(_STATES)}.")
    endpoint_id = _endpoint(call).endpoint_id
    before = instant_position_of(call.query)
    rows = reading.list_deliveries(call.session, endpoint_id, state=state, before=before, limit=limit + 1)
    items = [schemas.Delivery.model_validate(row, from_attributes=True) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    more = cursor_of(last.created_at.isoformat(), str(last.delivery_id)) if last else None
    return Reply(schemas.DeliveryList(items=items, next=more))


@routes.get(_ONE + "/deliveries/{event_id}", summary="One delivery", reply=schemas.DeliveryDetail, access=_SEEN)
def read_delivery(call: Call[None]) -> Reply:
    """With every try: when, how long, which status, which address."""
    return Reply(reading.read_delivery(call.session, _endpoint(call).endpoint_id, call.uuid("event_id")))


@routes.post(
    _ONE + "/deliveries/{event_id}/resend",
    summary="Send one event again",
    reply=schemas.Queued,
    access=_SEEN,
    problems=[Conflict],
)
def resend_one(call: Call[None]) -> Reply:
    """Under the same `webhook-id`, whatever became of it, with the schedule from its beginning."""
    deliveries.resend(_endpoint(call).endpoint_id, call.uuid("event_id"), uow=call.uow)
    return Reply(schemas.Queued(count=1), status=202)


@routes.post(
    _ONE + "/resend",
    summary="Send the events of a time again",
    body=schemas.Resending,
    reply=schemas.Queued,
    access=_SEEN,
    problems=[Conflict],
)
def resend_range(call: Call[schemas.Resending]) -> Reply:
    """Also those that were never queued because the endpoint was new or disabled then."""
    count = deliveries.resend_range(
        _endpoint(call).endpoint_id,
        since=call.body.since,
        until=call.body.until,
        only_undelivered=call.body.only_undelivered,
        uow=call.uow,
    )
    return Reply(schemas.Queued(count=count), status=202)


@routes.get(_ONE + "/health", summary="How an endpoint is doing", reply=schemas.Health, access=_SEEN)
def read_health(call: Call[None]) -> Reply:
    return Reply(reading.read_health(call.session, _endpoint(call), now=call.now))


@routes.get(_ONE + "/changes", summary="What happened to an endpoint", reply=schemas.ChangeList, access=_SEEN)
def list_changes(call: Call[None]) -> Reply:
    """Who added, changed, paused it, and notices: `failing` for a day, `disabled` after five or by the receiver."""
    return Reply(reading.list_changes(call.session, _endpoint(call).endpoint_id))


def _settings(call: Call[Any]) -> GatewaySettings:
    return call.settings.specialized(GatewaySettings)


def _endpoint(call: Call[Any]) -> Row[Any]:
    return reading.find_endpoint(call.session, call.principal, call.uuid("endpoint_id"))


def _shown(call: Call[Any], row: Row[Any], *, status: int = 200) -> Reply:
    document = reading.endpoint_document(row, call.principal.role)
    return Reply(document, status=status, etag=str(document.version))
