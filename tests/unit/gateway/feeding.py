"""What the tests of the event feed share: a district that is heard of, and readers."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from services.gateway.feed.handlers import give_positions
from services.gateway.journeys import consumers
from services.gateway.settings import GatewaySettings
from shared.auth.projection import ACCESS_REACTIONS
from shared.auth.tokens import issue_token
from shared.database.database import Database
from shared.events import catalog, mentorship, notifications, plans, roster
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.messaging.reactions import Received
from shared.messaging.worker.periodic import Tick
from shared.settings import Settings
from tests.unit.gateway.world import World

STUDENT, SISTER, MOTHER, FATHER, COUNSELOR, STRANGER = (uuid4() for _ in range(6))
STANDING = plans.Standing(requirement_set="x", on_track=True, credits_planned=22, credits_required=22)


def hear(database: Database, *events: Event, version: int = 1) -> list[Envelope]:
    """Apply events as the gateway's worker does, in one transaction, without giving them positions."""
    correlation_id, heard = uuid4(), []
    with database.transaction() as uow:
        for event in events:
            envelope = Envelope(
                id=uuid4(),
                type=event.event_type,
                subject=event.subject_id,
                subject_version=version,
                time=database.clock.now(),
                correlation_id=correlation_id,
                causation_id=heard[-1].id if heard else None,
            )
            received = Received(event, envelope)
            if type(event) in ACCESS_REACTIONS:
                ACCESS_REACTIONS[type(event)](received, uow=uow)
            consumers.on_any_event(received, uow=uow)
            heard.append(envelope)
    return heard


def place(database: Database, settings: Settings) -> int:
    """Give positions as the worker's tick does, until all have one."""
    total, tick = 0, Tick(database, settings)
    while placed := give_positions(tick):
        total += placed
    return total


def tell(world: World, *events: Event, version: int = 1) -> list[Envelope]:
    heard = hear(world.database, *events, version=version)
    place(world.database, world.settings)
    return heard


def enrolled(student_id: UUID) -> roster.StudentEnrolled:
    return roster.StudentEnrolled(
        student_id=student_id,
        school_id=uuid4(),
        grade=10,
        graduation_year=2029,
        home_language="en",
        sealed_name="gAAAA-sealed",
    )


def guardian(person_id: UUID, student_id: UUID, *, barred: bool = False) -> roster.GuardianshipGranted:
    return roster.GuardianshipGranted(
        guardianship_id=uuid4(), guardian_id=person_id, student_id=student_id, relation="guardian", barred=barred
    )


def counselor(person_id: UUID, student_id: UUID) -> roster.CaseloadAssigned:
    return roster.CaseloadAssigned(
        assignment_id=uuid4(), staff_id=person_id, student_id=student_id, relation="counselor"
    )


def family(world: World) -> None:
    """A student with a mother, a barred father and a counselor, and a sister whom the father may hear of."""
    tell(
        world,
        enrolled(STUDENT),
        enrolled(SISTER),
        guardian(MOTHER, STUDENT),
        guardian(FATHER, STUDENT, barred=True),
        guardian(FATHER, SISTER),
        counselor(COUNSELOR, STUDENT),
    )


def approved(student_id: UUID = STUDENT, *, version: int = 3) -> plans.PlanApproved:
    return plans.PlanApproved(plan_id=uuid4(), student_id=student_id, version=version, actor_id=COUNSELOR)


def everything_about_the_student() -> list[Event]:
    """One event of each kind that readers see differently."""
    candidate = mentorship.Candidate(partner_id=uuid4(), organization="Prairie Clinic", reasons=("cluster",))
    notice = {"student_id": STUDENT, "template": "plan_approved", "channel": "email"}
    return [
        approved(),
        notifications.TaskOpened(task_id=uuid4(), student_id=STUDENT, assignee_id=COUNSELOR, kind="review_plan"),
        mentorship.MatchProposed(match_id=uuid4(), student_id=STUDENT, cluster="Health", candidates=(candidate,)),
        notifications.NoticeDelivered(notice_id=uuid4(), recipient_id=MOTHER, **notice),
        notifications.NoticeDelivered(notice_id=uuid4(), recipient_id=COUNSELOR, **notice),
        catalog.CourseRetired(course_id=uuid4(), code="B1"),
        roster.ContactRemoved(person_id=MOTHER),
        approved(SISTER),
    ]


def token(settings: GatewaySettings, role: str, person_id: UUID, *, scope: str = "", lifetime_s: int = 3600) -> str:
    return issue_token(settings, role=role, person_id=person_id, scope=scope, lifetime_s=lifetime_s)


def signed(world: World, role: str, person_id: UUID, **token_claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(world.settings, role, person_id, **token_claims)}"}


async def page(world: World, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    response = await world.client.get("/v1/events", headers=headers, params=query)
    assert response.status == 200, await response.text()
    document: dict[str, Any] = json.loads(await response.read())
    return document


async def everything(world: World, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    while True:
        read = await page(world, headers, **query)
        found += read["items"]
        if not read["more"]:
            return found
        query["after"] = read["next"]


def types(events: Iterable[dict[str, Any]]) -> list[str]:
    return [event["type"].rpartition(".v")[0] for event in events]


@dataclass
class Said:
    """One message of a stream."""

    id: str | None = None
    event: str = "message"
    data: str = ""
    comments: list[str] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.data)
        return document


async def next_said(response: aiohttp.ClientResponse, *, timeout_s: float = 10) -> Said:
    """The next block of a stream, be it a message, a mark or a comment."""
    said = Said()
    async with asyncio.timeout(timeout_s):
        while line := (await response.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(":")
            match name:
                case "":
                    if line == "\n":
                        return said
                    said.comments.append(value.strip())
                case "id":
                    said.id = value.strip()
                case "event":
                    said.event = value.strip()
                case "data":
                    said.data += value.strip()
    raise EOFError


async def next_event(response: aiohttp.ClientResponse, *, timeout_s: float = 10) -> Said:
    """The next message, past marks and comments."""
    while True:
        said = await next_said(response, timeout_s=timeout_s)
        if said.data:
            return said
