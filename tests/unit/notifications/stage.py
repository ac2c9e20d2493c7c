"""A notifications service with one family, a counselor, and providers that do as they are told."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from services.notifications.delivery.ports import Accepted, CannotTell, Providers, Sms
from services.notifications.notices.sending import Outbound
from services.notifications.notices.tables import messages, notices
from services.notifications.settings import NotificationsSettings
from services.notifications.tasks.tables import tasks
from services.notifications.worker import NotificationsService
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.events import mentorship, plans, roster
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.identifiers import stable_id
from shared.messaging.message import Message
from shared.messaging.tables import inbox, outbox
from shared.sealing import Sealer
from shared.testing import FakeClock

STUDENT = stable_id("person", "test", "maya")
ROSA = stable_id("person", "test", "rosa")
DANIEL = stable_id("person", "test", "daniel")
COUNSELOR = stable_id("person", "test", "chen")
SCHOOL = stable_id("school", "test", "1")
PLAN = stable_id("plan", str(STUDENT))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

FINANCE = plans.UnmetRequirement(id="finance", title="Personal Finance", short_by=Decimal("0.5"))
ENGLISH = plans.UnmetRequirement(id="english", title="English", short_by=Decimal(1), missing=("English 12", "Writing"))


class FakeEmail:
    """Takes every email; `next_outcomes` are raised or returned first, one per send. Remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.next_outcomes: list[BaseException | Accepted] = []
        self.before_send: Callable[[], None] | None = None
        self.attempts = 0
        self.can_be_asked = False

    def send(self, message: EmailMessage) -> Accepted:
        self.attempts += 1
        if self.before_send is not None:
            self.before_send()
        outcome = self.next_outcomes.pop(0) if self.next_outcomes else Accepted()
        if isinstance(outcome, BaseException):
            raise outcome
        self.taken.append(message)
        return outcome

    def find(self, message: EmailMessage) -> Accepted | None:
        if not self.can_be_asked:
            raise CannotTell
        taken = any(each["Message-ID"] == message["Message-ID"] for each in self.taken)
        return Accepted() if taken else None


class FakeSms:
    """Takes every SMS, and can be asked about them."""

    def __init__(self) -> None:
        self.taken: list[Sms] = []
        self.next_outcomes: list[BaseException] = []

    def send(self, sms: Sms) -> Accepted:
        if self.next_outcomes:
            raise self.next_outcomes.pop(0)
        self.taken.append(sms)
        return Accepted(f"SM{len(self.taken)}")

    def find(self, sms: Sms, *, since: datetime) -> Accepted | None:
        for number, each in enumerate(self.taken, start=1):
            if each == sms:
                return Accepted(f"SM{number}")
        return None


