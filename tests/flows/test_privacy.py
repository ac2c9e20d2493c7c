"""Names, addresses and numbers are where they belong: not in logs, traces, metrics, events, dead letters or tables."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import MetaData, func, select

from services.composition import SERVICES
from shared.messaging.tables import inbox, outbox
from shared.testing.deployment import Deployment, wait_until
from tests.support.canaries import Canaries
from tests.support.consequences import Consequences
from tests.support.eavesdropper import Eavesdropper
from tests.support.letters import Mailbox, link_in
from tests.support.sample import ADMINISTRATOR, OPERATOR, SampleDistrict, drop, partners, plan_path

OPERATIONS = ("ops", OPERATOR)
# Somebody who is only in what is broken or refused: such bytes may be kept, but never shown.
STRANGER = {"name": "Zacharias Quetzalcoatl", "address": "z.quetzalcoatl@example.com", "number": "+16055550199"}


@pytest.fixture(scope="module")
def canaries(loaded_district: SampleDistrict) -> Canaries:
    """Everybody of the district, and the partners' contacts."""
    people, mentors = loaded_district.people, partners(loaded_district.deployment)
    return Canaries(
        names=[name for each in people for name in (each.given_name, each.family_name)]
        + [each["contact_name"] for each in mentors],
        addresses=[each.email for each in people] + [each["contact_email"] for each in mentors] + ["moved@example.net"],
        numbers=[each.sms for each in people] + [each["contact_phone"] for each in mentors],
    )


@pytest.fixture(scope="module")
def strangers() -> Canaries:
    return Canaries(names=[STRANGER["name"]], addresses=[STRANGER["address"]], numbers=[STRANGER["number"]])


@pytest.fixture(scope="module")
def poison(loaded_district: SampleDistrict, consequences: Consequences) -> Iterator[UUID]:
    """The id of an event that no consumer can read and that is full of personal data; after all kinds of use."""
    run_flows(loaded_district, consequences)
    send_nonsense(loaded_district)
    event_id = uuid4()
    broken = {"person_id": STRANGER["name"], "kind": STRANGER["number"], "language": STRANGER["address"]}
    row = {
        "event_id": event_id,
        "type": "roster.contact.changed.v1",
        "subject": str(uuid4()),
        "subject_version": 1,
        "correlation_id": uuid4(),
        "body": json.dumps(broken).encode(),
    }
    roster, notifications = consequences.databases["roster"], consequences.databases["notifications"]
    with roster.transaction() as uow:
        uow.session.execute(outbox.insert().values(occurred_at=uow.clock.now(), **row))
    dead = select(func.count()).select_from(inbox).where(inbox.c.event_id == event_id, inbox.c.state == "dead")
    for database in (notifications, consequences.databases["gateway"]):

        def is_dead(database: Any = database) -> bool:
            with database.reading() as session:
                return bool(session.execute(dead).scalar_one())

        wait_until(is_dead, timeout_s=30, what=f"the dead letter in {database.service}")
    yield event_id
    # The district is shared: what was planted is taken out again.
    for service in ("notifications", "gateway"):
        selection = {"event_ids": [str(event_id)], "reason": "planted by a test"}
        answer = loaded_district.call("POST", f"/v1/{service}/dead-letters/discard", OPERATIONS, json=selection)
        assert answer.status_code == 200, answer.text


