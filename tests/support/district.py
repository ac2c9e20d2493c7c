"""
A small district of invented people in every kind of relation to its students, served by every service in one process.

Everybody's address holds the person's own name, so a reply that passes on an address says whose it is.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from services.catalog.commands import load_catalog, load_requirements
from services.catalog.courses.parsing import parse_catalog
from services.catalog.settings import CatalogSettings
from services.composition import BEHIND_GATEWAY, SERVICES, api_app, settings_for, worker_classes
from services.mentorship.commands import load_partners
from services.mentorship.partners.rules import Contact, Partner
from services.mentorship.relationship_files.rules import file_id_of
from services.notifications.notices.tables import notices
from services.notifications.tasks.tables import tasks
from services.sample.catalog import catalog_document
from services.sample.requirements import requirements_document
from shared.auth.tokens import issue_token
from shared.database.database import Database
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.notifications import NoticeDelivered
from shared.messaging.message import Message
from shared.settings import Settings
from shared.testing import FakeClock
from shared.testing.embedded import Embedded
from shared.web.app import DATABASE
from tests.support.roll import FAMILIES, MENTORS, RollBook, id_of

ZONE = ZoneInfo("America/Chicago")
NOON = datetime(2026, 9, 15, 12, tzinfo=ZONE)
MIDNIGHT = datetime(2026, 9, 16, tzinfo=ZONE)  # local, and the eighteenth birthday of one student
HEALTH, BUILDING, FINANCE = "Health Science", "Architecture & Construction", "Finance"
NOBODY = UUID(int=0xDEAD)
UNREADABLE = Message(headers={}, body=b"not an event")  # becomes a dead letter wherever it arrives


@dataclass(frozen=True)
class Answer:
    """What a service said."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Things:
    """What there is about one student, by the names that paths use."""

    match_id: UUID
    task_id: UUID
    correlation_id: UUID
    relationship_file_id: UUID
    partner_id: UUID
    plan_version: int
    notices: dict[UUID, UUID]  # by recipient
    tasks: set[str] = field(default_factory=set)


class _Undone(Exception):
    """A rehearsed transaction is taken back."""


