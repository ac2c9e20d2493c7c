"""kill -9 of every kind of process of the whole system during plan changes: nothing lost, nothing done twice."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import func, select

from services.notifications.notices.tables import messages
from services.plans.plans.tables import plan_revisions, plans
from services.sample_district import load_sample_district
from shared.messaging.tables import inbox, outbox
from shared.testing.deployment import Deployment, wait_until
from tests.faults.conftest import Faults
from tests.flows.test_engines_away import Changing
from tests.flows.test_plan_changes_reach_everybody import assert_nothing_sent_twice, notices_by_guardian
from tests.support.counting import Counts
from tests.support.sample import SampleDistrict

CLIENTS = 4
WORKERS = (("plans",), ("notifications",), ("roster", "catalog"), ("mentorship", "gateway"))
SETTLED = ("accepted", "delivered", "failed", "suppressed", "cancelled")


def test_nothing_is_lost_or_doubled_when_processes_are_killed(deployment: Deployment, faults: Faults) -> None:
    # Given a loaded district whose workers run apart, as in production
    kills, changes = faults.times(1, 20), faults.times(60, 10_000)
    deployment.start(workers=((),) if deployment.amqp_url is None else WORKERS)
    load_sample_district(deployment.settings, students=faults.times(30, 150), say=faults.say)
    district = SampleDistrict(deployment)
    plans_changed = [Changing.of(district) for _ in range(faults.times(8, 40))]
    victims = [name for name in deployment.names if name != "mailbox"] * kills
    random.Random(3).shuffle(victims)

    def made() -> int:
        return sum(len(each.made) for each in plans_changed)

    # When each kind of process is killed while changes go on
    with going_on(plans_changed):
        for number, name in enumerate(victims, start=1):
            before = made()
            wait_until(lambda: made() > before + CLIENTS, timeout_s=120, what="changes to go on")  # noqa: B023
            faults.say(f"kill {number} of {len(victims)}: {name}, {made()} changes so far")
            deployment.kill_and_restart(name)
        wait_until(lambda: made() >= changes, timeout_s=1200, what=f"{changes} changes")
    deployment.wait_ready()
    faults.say(f"{made()} changes made, waiting for their notices")
    expected = expected_notices(plans_changed)
    wait_until(
        lambda: is_settled(deployment) and len(notices_by_guardian(deployment)) >= len(expected),
        timeout_s=faults.times(240, 1800),
        what=f"{len(expected)} notices",
        interval_s=faults.times(1, 5),
    )

    # Then each confirmed change is one revision, one notice per guardian, and no event is left behind
    assert_nothing_sent_twice(deployment)
    faults.judge(
        "one change has one effect",
        f"whole system, {'embedded' if deployment.amqp_url is None else 'on RabbitMQ and PostgreSQL'}: "
        f"kill -9 of {len(set(victims))} kinds of process, {kills} times each",
        counts(deployment, plans_changed),
    )


@contextmanager
def going_on(changed: Sequence[Changing]) -> Iterator[None]:
    """Several clients change plans, each its own, for as long as the block lasts."""
    ended, failed = threading.Event(), list[BaseException]()

    def run(own: Sequence[Changing]) -> None:
        try:
            while not ended.is_set():
                for each in own:
                    each.change()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(changed[number::CLIENTS],), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(120)
    assert not failed, failed


def expected_notices(changed: Sequence[Changing]) -> set[tuple[UUID, UUID]]:
    """Every confirmed change, by its journey, and each guardian who must hear of it."""
    return {
        (journey, guardian.person_id)
        for each in changed
        for journey in each.made
        for guardian in each.student.guardians
        if guardian.email or guardian.sms
    }


def counts(deployment: Deployment, changed: Sequence[Changing]) -> Counts:
    """Confirmed changes against revisions and notices; versions that are missing from a plan are out of order."""
    kept = revisions(deployment, changed)
    expected = expected_notices(changed)
    journeys = {journey for each in changed for journey in each.made}
    told = Counter({key: count for key, count in notices_by_guardian(deployment).items() if key[0] in journeys})
    versions = {each.student.person_id: each.version for each in changed}
    confirmed = {(student, version) for student, newest in versions.items() for version in range(1, newest + 1)}
    return Counts(
        changes=len(journeys),
        lost=len(confirmed - kept.keys()) + len(expected - told.keys()),
        doubled=len(kept.keys() - confirmed) + surplus(kept) + len(told.keys() - expected) + surplus(told),
        left_behind=sum(left_behind(deployment).values()),
    )


def surplus(counted: Counter[tuple[UUID, UUID]] | Counter[tuple[UUID, int]]) -> int:
    return sum(counted.values()) - len(counted)


def revisions(deployment: Deployment, changed: Sequence[Changing]) -> Counter[tuple[UUID, int]]:
    """Versions that are kept of each of these students' plans."""
    students = [each.student.person_id for each in changed]
    statement = select(plans.c.student_id, plan_revisions.c.version).join(
        plans, plans.c.plan_id == plan_revisions.c.plan_id
    )
    with deployment.database("plans") as database, database.reading() as session:
        rows = session.execute(statement.where(plans.c.student_id.in_(students)))
        return Counter((row.student_id, row.version) for row in rows)


def is_settled(deployment: Deployment) -> bool:
    """Every event applied, and every message at its end."""
    with deployment.database("notifications") as database, database.reading() as session:
        unsettled = select(func.count()).select_from(messages).where(messages.c.state.not_in(SETTLED))
        return not session.execute(unsettled).scalar_one() and not left_behind(deployment)


def left_behind(deployment: Deployment) -> Counter[str]:
    """Unpublished events, and events not applied, by service."""
    left: Counter[str] = Counter()
    for service in ("roster", "catalog", "plans", "mentorship", "notifications", "gateway"):
        with deployment.database(service) as database, database.reading() as session:
            pending = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            unapplied = select(func.count()).select_from(inbox).where(inbox.c.state != "applied")
            left[service] += session.execute(pending).scalar_one() + session.execute(unapplied).scalar_one()
    return +left