def run_flows(district: SampleDistrict, consequences: Consequences) -> None:
    """What people do: change plans, follow links, choose goals, hand in, move house, look around; staff, too."""
    mailbox = Mailbox(district.deployment)
    student = district.take(
        lambda each: len(each.guardians) == 2 and all(guardian.email for guardian in each.guardians)
    )
    mother, other = student.guardians
    course = next(each for each in student.courses if not each.is_taken)
    made = district.change(student, drop(course.code), by=student)
    letter = mailbox.email(mother, made.correlation_id)
    assert district.call("GET", link_in(letter)).status_code == 200
    assert district.call("POST", f"{link_in(letter)}/acknowledge").status_code == 200
    goal = next(each for each in ("Finance", "Health Science") if each != student.goal)
    journeys = [made.correlation_id, district.set_goal(student, goal, by=student).correlation_id]
    consequences.settle(journeys[-1])
    [match, *_] = district.read(f"/v1/students/{student.person_id}/matches", student.counselor)["items"]
    approval = {"partner_id": match["candidates"][0]["partner_id"]}
    path = f"/v1/matches/{match['match_id']}/approve"
    journeys.append(journey_of(district.call("POST", path, student.counselor, json=approval)))
    journeys.append(district.send(student, "POST", "/submit", by=student).correlation_id)
    journeys.append(district.send(student, "POST", "/approve").correlation_id)
    contact = {"email": "moved@example.net", "phone": mother.sms or None, "language": "en"}
    keyed = {"Idempotency-Key": uuid4().hex}
    journeys.append(journey_of(district.call("PUT", "/v1/me/contact", mother, json=contact, headers=keyed)))
    order = {"document": "Order 33", "barred": True}
    path = f"/v1/students/{student.person_id}/guardians/{other.person_id}/restriction"
    journeys.append(journey_of(district.call("POST", path, ("district_admin", ADMINISTRATOR), json=order)))
    for person in (student, mother, student.counselor):
        for path in ("/v1/home", "/v1/me", "/v1/students", f"/v1/students/{student.person_id}", "/v1/notices"):
            district.read(path, person)
    district.read(f"/v1/students/{student.person_id}/guardians", student.counselor)
    district.read(f"/v1/students/{student.person_id}/contacts", student.counselor)
    for journey in journeys:
        consequences.settle(journey)


def journey_of(answer: requests.Response) -> UUID:
    assert answer.status_code < 300, answer.text
    return UUID(answer.headers["Correlation-Id"])


