"""A service's HTTP API: takes declared routes and does for each what every route needs."""

import asyncio
import contextvars
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from aiohttp import web
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from shared.auth.access import Principal, can, disclose, is_student
from shared.auth.policy import READABLE_WITH_REASON
from shared.auth.tokens import TokenMissing, TokenVerifier
from shared.clock import Clock
from shared.database.database import Database, DatabaseAway
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.contract import PRODUCERS
from shared.messaging.wake import waker_for
from shared.problems import BodyTooLarge, InvalidInput, MalformedBody, NotFound, Problem, Unavailable
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.telemetry.metrics import CONTENT_TYPE as METRICS_TYPE
from shared.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, render_metrics
from shared.telemetry.traces import current_traceparent, span
from shared.web.calls import Call, Reply, parse_id
from shared.web.dead_letters import dead_letter_routes
from shared.web.idempotency import HEADER as IDEMPOTENCY_KEY
from shared.web.idempotency import earlier_reply, fingerprint, remember_reply
from shared.web.observed import observe_database
from shared.web.openapi import openapi_document
from shared.web.replays import replay_routes
from shared.web.routes import Route
from shared.web.text import check_body, check_named, check_path

API_VERSION = "1"
CORRELATION_ID = "Correlation-Id"
ACCESS_REASON = "Access-Reason"
PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_S = "2"
NOBODY = Principal(UUID(int=0), "public")

DATABASE = web.AppKey("database", Database)
SETTINGS = web.AppKey("settings", Settings)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = get_logger(__name__)


def create_service_app(
    settings: Settings,
    *,
    service: str,
    routes: Iterable[Iterable[Route]],
    database: Database | None = None,
    clock: Clock | None = None,
    instead: Mapping[str, Handler] | None = None,
) -> web.Application:
    """
    The API of one service.

    Args:
        routes: The Routes of every feature. The service's dead letters and replays are added.
        database: Opened from the settings where not given.
        instead: Handlers by path that take the place of /healthz, /readyz, /metrics or /openapi.json.
    """
    database = database or Database.open(settings, service, clock=clock)
    operations = [dead_letter_routes(service, database)]
    if service in PRODUCERS:
        operations.append(replay_routes(service, database))
    declared = [route for feature in [*routes, *operations] for route in feature]
    # Problems from outermost to innermost: measured and traced first, then translated.
    app = web.Application(client_max_size=settings.max_body_bytes, middlewares=[_observed(service), _translated])
    app[DATABASE], app[SETTINGS] = database, settings
    dispatcher = _Dispatcher(settings, database)
    for route in declared:
        app.router.add_route(route.method, route.path, partial(dispatcher.handle, route))
    document = openapi_document(declared, title=f"Signpost {service}", version=API_VERSION)
    common: dict[str, Handler] = {
        "/healthz": _healthz,
        "/readyz": partial(_readyz, dispatcher),
        "/metrics": partial(_metrics, dispatcher),
        "/openapi.json": partial(_openapi, json.dumps(document).encode()),
    }
    for path, handler in (common | dict(instead or {})).items():
        app.router.add_get(path, handler)
    app.cleanup_ctx.append(dispatcher.running)
    return app


