"""Consumers that stand still hold nobody up: changes are answered, what they lead to waits and is seen waiting."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import requests
from sqlalchemy import select

from services.notifications.notices.tables import causes, notices
from shared.events.envelope import Envelope
from shared.messaging.relay import outbox_backlog
from shared.testing.deployment import Deployment
from tests.support.consequences import Consequences
from tests.support.sample import SampleDistrict, Student, drop, english_12, needs_english_12, put_back

TURNS = 6


def test_changes_are_answered_while_no_worker_moves(district: SampleDistrict, consequences: Consequences) -> None:
    # Given a student in whose plan a course can be dropped and put back
    student = district.take(needs_english_12)
    course = english_12(student)

    # When the plan changes while every worker is halted
    with halted_workers(district.deployment):
        made = [
            district.change(student, drop(course.code) if turn % 2 == 0 else put_back(course)) for turn in range(TURNS)
        ]

        # Then each change is answered, and what waits is told to whoever watches
        pending, lag_s = outbox_backlog(consequences.databases["plans"])
        assert pending >= TURNS
        assert lag_s > 0
        assert requests.get(f"{district.deployment.gateway_url}/readyz", timeout=5).status_code == 200

    # and once the workers go on, every change has reached each guardian once
    for each in made:
        consequences.settle(each.correlation_id, timeout_s=60)
    told = notices_by_change(consequences, student)
    guardians = {guardian.person_id for guardian in student.guardians}
    assert told == Counter({(each.correlation_id, guardian): 1 for each in made for guardian in guardians})
    assert outbox_backlog(consequences.databases["plans"]) == (0, 0.0)


@contextmanager
def halted_workers(deployment: Deployment) -> Iterator[None]:
    workers = [psutil.Process(deployment.process_id(name)) for name in deployment.names if name.startswith("worker")]
    assert workers
    for each in workers:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in workers:
            each.send_signal(signal.SIGCONT)


def notices_by_change(consequences: Consequences, student: Student) -> Counter[tuple[object, object]]:
    """Notices about changes of the plan, by journey and guardian."""
    statement = (
        select(causes.c.envelope, notices.c.recipient_id)
        .join(notices, notices.c.cause_id == causes.c.event_id)
        .where(notices.c.student_id == student.person_id, notices.c.template == "plan_revised")
    )
    with consequences.databases["notifications"].reading() as session:
        return Counter(
            (Envelope.model_validate(envelope).correlation_id, recipient)
            for envelope, recipient in session.execute(statement)
        )