class District:
    """Every API and every worker's reactions, under one clock that stands still."""

    def __init__(self, folder: Path, *, database_url: str | None = None) -> None:
        """On SQLite files, unless a URL with `{service}` says otherwise."""
        self.clock = FakeClock(NOON)
        self.settings = Settings.model_validate(
            {"home": folder, "database_url": database_url, "amqp_url": None, "jwks": None}
        )
        self.embedded = Embedded(folder, worker_classes(), clock=self.clock, settings=self.settings)
        self.rehearses = False
        self.things: dict[str, Things] = {}
        self._runner = asyncio.Runner()
        self._clients: dict[str, TestClient[Any, Any]] = {}
        self._tokens: dict[tuple[str, str, str], Mapping[str, str]] = {}
        self.endpoints: dict[str, UUID] = {}  # of webhooks, by owner
        self.delivered: dict[str, UUID] = {}  # an event on its way to each
        self._runner.run(self._open())
        self._found()

    def close(self) -> None:
        for client in reversed(self._clients.values()):
            self._runner.run(client.close())
        self._runner.close()
        self.embedded.__exit__()

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """`body` is sent as JSON, bytes as they are."""
        return self._runner.run(self._ask(service, method, path, dict(headers or {}), body))

    def token(self, role: str, name: str, *, scope: str = "") -> Mapping[str, str]:
        """Headers that sign a request as somebody."""
        key = role, name, scope
        if key not in self._tokens:
            token = issue_token(self.settings, role=role, person_id=id_of(name), scope=scope)
            self._tokens[key] = {"Authorization": f"Bearer {token}"}
        return self._tokens[key]

    def database(self, service: str) -> Database:
        return self.embedded.databases[service]

    def drain(self) -> None:
        """Let every event reach whom it concerns. Nothing is sent: there is no provider here."""
        self.embedded.drain(periodic=False)

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Requests in here are answered as ever, and what they changed is taken back."""
        self.rehearses = True
        try:
            yield
        finally:
            self.rehearses = False

    @contextmanager
    def at(self, now: datetime) -> Iterator[None]:
        self.clock.set(now)
        try:
            yield
        finally:
            self.clock.set(NOON)

    async def _ask(self, service: str, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = self._clients[service].request(method, path, headers=headers, data=content, allow_redirects=False)
        async with request as response:
            if response.content_type == "text/event-stream":  # it would never end
                return Answer(response.status, b"", response.headers)
            return Answer(response.status, await response.read(), response.headers)

    async def _open(self) -> None:
        urls = {}
        for service in SERVICES:
            settings = settings_for(service, self.settings)
            if service == "gateway":
                unlimited = {"rate_limit_per_s": 0, "anonymous_rate_limit_per_s": 0, "callback_rate_limit_per_s": 0}
                settings = settings.model_copy(update={**urls, **unlimited})
            app = api_app(service, settings)
            self._rehearsable(app[DATABASE])
            client = self._clients[service] = TestClient(TestServer(app))
            await client.start_server()
            if service in BEHIND_GATEWAY:
                urls[f"{service}_url"] = str(client.make_url("")).rstrip("/")

    def _rehearsable(self, database: Database) -> None:
        database.clock = self.clock
        real = database.transaction

        @contextmanager
        def transaction(cause: Cause | None = None) -> Iterator[UnitOfWork]:
            if not self.rehearses:
                with real(cause) as uow:
                    yield uow
                return
            try:
                with real(cause) as uow:
                    yield uow
                    uow.flush_events()
                    raise _Undone
            except _Undone:
                pass

        database.transaction = transaction  # type: ignore[method-assign]

    def _found(self) -> None:
        """People first, in good standing; then what happens about each student; then what takes rights away."""
        self._publish_catalog()
        load_partners([_partner(key) for key in MENTORS], settings=self.settings)
        roll = RollBook(self.database("roster"), self.settings, coming_of_age=MIDNIGHT, now=NOON)
        roll.open()
        roll.note_import()
        self.drain()
        for student in FAMILIES:
            self._live(student)
        for student in FAMILIES:
            self.things[student] = self._find(student, self.things[student])
        self._deliver_notices()
        for integrator in ("vendor", "rival"):
            self._add_endpoint(integrator)
        self.drain()
        roll.take_away()
        self.drain()
        for worker in worker_classes():
            worker.consumer(self.database(worker.name), self.settings).apply([UNREADABLE])

    def _publish_catalog(self) -> None:
        own = self.settings.specialized(CatalogSettings)
        database = self.database("catalog")
        read = parse_catalog(catalog_document("2026-27").encode(), file="catalog.json", limit=own.max_catalog_bytes)
        load_catalog(read, database=database, settings=own, source="catalog.json")
        rules = requirements_document().encode()
        load_requirements(rules, database=database, settings=own, source="requirements.yaml", make_default=True)

    def _live(self, student: str) -> None:
        """A goal with its mentor approved, a course, another goal with none approved yet, and the plan handed in."""
        family = FAMILIES[student]
        pupil, counselor = self.token("student", student), self.token("counselor", family.counselor)
        plan = f"/v1/students/{id_of(student)}/plan"
        self._expect(200, "plans", "PUT", f"{plan}/goal", pupil, {"cluster": HEALTH}, version=0)
        matches = self._expect(200, "mentorship", "GET", f"/v1/students/{id_of(student)}/matches", counselor).document
        partner_id = _partner(family.mentor).partner_id
        approve = f"/v1/matches/{matches['items'][0]['match_id']}/approve"
        self._expect(200, "mentorship", "POST", approve, counselor, {"partner_id": str(partner_id)})
        change = {"changes": [{"action": "add", "code": "ENG-101", "grade": 9}]}
        changed = self._expect(200, "plans", "POST", f"{plan}/changes", pupil, change, version=1)
        self._expect(200, "plans", "PUT", f"{plan}/goal", pupil, {"cluster": BUILDING}, version=2)
        submitted = self._expect(200, "plans", "POST", f"{plan}/submit", pupil, version=3)
        matches = self._expect(200, "mentorship", "GET", f"/v1/students/{id_of(student)}/matches", counselor).document
        self.things[student] = Things(
            match_id=next(UUID(each["match_id"]) for each in matches["items"] if each["status"] == "proposed"),
            task_id=NOBODY,
            correlation_id=UUID(changed.headers["Correlation-Id"]),
            relationship_file_id=file_id_of(partner_id),
            partner_id=_partner("builders").partner_id,
            plan_version=int(submitted.headers["ETag"].strip('"')),
            notices={},
        )

    def _add_endpoint(self, owner: str) -> None:
        director = self.token("district_admin", "director")
        draft = {"url": "https://hooks.example.org/", "events": ["plans.plan.*"], "owner_id": str(id_of(owner))}
        added = self._expect(201, "gateway", "POST", "/v1/webhooks", director, draft).document
        path = f"/v1/webhooks/{added['endpoint_id']}/test"
        tested = self._expect(202, "gateway", "POST", path, director).document
        self.endpoints[owner] = UUID(added["endpoint_id"])
        self.delivered[owner] = UUID(tested["event_id"])

    def _expect(
        self,
        status: int,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Any = None,
        *,
        version: int | None = None,
    ) -> Answer:
        tag = {} if version is None else {"If-Match": f'"{version}"'}
        answer = self.ask(service, method, path, headers={**headers, **tag}, body=body)
        assert answer.status == status, (method, path, answer)
        self.drain()
        return answer

    def _find(self, student: str, things: Things) -> Things:
        with self.database("notifications").reading() as session:
            about = select(notices).where(notices.c.student_id == id_of(student)).order_by(notices.c.created_at)
            things.notices = {row.recipient_id: row.notice_id for row in session.execute(about)}
            opened = session.execute(select(tasks).where(tasks.c.student_id == id_of(student), tasks.c.state == "open"))
            for row in opened:
                assert row.assignee_id == id_of(FAMILIES[student].counselor)
                things.tasks.add(str(row.task_id))
                things.task_id = row.task_id
        return things

    def _deliver_notices(self) -> None:
        """As if a provider had taken every one, so that journeys tell of them."""
        with self.database("notifications").reading() as session:
            found = session.execute(select(notices)).all()
        for row in found:
            event = NoticeDelivered(
                notice_id=row.notice_id,
                student_id=row.student_id,
                recipient_id=row.recipient_id,
                template=row.template,
                channel="email",
            )
            cause = Cause(correlation_id=self._journey_of(row.cause_id), causation_id=row.cause_id)
            with self.database("notifications").transaction(cause) as uow:
                uow.emit(event, version=row.version + 1)

    def _journey_of(self, cause_id: UUID) -> UUID:
        from services.notifications.notices.handlers import load_cause

        with self.database("notifications").reading() as session:
            return load_cause(session, cause_id)[1].correlation_id


def partner_id_of(mentor: str) -> UUID:
    return _partner(mentor).partner_id


def _partner(key: str) -> Partner:
    return Partner(
        key=key,
        organization=f"{key.title()} of Larkspur",
        contact=Contact(key.title(), f"{key}@example.net", None),
        clusters={"builders": (BUILDING,), "idle": (FINANCE,)}.get(key, (HEALTH,)),
        languages=("en",),
        capacity=50,
        is_active=True,
    )
