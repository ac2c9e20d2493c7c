"""Whatever order a history of links, orders and caseloads arrives in, every service decides as the newest facts say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.composition import SERVICES, worker_classes
from shared.auth.access import person_can
from shared.database.database import Database
from shared.events import roster
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.messaging.consumer import Consumer
from shared.messaging.message import Message
from shared.messaging.operations.dead_letters import list_dead_letters
from shared.testing import FakeClock
from shared.testing.embedded import Embedded

NOW = datetime(2026, 9, 15, 12, tzinfo=ZoneInfo("America/Chicago"))
TODAY = NOW.date()
PEOPLE, STUDENTS = range(2), range(2)
DAYS = st.sampled_from([None, TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1)])
BIRTHDAYS = st.sampled_from([None, NOW - timedelta(days=1), NOW, NOW + timedelta(seconds=1)])
RIGHTS = st.sets(st.sampled_from(roster.FULL_GUARDIAN_RIGHTS))

# What each relation may do, in the words of the access table; of a guardian also the right it hangs on.
MAY = {
    ("student", "read"): {"self", "guardian:plan.read", "counselor", "case_manager", "teacher"},
    ("plan", "read"): {"self", "guardian:plan.read", "counselor", "case_manager", "teacher"},
    ("plan", "write"): {"self", "counselor", "case_manager"},
    ("plan", "sign"): {"guardian:plan.sign"},
    ("plan", "approve"): {"counselor"},
    ("contacts", "read"): {"self", "counselor", "case_manager"},
    ("restrictions", "read"): {"counselor", "case_manager"},
    ("notices", "read"): {"self", "guardian:notices", "counselor", "case_manager"},
    ("tasks", "write"): {"counselor"},
}


@dataclass(frozen=True)
class Fact:
    """One event about one subject; its place among the facts about that subject is its version."""

    subject: tuple[str, int, int]  # relation, person, student
    kind: str
    rights: frozenset[str] = frozenset()
    barred: bool = False
    begins_on: date | None = None
    ends_on: date | None = None
    transfers_at: datetime | None = None


@dataclass(frozen=True)
class Link:
    """The reference: what a subject's facts, taken in the order of their versions, come to."""

    rights: frozenset[str] = frozenset()
    barred: bool = False
    ended: bool = False
    begins_on: date | None = None
    ends_on: date | None = None
    transfers_at: datetime | None = None

    def after(self, fact: Fact) -> "Link":
        match fact.kind:
            case "begun":
                return Link(fact.rights, fact.barred, False, fact.begins_on, fact.ends_on, fact.transfers_at)
            case "restricted":
                return replace(self, rights=fact.rights, barred=fact.barred)
            case _:
                return replace(self, ended=True)

    @property
    def is_in_force(self) -> bool:
        begun = self.begins_on is None or self.begins_on <= TODAY
        return begun and not self.ended and (self.ends_on is None or self.ends_on >= TODAY)


History = Sequence[Fact]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Several facts about each of a few subjects; what is said of one first is that it began."""
    relations = ["guardian", "guardian", "counselor", "case_manager", "teacher"]
    links = st.tuples(st.sampled_from(relations), st.sampled_from(PEOPLE), st.sampled_from(STUDENTS))
    subjects = [("self", 0, student) for student in STUDENTS] + draw(
        st.lists(links, min_size=1, max_size=4, unique=True)
    )
    facts = []
    for subject in subjects:
        kinds = ["begun", "ended"] + (["restricted"] * 2 if subject[0] == "guardian" else [])
        later = draw(st.lists(st.sampled_from(kinds), max_size=3))
        facts += [_fact(draw, subject, kind) for kind in ("begun", *later)]
    return facts


def _fact(draw: st.DrawFn, subject: tuple[str, int, int], kind: str) -> Fact:
    match subject[0], kind:
        case "self", "begun":
            return Fact(subject, kind, transfers_at=draw(BIRTHDAYS))
        case "guardian", "begun" | "restricted":
            barred = draw(st.booleans())
            rights = frozenset() if barred else frozenset(draw(RIGHTS))
            days = {} if kind == "restricted" else {"begins_on": draw(DAYS), "ends_on": draw(DAYS)}
            return Fact(subject, kind, rights, barred, **days)
        case _, "begun":
            return Fact(subject, kind, begins_on=draw(DAYS), ends_on=draw(DAYS))
        case _:
            return Fact(subject, kind)


def reference(history: History) -> dict[tuple[str, int, int], Link]:
    links: dict[tuple[str, int, int], Link] = {}
    for fact in history:
        links[fact.subject] = links.get(fact.subject, Link()).after(fact)
    return links


def allowed(links: dict[tuple[str, int, int], Link], person: int, resource: str, action: str, student: int) -> bool:
    own = {relation: link for (relation, who, whom), link in links.items() if (who, whom) == (person, student)}
    if any(link.barred for relation, link in own.items() if relation != "self"):
        return False
    comes_of_age = links["self", 0, student].transfers_at
    may = MAY[resource, action]
    for relation, link in own.items():
        if relation == "self" or not link.is_in_force:
            continue
        if relation in may:
            return True
        if relation == "guardian" and (comes_of_age is None or comes_of_age > NOW):
            kept = {f"guardian:{right}" for right in link.rights}
            if kept & may:
                return True
    return False


class Ids:
    """Ids of one example's people, students and links; every example has its own."""

    def __init__(self) -> None:
        self.people = {number: uuid4() for number in PEOPLE}
        self.students = {number: uuid4() for number in STUDENTS}
        self._links: dict[tuple[str, int, int], UUID] = {}

    def link(self, subject: tuple[str, int, int]) -> UUID:
        return self._links.setdefault(subject, uuid4())

    def event(self, fact: Fact, *, is_first: bool) -> Event:
        relation, person, student = fact.subject
        student_id = self.students[student]
        pair = {
            "student_id": student_id,
            ("guardian_id" if relation == "guardian" else "staff_id"): self.people[person],
        }
        dates = {"begins_on": fact.begins_on, "ends_on": fact.ends_on}
        order = {"rights": tuple(sorted(fact.rights)), "barred": fact.barred}
        link_id = self.link(fact.subject)
        match relation, fact.kind:
            case "self", "begun":
                contract = roster.StudentEnrolled if is_first else roster.StudentChanged
                state = {"school_id": UUID(int=1), "grade": 11, "graduation_year": 2028, "home_language": "en"}
                given = {"student_id": student_id, "rights_transfer_at": fact.transfers_at, "sealed_name": "sealed"}
                return contract.model_validate(state | given)
            case "self", _:
                return roster.StudentWithdrawn(student_id=student_id, withdrawn_on=TODAY)
            case "guardian", "begun":
                named = {"guardianship_id": link_id, "relation": "mother"}
                return roster.GuardianshipGranted.model_validate(named | pair | order | dates)
            case "guardian", "restricted":
                return roster.GuardianshipRestricted.model_validate({"guardianship_id": link_id} | pair | order)
            case "guardian", _:
                return roster.GuardianshipRevoked.model_validate({"guardianship_id": link_id} | pair)
            case _, "begun":
                named = {"assignment_id": link_id, "relation": relation}
                return roster.CaseloadAssigned.model_validate(named | pair | dates)
            case _:
                return roster.CaseloadEnded.model_validate({"assignment_id": link_id, "relation": relation} | pair)