def send_nonsense(district: SampleDistrict) -> None:
    """Requests that are refused, with personal data wherever a client could put it."""
    student = district.take()
    name, address = STRANGER["name"], STRANGER["address"]
    path = plan_path(student)
    _, etag = district.plan(student)
    said = {"If-Match": etag, "User-Agent": name, "Idempotency-Key": address, "Accept-Language": name}
    refused = [
        district.call("POST", f"{path}/changes", student, headers=said, json={"changes": [drop(name)]}),
        district.call("POST", f"{path}/changes", student, headers=said, data=f'{{"{name}": {address}'.encode()),
        district.call("POST", f"{path}/changes", student, headers={"If-Match": name}, json={}),
        district.call("PUT", f"{path}/goal", student, headers=said, json={"cluster": name}),
        district.call("GET", f"/v1/students/{name}/plan", student),
        district.call("GET", f"/v1/students?cursor={address}", student),
        district.call("GET", f"/v1/students?grade={name}", student),
        district.call("GET", f"/v1/{name}", student),
        district.call("GET", f"/{name}"),
        district.call("GET", f"/a/{name}"),
        district.call("GET", f"/v1/links/{name}"),
        district.call("PUT", "/v1/me/contact", student.guardians[0], json={"email": name, "phone": address}),
        district.call("GET", "/v1/me", headers={"Authorization": f"Bearer {name}"}),
        district.call("GET", "/v1/me", headers={"traceparent": name, "Correlation-Id": address}),
    ]
    assert {answer.status_code for answer in refused} <= {400, 401, 404, 412, 422}, refused
    # and bytes that are no HTTP at all
    for line in (f"GET /{name} HTTP/1.1\r\n{name}\r\n\r\n", f"{name} {address}\r\n\r\n", "\x16\x03\x01" + name):
        with socket.create_connection(("127.0.0.1", district.deployment.gateway_port), timeout=10) as connection:
            connection.sendall(line.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@pytest.fixture
def deployment(poison: UUID, loaded_district: SampleDistrict) -> Deployment:
    """The deployment after all of it."""
    return loaded_district.deployment


class TestNobodyIsNamed:
    def test_by_the_test_itself_in_vain(self, deployment: Deployment, canaries: Canaries, strangers: Canaries) -> None:
        # Where they do belong they are found, in whatever form; or all that follows would prove nothing.
        sent = json.dumps(deployment.messages())
        assert len(canaries.found_in(sent)) > 10
        assert "moved@example.net" in canaries.found_in('"to": "moved@example.net"')
        for text in (
            "name=Zacharias+Quetzalcoatl",
            "QUETZALCOATL",
            '"Quetz\\u0061lcoatl"',
            "605-555-0199 or 6055550199",
        ):
            assert strangers.found_in(text), text

    def test_in_logs(self, deployment: Deployment, canaries: Canaries, strangers: Canaries) -> None:
        logs = deployment.logs()

        assert "plan_revised" in logs
        assert "event_dead" in logs
        assert canaries.found_in(logs) | strangers.found_in(logs) == set()
        for line in logs.splitlines():
            if line.startswith("{"):
                assert {"event", "level", "timestamp", "service"} <= json.loads(line).keys(), line

    def test_in_traces(self, deployment: Deployment, canaries: Canaries, strangers: Canaries) -> None:
        traces = (deployment.home / "traces.jsonl").read_text()

        assert '"send email"' in traces
        assert canaries.found_in(traces) | strangers.found_in(traces) == set()

    def test_in_metrics(self, deployment: Deployment, canaries: Canaries, strangers: Canaries) -> None:
        worker = deployment.environment["SIGNPOST_WORKER_HTTP_PORT"]
        for url, expected in (
            (
                f"{deployment.gateway_url}/metrics",
                'signpost_http_requests_total{route="/v1/students/{student_id}/plan"',
            ),
            (f"http://127.0.0.1:{worker}/metrics", "signpost_messages_total{"),
        ):
            answer = requests.get(url, timeout=10)

            assert answer.status_code == 200
            assert expected in answer.text
            assert canaries.found_in(answer.text) | strangers.found_in(answer.text) == set()

    def test_in_dead_letters(
        self, deployment: Deployment, poison: UUID, district: SampleDistrict, canaries: Canaries, strangers: Canaries
    ) -> None:
        shown = [
            deployment.signpost("dead-letters", "list", "--parked"),
            deployment.signpost("dead-letters", "show", str(poison)),
            *(district.call("GET", f"/v1/{each}/dead-letters?parked", OPERATIONS).text for each in SERVICES),
            district.call("GET", f"/v1/notifications/dead-letters/{poison}", OPERATIONS).text,
        ]

        assert sum(str(poison) in text for text in shown) >= 4
        for text in shown:
            assert canaries.found_in(text) | strangers.found_in(text) == set(), text

    def test_in_events(self, consequences: Consequences, poison: UUID, canaries: Canaries, strangers: Canaries) -> None:
        bodies = 0
        for database in consequences.databases.values():
            with database.reading() as session:
                for row in session.execute(select(outbox).where(outbox.c.event_id != poison)):
                    assert canaries.found_in(row.body) | strangers.found_in(row.body) == set(), row.type
                    bodies += 1

        assert bodies > 500

    def test_in_messages_of_the_broker(
        self,
        deployment: Deployment,
        poison: UUID,
        overheard: Eavesdropper | None,
        canaries: Canaries,
        strangers: Canaries,
    ) -> None:
        # Embedded there is no broker: the events go from the outboxes, looked into above, straight to the consumers.
        assert (overheard is None) == (deployment.amqp_url is None)
        messages = overheard.messages() if overheard else []

        assert len(messages) > 500 or overheard is None
        for properties, body in messages:
            told = json.dumps(properties, default=str)
            assert canaries.found_in(told) | strangers.found_in(told) == set(), told
            if properties["message_id"] != str(poison):
                assert canaries.found_in(body) | strangers.found_in(body) == set(), told

    @pytest.mark.parametrize("service", SERVICES)
    def test_in_any_table(self, consequences: Consequences, poison: UUID, service: str, canaries: Canaries) -> None:
        # What was refused or broken may be kept as it came; of the district's own people nothing is in the clear.
        database = consequences.databases[service]
        known = MetaData()
        known.reflect(database.engine)
        found: dict[str, set[str]] = {}
        with database.reading() as session:
            for table in known.sorted_tables:
                text = "\n".join(" ".join(map(_readable, row)) for row in session.execute(select(table)))
                if names := canaries.found_in(text):
                    found[table.name] = names

        assert len(known.sorted_tables) > 5
        assert found == {}


def _readable(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)
