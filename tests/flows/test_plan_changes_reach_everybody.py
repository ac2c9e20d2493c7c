"""A real roster, a real catalog, 200 plan changes: everybody who may hear is told, once, and nobody else."""

from collections import Counter
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from services.notifications.notices.tables import causes, messages, notices
from shared.testing.deployment import Deployment, wait_until
from tests.support.grand_bend import GrandBend

STUDENTS = 40
CHANGES_EACH = 5


def test_200_plan_changes_reach_every_allowed_guardian_once(
    deployment: Deployment, shared_data: Path, tmp_path: Path
) -> None:
    # Given 40 students with plans to make, five of them with a guardian barred by a court order
    deployment.start()
    district = GrandBend(deployment, shared_data, tmp_path)
    district.load()
    students = district.choose(STUDENTS)
    district.bar(students[:5])

    # When their counselors make 200 changes through the gateway
    for student in students:
        district.begin_plan(student)
    for turn in range(CHANGES_EACH - 1):
        for student in students:
            district.toggle(student, turn)
    district.wait_delivered()

    # Then each allowed guardian got exactly one notice of each change, and the mailbox got no message twice
    assert len(district.made) == STUDENTS * CHANGES_EACH
    told = notices_by_guardian(deployment)
    expected = district.expected_notices()
    assert set(told) == expected
    assert set(told.values()) == {1}
    assert_nothing_sent_twice(deployment)

    # and the barred guardians were told nothing
    barred = {guardian for guardian, _ in district.barred}
    assert not barred & {guardian for _, guardian in told}

    # and every journey is complete
    for made in district.made:
        wait_until(
            lambda made=made: journey_is_complete(district, made.student_id, made.correlation_id),  # type: ignore[misc]
            timeout_s=30,
            what=f"the journey of change {made.version}",
        )


def notices_by_guardian(deployment: Deployment) -> Counter[tuple[UUID, UUID]]:
    """Notices handed over to a provider, by journey and guardian."""
    counted: Counter[tuple[UUID, UUID]] = Counter()
    statement = (
        select(causes.c.envelope, notices.c.recipient_id)
        .join(causes, causes.c.event_id == notices.c.cause_id)
        .join(messages, messages.c.notice_id == notices.c.notice_id)
        .where(notices.c.template == "plan_revised", messages.c.state.in_(["accepted", "delivered"]))
    )
    with deployment.database("notifications") as database, database.reading() as session:
        for envelope, recipient in session.execute(statement):
            counted[UUID(envelope["correlation_id"]), recipient] += 1
    return counted


def assert_nothing_sent_twice(deployment: Deployment) -> None:
    received = deployment.messages()
    with deployment.database("notifications") as database, database.reading() as session:
        accepted = session.execute(select(messages).where(messages.c.state.in_(["accepted", "delivered"]))).all()
    assert len(received) == len(accepted)
    emails = Counter(each["message_id"] for each in received if each["kind"] == "email")
    assert set(emails.values()) <= {1}


def journey_is_complete(district: GrandBend, student: UUID, correlation_id: UUID) -> bool:
    answer = district.call("GET", f"/v1/journeys/{correlation_id}", student=student)
    return answer.status_code == 200 and bool(answer.json()["complete"])
