"""kill -9 of every kind of process of the whole system during plan changes: nothing lost, nothing done twice."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from services.plans.plans.tables import plan_revisions, plans
from shared.messaging.tables import inbox, outbox
from shared.testing.deployment import Deployment, wait_until
from tests.faults.conftest import Faults
from tests.flows.test_plan_changes_reach_everybody import notices_by_guardian
from tests.support.counting import Counts
from tests.support.grand_bend import GrandBend

CLIENTS = 4


def test_nothing_is_lost_or_doubled_when_processes_are_killed(
    deployment: Deployment, shared_data: Path, tmp_path: Path, faults: Faults
) -> None:
    # Given a loaded district whose workers run apart, as in production
    kills, changes = faults.times(1, 20), faults.times(60, 10_000)
    workers = (
        [[]]
        if deployment.amqp_url is None
        else [["plans"], ["notifications"], ["roster", "catalog"], ["mentorship", "gateway"]]
    )
    deployment.start(workers=workers)
    district = GrandBend(deployment, shared_data, tmp_path)
    district.load()
    students = district.choose(faults.times(12, 80), seed=2)
    victims = [name for name in deployment.names if name != "mailbox"] * kills
    random.Random(3).shuffle(victims)

    # When each kind of process is killed while changes go on
    for student in students:
        district.begin_plan(student)
    with toggling(district, students):
        for number, name in enumerate(victims, start=1):
            made = len(district.made)
            wait_until(lambda: len(district.made) > made + CLIENTS, timeout_s=120, what="changes to go on")  # noqa: B023
            faults.say(f"kill {number} of {len(victims)}: {name}, {len(district.made)} changes so far")
            deployment.kill_and_restart(name)
        wait_until(lambda: len(district.made) >= changes, timeout_s=900, what=f"{changes} changes")
    deployment.wait_ready()
    faults.say(f"{len(district.made)} changes made, waiting for their notices")
    district.wait_delivered(timeout_s=faults.times(240, 1800))
    wait_until(lambda: not left_behind(deployment), timeout_s=60, what="every event to be applied")

    # Then each confirmed change is one revision, one notice per guardian, and no event is left behind
    faults.judge(
        "one change has one effect",
        f"whole system, {'embedded' if deployment.amqp_url is None else 'on RabbitMQ and PostgreSQL'}: "
        f"kill -9 of {len(set(victims))} kinds of process, {kills} times each",
        counts(deployment, district),
    )


@contextmanager
def toggling(district: GrandBend, students: Sequence[UUID]) -> Iterator[None]:
    """Several clients change plans, each those of its own students, for as long as the block lasts."""
    ended, failed = threading.Event(), list[BaseException]()

    def run(own: Sequence[UUID]) -> None:
        try:
            turn = 0
            while not ended.is_set():
                for student in own:
                    district.toggle(student, turn)
                turn += 1
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=run, args=(students[number::CLIENTS],), daemon=True) for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(120)
    assert not failed, failed


def counts(deployment: Deployment, district: GrandBend) -> Counts:
    """Confirmed changes against revisions and notices; versions that are missing from a plan are out of order."""
    confirmed = {(made.student_id, made.version) for made in district.made}
    kept, told, expected = revisions(deployment), notices_by_guardian(deployment), district.expected_notices()
    newest: dict[UUID, int] = {}
    for student, version in kept:
        newest[student] = max(newest.get(student, 0), version)
    return Counts(
        changes=len(confirmed),
        lost=len(confirmed - kept.keys()) + len(expected - told.keys()),
        doubled=len(kept.keys() - confirmed)
        + sum(kept.values()) - len(kept)
        + len(told.keys() - expected)
        + sum(told.values()) - len(told),
        out_of_order=sum(newest.values()) - len(kept),
        left_behind=sum(left_behind(deployment).values()),
    )  # fmt: skip


def revisions(deployment: Deployment) -> Counter[tuple[UUID, int]]:
    with deployment.database("plans") as database, database.reading() as session:
        statement = select(plans.c.student_id, plan_revisions.c.version).join(
            plans, plans.c.plan_id == plan_revisions.c.plan_id
        )
        return Counter((row.student_id, row.version) for row in session.execute(statement))


def left_behind(deployment: Deployment) -> Counter[str]:
    """Unpublished events, and events not applied, by service."""
    left: Counter[str] = Counter()
    for service in ("roster", "catalog", "plans", "mentorship", "notifications", "gateway"):
        with deployment.database(service) as database, database.reading() as session:
            pending = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            unapplied = select(func.count()).select_from(inbox).where(inbox.c.state != "applied")
            left[service] += session.execute(pending).scalar_one() + session.execute(unapplied).scalar_one()
    return +left