class Stage:
    """Feeds events in as the consumer would get them, and looks at what came of it."""

    def __init__(self, folder: Path, *, clock: Any = None, **overrides: Any) -> None:
        self.clock: Any = clock or FakeClock()
        self.settings = NotificationsSettings.model_validate({"home": folder, **overrides})
        migrate(self.settings, "notifications")
        self.database = Database.open(self.settings, "notifications", clock=self.clock)
        self.consumer = NotificationsService.consumer(self.database, self.settings)
        self.sealer = Sealer.from_settings(self.settings)
        self.email, self.sms = FakeEmail(), FakeSms()
        self.outbound = self.new_outbound()
        self._versions: dict[str, int] = {}

    def new_outbound(self) -> Outbound:
        """Another worker over the same database and providers."""
        return Outbound.open(self.settings, self.clock, Providers(email=self.email, sms=self.sms))

    def envelope(self, event: Event, *, version: int | None = None, correlation_id: UUID | None = None) -> Envelope:
        subject = event.subject_id
        self._versions[subject] = version or self._versions.get(subject, 0) + 1
        return Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=subject,
            subject_version=self._versions[subject],
            time=self.clock.now(),
            correlation_id=correlation_id or uuid4(),
            traceparent=TRACE,
        )

    def receive(self, event: Event, *, version: int | None = None, envelope: Envelope | None = None) -> Envelope:
        envelope = envelope or self.envelope(event, version=version)
        self.consumer.apply([Message(headers=envelope.headers(), body=event.model_dump_json().encode())])
        return envelope

    def receive_family(self) -> None:
        """Maya, her mother Rosa (Spanish, email), her father Daniel (English, SMS), and her counselor."""
        self.receive(self.enrolled())
        for guardian_id, relation in ((ROSA, "mother"), (DANIEL, "father")):
            self.receive(self.guardianship(guardian_id, relation=relation))
        self.receive(self.contact(ROSA, "guardian", "es-MX", given_name="Rosa", email="rosa@family.example"))
        self.receive(self.contact(DANIEL, "guardian", "en", given_name="Daniel", phone="+12025550143"))
        self.receive(self.contact(STUDENT, "student", "en", given_name="Maya", email="maya@school.example"))
        self.receive(self.contact(COUNSELOR, "staff", "en", given_name="Chen", email="chen@school.example"))
        self.receive(self.caseload())

    def enrolled(self, *, rights_transfer_at: datetime | None = None) -> roster.StudentEnrolled:
        return roster.StudentEnrolled(
            student_id=STUDENT,
            school_id=SCHOOL,
            grade=11,
            graduation_year=2028,
            home_language="es",
            rights_transfer_at=rights_transfer_at,
            sealed_name=self.sealer.seal({"given_name": "Maya", "family_name": "Quintanilla"}),
        )

    def contact(self, person_id: UUID, kind: str, language: str, **contact: str) -> roster.ContactChanged:
        return roster.ContactChanged.model_validate(
            {
                "person_id": person_id,
                "kind": kind,
                "language": language,
                "time_zone": "America/Chicago",
                "sealed_contact": self.sealer.seal(roster.SealedContact.model_validate(contact)),
            }
        )

    def guardianship(
        self, guardian_id: UUID, *, relation: str = "mother", ends_on: date | None = None
    ) -> roster.GuardianshipGranted:
        return roster.GuardianshipGranted(
            guardianship_id=_guardianship(guardian_id),
            guardian_id=guardian_id,
            student_id=STUDENT,
            relation=relation,
            ends_on=ends_on,
        )

    def guardianship_ended(self, guardian_id: UUID) -> roster.GuardianshipRevoked:
        return roster.GuardianshipRevoked(
            guardianship_id=_guardianship(guardian_id), guardian_id=guardian_id, student_id=STUDENT
        )

    def restriction(
        self, guardian_id: UUID, *, barred: bool = True, rights: Iterable[roster.GuardianRight] = ()
    ) -> roster.GuardianshipRestricted:
        return roster.GuardianshipRestricted(
            guardianship_id=_guardianship(guardian_id),
            guardian_id=guardian_id,
            student_id=STUDENT,
            barred=barred,
            rights=tuple(rights),
        )

    def caseload(self, staff_id: UUID = COUNSELOR, *, begins_on: date | None = None) -> roster.CaseloadAssigned:
        return roster.CaseloadAssigned(
            assignment_id=stable_id("caseload", "counselor", str(staff_id), str(STUDENT)),
            staff_id=staff_id,
            student_id=STUDENT,
            relation="counselor",
            begins_on=begins_on,
        )

    def caseload_ended(self, staff_id: UUID = COUNSELOR) -> roster.CaseloadEnded:
        return roster.CaseloadEnded(
            assignment_id=stable_id("caseload", "counselor", str(staff_id), str(STUDENT)),
            staff_id=staff_id,
            student_id=STUDENT,
            relation="counselor",
        )

    def send(self) -> int:
        """Send until nothing is due."""
        total = 0
        while sent := self.outbound.send_due(self.database):
            total += sent
        return total

    def notices(self) -> list[Any]:
        return self._rows(select(notices).order_by(notices.c.created_at, notices.c.template, notices.c.audience))

    def messages(self) -> list[Any]:
        return self._rows(select(messages).order_by(messages.c.created_at, messages.c.message_id))

    def states(self) -> list[tuple[str, str]]:
        return sorted((row.channel, row.state) for row in self.messages())

    def tasks(self) -> list[Any]:
        return self._rows(select(tasks).order_by(tasks.c.opened_at))

    def emitted(self, action: str) -> list[Any]:
        """Outbox rows whose type ends so, oldest first."""
        statement = select(outbox).where(outbox.c.type.endswith(f"{action}.v1")).order_by(outbox.c.position)
        return self._rows(statement)

    def inbox_states(self) -> list[str]:
        return [row.state for row in self._rows(select(inbox).where(inbox.c.state != "applied"))]

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.email.taken if message["To"] == address]

    def _rows(self, statement: Any) -> list[Any]:
        with self.database.reading() as session:
            return list(session.execute(statement).all())


