"""Webhooks from a running worker: green threads, real connections, both engines."""

from ipaddress import IPv4Address
from pathlib import Path
from threading import Event, Timer
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from cryptography import x509
from sqlalchemy import select

from services.gateway.webhooks.tables import deliveries
from shared.events.plans import PlanSubmitted
from shared.testing.deployment import Deployment, wait_until
from shared.testing.tokens import bearer
from tests.support.certificates import tls_contexts
from tests.support.receivers import Answer, receiver, verified

OWNER = UUID(int=2)
EVENTS = 30


@pytest.fixture
def running(deployment: Deployment) -> Deployment:
    deployment.extra = {"SIGNPOST_WEBHOOK_ALLOW_LOCAL": "true", "SIGNPOST_WEBHOOK_TIMEOUT_S": "3"}
    deployment.start()
    return deployment


def asked(deployment: Deployment, role: str, method: str, path: str, body: Any = None) -> Any:
    person = OWNER if role == "integrator" else UUID(int=1)
    answer = requests.request(
        method,
        f"{deployment.gateway_url}/v1/webhooks{path}",
        json=body,
        headers=bearer(deployment.settings, role, person),
        timeout=10,
    )
    assert answer.ok, answer.text
    return answer.json()


def endpoint(deployment: Deployment, url: str) -> str:
    draft = {"url": url, "events": ["plans.plan.*"], "owner_id": str(OWNER)}
    return f"/{asked(deployment, 'district_admin', 'POST', '', draft)['endpoint_id']}"


def submit(deployment: Deployment, count: int) -> list[str]:
    """Plans are submitted; the ids of the events."""
    with deployment.database("plans") as database, database.transaction() as uow:
        return [
            str(uow.emit(PlanSubmitted(plan_id=uuid4(), student_id=uuid4(), version=2, actor_id=uuid4()), version=2).id)
            for _ in range(count)
        ]


def outcomes(deployment: Deployment, path: str) -> set[str]:
    """What went wrong last, of every delivery of an endpoint."""
    listed = asked(deployment, "integrator", "GET", f"{path}/deliveries?limit=200")["items"]
    return {each["reason"] for each in listed if each["attempts"]}


def test_a_slow_receiver_and_a_doubtful_one_hold_up_nobody(running: Deployment, tmp_path: Path) -> None:
    server, _ = tls_contexts(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
    release = Event()
    with receiver() as fast, receiver() as slow, receiver(tls=server) as doubtful:
        slow.answers(Answer(until=release))
        fast_path = endpoint(running, fast.url)
        slow_path, doubtful_path = endpoint(running, slow.url), endpoint(running, doubtful.url)
        secret = asked(running, "integrator", "GET", f"{fast_path}/secret")["secret"]

        events = submit(running, EVENTS)

        wait_until(lambda: len(set(fast.ids)) == EVENTS, timeout_s=15, what="every event at the fast receiver")
        assert sorted(fast.ids) == sorted(events)
        assert all(verified(got, secret) for got in fast.got)
        wait_until(lambda: outcomes(running, slow_path) >= {"timeout"}, timeout_s=15, what="timeouts of the slow one")
        wait_until(
            lambda: outcomes(running, doubtful_path) == {"certificate_refused"},
            timeout_s=15,
            what="the refused certificate",
        )
        release.set()


def test_a_worker_asked_to_stop_finishes_what_it_is_sending(running: Deployment) -> None:
    release = Event()
    with receiver() as there:
        there.answers(Answer(until=release))
        endpoint(running, there.url)
        events = submit(running, 3)
        wait_until(lambda: len(there.got) == 3, timeout_s=15, what="the receiver to be asked")

        Timer(1.0, release.set).start()  # while the worker is stopping
        running.stop()

    with running.database("gateway") as database, database.reading() as session:
        rows = session.execute(select(deliveries)).all()
    assert {str(row.event_id): row.state for row in rows} == dict.fromkeys(events, "delivered")
