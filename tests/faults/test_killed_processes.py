"""kill -9 of every kind of process during plan changes: nothing lost, nothing applied twice."""

import random
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from services.plans.plans.tables import plan_revisions, plans
from shared.messaging.tables import inbox, outbox
from shared.testing.deployment import Deployment
from tests.faults.conftest import Kills
from tests.flows.test_plan_changes_reach_everybody import notices_by_guardian
from tests.support.grand_bend import GrandBend

STUDENTS = 12
TURNS = 6


def test_nothing_is_lost_or_doubled_when_processes_are_killed(
    deployment: Deployment, shared_data: Path, tmp_path: Path, kills: Kills
) -> None:
    # Given a loaded district whose workers run apart, as in production
    workers = (
        [[]]
        if deployment.amqp_url is None
        else [["plans"], ["notifications"], ["roster", "catalog"], ["mentorship", "gateway"]]
    )
    deployment.start(workers=workers)
    district = GrandBend(deployment, shared_data, tmp_path)
    district.load()
    students = district.choose(STUDENTS, seed=2)
    randomness = random.Random(3)
    victims = [name for name in deployment.names if name != "mailbox"] * kills.per_process
    randomness.shuffle(victims)

    # When each kind of process is killed while changes go on
    for student in students:
        district.begin_plan(student)
    rounds = [(turn, student) for turn in range(TURNS * kills.per_process) for student in students]
    for index, (turn, student) in enumerate(rounds):
        if victims and index % max(1, len(rounds) // len(victims) // 2) == 0:
            deployment.kill_and_restart(victims.pop())
        district.toggle(student, turn)
    deployment.wait_ready()
    district.wait_delivered(timeout_s=240)

    # Then each confirmed change is one revision, one notice per guardian, and no event is left behind
    assert not victims
    assert revisions(deployment) == {(made.student_id, made.version) for made in district.made}
    told = notices_by_guardian(deployment)
    assert set(told) == district.expected_notices()
    assert set(told.values()) == {1}
    assert left_behind(deployment) == Counter()


def revisions(deployment: Deployment) -> set[tuple[object, int]]:
    with deployment.database("plans") as database, database.reading() as session:
        statement = select(plans.c.student_id, plan_revisions.c.version).join(
            plans, plans.c.plan_id == plan_revisions.c.plan_id
        )
        rows = session.execute(statement).all()
    assert len(rows) == len({tuple(row) for row in rows})
    return {(student, version) for student, version in rows}


def left_behind(deployment: Deployment) -> Counter[str]:
    """Unpublished events, and events not applied, by service."""
    left: Counter[str] = Counter()
    for service in ("roster", "catalog", "plans", "mentorship", "notifications", "gateway"):
        with deployment.database(service) as database, database.reading() as session:
            pending = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            unapplied = select(func.count()).select_from(inbox).where(inbox.c.state != "applied")
            left[service] += session.execute(pending).scalar_one() + session.execute(unapplied).scalar_one()
    return +left
