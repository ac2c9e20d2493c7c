"""The mentorship service on a SQLite file, and a way to let it hear events."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Row, select

from services.mentorship.matches.repository import Match, list_matches
from services.mentorship.partners.handlers import import_partners
from services.mentorship.partners.rules import Contact, ImportPlan, Partner
from services.mentorship.worker import MentorshipService
from shared.database.database import Database
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.events.plans import GoalSet
from shared.events.roster import CaseloadAssigned, StudentEnrolled, StudentWithdrawn
from shared.messaging.message import Message
from shared.messaging.operations.dead_letters import DeadLetter, list_dead_letters
from shared.messaging.tables import outbox
from shared.sealing import Sealer
from shared.settings import Settings
from shared.testing import FakeClock, sqlite_database
from shared.testing.databases import embedded_settings

HEALTH = "Health Science"


def partner(
    key: str = "clinic",
    *,
    clusters: tuple[str, ...] = (HEALTH,),
    languages: tuple[str, ...] = ("en",),
    capacity: int = 2,
    is_active: bool = True,
) -> Partner:
    return Partner(
        key=key,
        organization=f"{key.title()} of Larkspur",
        contact=Contact("Ana Ruiz", f"{key}@example.org", "+16055550123"),
        clusters=clusters,
        languages=languages,
        capacity=capacity,
        is_active=is_active,
    )


class Mentorship:
    """The service, driven by its events and read from its tables."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.sealer = Sealer.from_settings(settings)
        self.consumer = MentorshipService.consumer(database, settings)

    def message(self, event: Event, *, version: int = 1) -> Message:
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=version,
            time=self.database.clock.now(),
            correlation_id=uuid4(),
        )
        return Message(headers=envelope.headers(), body=event.model_dump_json().encode())

    def hear(self, event: Event, *, version: int = 1) -> Message:
        message = self.message(event, version=version)
        self.consumer.apply([message])
        return message

    def enrol(self, student_id: UUID | None = None, *, language: str = "en", version: int = 1) -> UUID:
        student_id = student_id or uuid4()
        event = StudentEnrolled(
            student_id=student_id,
            school_id=UUID(int=1),
            grade=10,
            graduation_year=2029,
            home_language=language,
            sealed_name="sealed",
        )
        self.hear(event, version=version)
        return student_id

    def withdraw(self, student_id: UUID, *, version: int = 2) -> None:
        on = self.database.clock.now().date()
        self.hear(StudentWithdrawn(student_id=student_id, withdrawn_on=on), version=version)

    def goal(self, student_id: UUID, cluster: str = HEALTH, *, version: int = 1) -> Message:
        event = GoalSet(plan_id=UUID(int=student_id.int ^ 1), student_id=student_id, cluster=cluster)
        return self.hear(event, version=version)

    def counselor_of(self, student_id: UUID) -> UUID:
        staff_id = uuid4()
        self.hear(
            CaseloadAssigned(assignment_id=uuid4(), staff_id=staff_id, student_id=student_id, relation="counselor")
        )
        return staff_id

    def list_partners(self, *listed: Partner) -> ImportPlan:
        with self.database.transaction() as uow:
            return import_partners(listed, uow=uow, sealer=self.sealer)

    def matches(self, student_id: UUID) -> list[Match]:
        with self.database.reading() as session:
            return list_matches(session, student_id)

    def match(self, student_id: UUID) -> Match:
        [only] = self.matches(student_id)
        return only

    def emitted(self) -> list[str]:
        return [row.type.split(".")[2] for row in self.outbox()]

    def outbox(self) -> Iterable[Row]:  # type: ignore[type-arg]
        with self.database.reading() as session:
            return session.execute(select(outbox).order_by(outbox.c.position)).all()

    def parked(self) -> list[DeadLetter]:
        return list_dead_letters(self.database, include_parked=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mentorship(tmp_path: Path, clock: FakeClock) -> Iterator[Mentorship]:
    database = sqlite_database("mentorship", tmp_path, clock=clock)
    yield Mentorship(database, embedded_settings(tmp_path))
    database.dispose()


@pytest.fixture
def proposed(mentorship: Mentorship) -> Callable[[], tuple[UUID, Match]]:
    """Makes a student with a proposal; the partners must be listed before."""

    def propose() -> tuple[UUID, Match]:
        student_id = mentorship.enrol()
        mentorship.goal(student_id)
        return student_id, mentorship.match(student_id)

    return propose