def _guardianship(guardian_id: UUID) -> UUID:
    return stable_id("guardianship", str(guardian_id), str(STUDENT))


def standing(
    unmet: tuple[plans.UnmetRequirement, ...] = (),
    *,
    new: tuple[plans.UnmetRequirement, ...] = (),
    met: tuple[str, ...] = (),
) -> plans.Standing:
    return plans.Standing(
        requirement_set="test/standard",
        on_track=not unmet,
        credits_planned=Decimal("21.5"),
        credits_required=Decimal(22),
        unmet=unmet,
        became_unmet=new,
        became_met=met,
    )


def revised(version: int = 2, *, unmet: tuple[plans.UnmetRequirement, ...] = ()) -> plans.PlanRevised:
    return plans.PlanRevised(
        plan_id=PLAN,
        student_id=STUDENT,
        version=version,
        actor_id=STUDENT,
        actor_role="student",
        changes=(
            plans.CourseChange(
                kind="dropped", code="PF-1", title="Personal Finance", credits=Decimal("0.5"), grade=11, term="S1"
            ),
            plans.CourseChange(
                kind="added", code="AR-1", title="Ceramics", credits=Decimal("0.5"), grade=11, term="S1"
            ),
            plans.CourseChange(
                kind="moved",
                code="CH-1",
                title="Chemistry",
                credits=Decimal(1),
                grade=12,
                term="S2",
                from_grade=11,
                from_term="YEAR",
            ),
        ),
        standing=standing(unmet, new=unmet),
    )


def flipped(
    version: int = 2,
    *,
    unmet: tuple[plans.UnmetRequirement, ...] = (FINANCE,),
    new: tuple[plans.UnmetRequirement, ...] | None = None,
    cause: str = "plan",
) -> plans.AuditFlipped:
    return plans.AuditFlipped.model_validate(
        {
            "plan_id": PLAN,
            "student_id": STUDENT,
            "version": version,
            "cause": cause,
            "standing": standing(unmet, new=unmet if new is None else new),
        }
    )


def submitted(version: int = 3) -> plans.PlanSubmitted:
    return plans.PlanSubmitted(plan_id=PLAN, student_id=STUDENT, version=version, actor_id=STUDENT)


def approved(version: int = 3) -> plans.PlanApproved:
    return plans.PlanApproved(plan_id=PLAN, student_id=STUDENT, version=version, actor_id=COUNSELOR)


def proposed(match: str = "1", cluster: str = "Health Science") -> mentorship.MatchProposed:
    candidate = mentorship.Candidate(partner_id=uuid4(), organization="Lakeside Clinic", reasons=("cluster",))
    return mentorship.MatchProposed(
        match_id=stable_id("match", match), student_id=STUDENT, cluster=cluster, candidates=(candidate,)
    )


def accepted(match: str = "1") -> mentorship.MatchAccepted:
    return mentorship.MatchAccepted(
        match_id=stable_id("match", match),
        student_id=STUDENT,
        partner_id=uuid4(),
        organization="Lakeside Clinic",
        relationship_file_id=uuid4(),
        approved_by=COUNSELOR,
    )


def ended(match: str = "1", reason: str = "superseded") -> mentorship.MatchEnded:
    return mentorship.MatchEnded.model_validate(
        {"match_id": stable_id("match", match), "student_id": STUDENT, "reason": reason}
    )


def eighteenth_birthday() -> datetime:
    """Local midnight in Chicago, a day after the stage's clock begins."""
    return datetime(2026, 9, 16, 5, 0, tzinfo=UTC)