def messages_of(history: History, ids: Ids) -> list[Message]:
    versions: dict[tuple[str, int, int], int] = {}
    found = []
    for fact in history:
        version = versions[fact.subject] = versions.get(fact.subject, 0) + 1
        event = ids.event(fact, is_first=version == 1)
        envelope = Envelope(
            id=uuid4(),
            type=event.event_type,
            subject=event.subject_id,
            subject_version=version,
            time=NOW,
            correlation_id=uuid4(),
        )
        found.append(Message(headers=envelope.headers(), body=event.model_dump_json().encode()))
    return found


@dataclass
class Group:
    """One service's consumer and database."""

    consumer: Consumer
    database: Database
    types: frozenset[str]

    def hear(self, messages: Sequence[Message], chance: Random) -> None:
        """In any order, in batches, some of them twice."""
        wanted = [message for message in messages if message.event_type in self.types]
        delivered = wanted + [message for message in wanted if chance.random() < 0.2]
        chance.shuffle(delivered)
        while delivered:
            size = chance.randint(1, 8)
            self.consumer.apply(delivered[:size])
            del delivered[:size]


class District:
    """Every service with its own database, hearing the same facts each in an order of its own."""

    def __init__(self, embedded: Embedded, clock: FakeClock) -> None:
        self._clock = clock
        self.groups = {
            worker.name: Group(
                worker.consumer(embedded.databases[worker.name], embedded.settings),
                embedded.databases[worker.name],
                frozenset(worker.reactions()),
            )
            for worker in worker_classes()
        }

    def hear(self, messages: Sequence[Message], chance: Random) -> None:
        for group in self.groups.values():
            group.hear(messages, chance)
        self._clock.set(NOW + timedelta(days=1))  # what had to wait for another event is tried again
        for group in self.groups.values():
            group.consumer.retry_due()
            assert list_dead_letters(group.database, include_parked=True) == []
        self._clock.set(NOW)


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    clock = FakeClock(NOW)
    with Embedded(tmp_path_factory.mktemp("projection"), worker_classes(), clock=clock) as embedded:
        yield District(embedded, clock)


# A number makes the shuffling: hypothesis would stop an example that draws too much while it is being delivered.
@given(history=histories(), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_service_decides_as_the_newest_facts_say(district: District, history: History, seed: int) -> None:
    ids, links = Ids(), reference(history)
    expected = {
        (who, student, *what): allowed(links, who, *what, student)
        for who in PEOPLE
        for student in STUDENTS
        for what in MAY
    }

    district.hear(messages_of(history, ids), Random(seed))

    for service in SERVICES:
        with district.groups[service].database.reading() as session:
            decided = {
                (who, student, *what): person_can(session, ids.people[who], *what, ids.students[student], NOW)
                for who, student, *what in expected
            }
            own = [person_can(session, each, "plan", "write", each, NOW) for each in ids.students.values()]
        assert decided == expected, service
        assert own == [True, True], service