def problem_response(problem: Problem) -> web.Response:
    """The one place where a refusal becomes an HTTP answer."""
    headers = {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = f'Bearer realm="signpost", error="{problem.code}"'
    if problem.status in (429, 503):
        headers["Retry-After"] = str(problem.members.get("retry_after_s", RETRY_AFTER_S))
    return web.Response(
        body=json.dumps(problem.document(), default=str).encode(),
        status=problem.status,
        content_type=PROBLEM_TYPE,
        headers=headers,
    )


class _Dispatcher:
    """Carries out routes: identity, transaction, authorization, idempotency, in that order."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self.database = database
        self._verifier = TokenVerifier.from_settings(settings)
        self._zone = ZoneInfo(settings.time_zone)
        # As many threads as database connections: a request waits here, cheaply, and not for a connection.
        self.pool = ThreadPoolExecutor(settings.db_pool_size, thread_name_prefix=database.service)

    async def running(self, app: web.Application) -> Any:
        waker = waker_for(self._settings, self.database)
        self.database.wakers.append(waker.wake)
        yield
        self.pool.shutdown()
        waker.close()
        self.database.dispose()

    async def handle(self, route: Route, request: web.Request) -> web.Response:
        principal = NOBODY if route.access.kind == "public" else await self._identify(request)
        check_path(request.match_info.values())
        check_named(request.query, request.query, where="query")
        check_named(request.headers, (IDEMPOTENCY_KEY, ACCESS_REASON), where="headers")
        body = await _read(request) if route.writes else b""
        reply = await self.run(self._write if route.writes else self._read_only, route, request, principal, body)
        response = web.Response(body=reply.content(), status=reply.status, headers=reply.all_headers())
        response.headers.setdefault("Cache-Control", "private, no-cache")
        if reply.body is not None:
            response.content_type = reply.content_type
        return response

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a synchronous function in the thread pool, within the present trace."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self.pool, context.run, function, *arguments)

    async def _identify(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing("Send `Authorization: Bearer <token>`.")
        return await self._verifier.verify(token.strip())

    def _read_only(self, route: Route, request: web.Request, principal: Principal, _: bytes) -> Reply:
        if route.access.kind == "student" and _needs_reason(route, principal):
            with self.database.transaction() as uow:  # the disclosure is written with the read
                call = self._call(route, request, principal, uow.session, uow, None)
                self._check(route, call)
                return route.function(call)
        with self.database.reading() as session:
            call = self._call(route, request, principal, session, None, None)
            self._check(route, call)
            return route.function(call)

    def _write(self, route: Route, request: web.Request, principal: Principal, body: bytes) -> Reply:
        with self.database.transaction(_cause(request)) as uow:
            unread = self._call(route, request, principal, uow.session, uow, None)
            self._check(route, unread)
            key = request.headers.get(IDEMPOTENCY_KEY)
            if key is not None and route.access.kind != "public":
                mark = fingerprint(request.method, request.path, body)
                earlier = earlier_reply(uow, person_id=principal.person_id, key=key, fingerprint=mark)
                if earlier is not None:
                    return earlier
            content = _parsed(route.body, body) if route.body else body
            reply = route.function(self._call(route, request, principal, uow.session, uow, content))
            # Kept with the answer, so that a repeated request is told the journey of the first.
            reply = replace(reply, headers={**reply.headers, CORRELATION_ID: str(uow.cause.correlation_id)})
            if key is not None and route.access.kind != "public":
                remember_reply(uow, person_id=principal.person_id, key=key, reply=reply)
            return reply

    def _call(
        self,
        route: Route,
        request: web.Request,
        principal: Principal,
        session: Session,
        uow: UnitOfWork | None,
        body: Any,
    ) -> Call[Any]:
        return Call(
            principal=principal,
            path=request.match_info,
            query=request.query,
            headers=request.headers,
            body=body,
            session=session,
            unit_of_work=uow,
            now=self.database.clock.now().astimezone(self._zone),
            settings=self._settings,
        )

    def _check(self, route: Route, call: Call[Any]) -> None:
        """
        Raises:
            NotFound: The caller may not do this; the same answer as for a thing that does not exist.
        """
        access = route.access
        if access.kind == "roles" and call.principal.role not in access.roles:
            raise NotFound
        if access.kind != "student":
            return
        student_id = parse_id(call.path["student_id"])
        if can(call.session, call.principal, access.resource, access.action, student_id, call.now):
            return
        reason = call.headers.get(ACCESS_REASON, "").strip()
        if not _needs_reason(route, call.principal) or not reason or not is_student(call.session, student_id):
            raise NotFound
        disclose(
            call.session,
            call.principal,
            student_id=student_id,
            resource=access.resource,
            reason=reason[:200],
            now=call.now,
        )


def _needs_reason(route: Route, principal: Principal) -> bool:
    return (
        principal.role == "district_admin"
        and route.access.action == "read"
        and route.access.resource in READABLE_WITH_REASON
    )


def _cause(request: web.Request) -> Cause:
    """The journey this request begins or, where the gateway already named it, belongs to."""
    try:
        correlation_id = UUID(request.headers.get(CORRELATION_ID, ""))
    except ValueError:
        correlation_id = uuid4()
    return Cause(correlation_id=correlation_id, traceparent=current_traceparent())


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(f"Send at most {request.app[SETTINGS].max_body_bytes} bytes.") from None


def _parsed(model: type[BaseModel], body: bytes) -> BaseModel:
    check_body(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise MalformedBody(faults[0]["msg"]) from None
        errors = [{"pointer": "/" + "/".join(map(str, fault["loc"])), "detail": fault["msg"]} for fault in faults]
        raise InvalidInput(f"{errors[0]['pointer']}: {errors[0]['detail']}", errors=errors) from None


def _observed(service: str) -> Any:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        started = time.perf_counter()
        with span(
            f"{request.method} {route}",
            kind=SpanKind.SERVER,
            parent=request.headers.get("traceparent"),
            attributes={"http.request.method": request.method, "http.route": route, "service": service},
        ) as current:
            response = await handler(request)
            current.set_attribute("http.response.status_code", response.status)
        HTTP_REQUESTS.labels(service, route, response.status).inc()
        HTTP_SECONDS.labels(service, route).observe(time.perf_counter() - started)
        return response

    return observe


@web.middleware
async def _translated(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem)
    except DatabaseAway as error:
        log.warning("database_away", reason=str(error))
        return problem_response(Unavailable("The service's database is away; nothing was changed."))
    except web.HTTPException as error:
        return problem_response(_from_aiohttp(error))
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("request_failed", method=request.method, route=str(request.match_info.route.resource))
        return problem_response(Failed("Something went wrong here, and it was recorded. Try again later."))


class Failed(Problem):
    """The service failed."""

    code = "internal-error"
    status = 500


class NotAllowed(Problem):
    """The address exists, but not for this method."""

    code = "method-not-allowed"
    status = 405


def _from_aiohttp(error: web.HTTPException) -> Problem:
    known = {404: NotFound, 405: NotAllowed, 413: BodyTooLarge}
    return known.get(error.status, InvalidInput)(error.reason if error.status != 404 else "")


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _readyz(dispatcher: _Dispatcher, _: web.Request) -> web.Response:
    try:
        await dispatcher.run(dispatcher.database.ping)
    except DatabaseAway:
        return web.json_response({"status": "unavailable", "missing": ["database"]}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(dispatcher: _Dispatcher, _: web.Request) -> web.Response:
    await dispatcher.run(observe_database, dispatcher.database)
    return web.Response(body=render_metrics(), headers={"Content-Type": METRICS_TYPE})


async def _openapi(document: bytes, _: web.Request) -> web.Response:
    return web.Response(body=document, content_type="application/json")
