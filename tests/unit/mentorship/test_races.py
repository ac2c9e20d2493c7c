"""Two people at once: the last place goes to one of them. On SQLite and, where there is one, on PostgreSQL."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from services.mentorship.matches.handlers import approve_match, decline_match
from services.mentorship.matches.repository import Match
from services.mentorship.matches.rules import AlreadyDecided, PartnerFull, Status
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.testing import FakeClock
from shared.testing.databases import embedded_settings, postgres_urls
from tests.unit.mentorship.conftest import HEALTH, Mentorship, partner

CLINIC = partner(capacity=1)
ROUNDS = 5


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def racing(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Mentorship]:
    if request.param == "sqlite":
        yield request.getfixturevalue("mentorship")
        return
    with postgres_urls(request.getfixturevalue("postgres_server"), ["mentorship"]) as url:
        settings = embedded_settings(tmp_path, database_url=url)
        migrate(settings, "mentorship")
        database = Database.open(settings, "mentorship", clock=clock)
        yield Mentorship(database, settings)
        database.dispose()


def at_once(*actions: Callable[[], object]) -> list[str]:
    """Run the actions in a thread each, let go together; the outcomes: ok, or the class of the error."""
    barrier = threading.Barrier(len(actions))
    outcomes: list[str] = []

    def run(action: Callable[[], object]) -> None:
        barrier.wait(timeout=10)
        try:
            action()
            outcomes.append("ok")
        except Exception as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(outcomes)


def approve(mentorship: Mentorship, match: Match) -> None:
    with mentorship.database.transaction() as uow:
        approve_match(match.match_id, CLINIC.partner_id, by=UUID(int=7), uow=uow)


def decline(mentorship: Mentorship, match: Match) -> None:
    with mentorship.database.transaction() as uow:
        decline_match(match.match_id, by=UUID(int=8), uow=uow)


def proposals(mentorship: Mentorship, count: int) -> Sequence[Match]:
    students = [mentorship.enrol() for _ in range(count)]
    for student_id in students:
        mentorship.goal(student_id)
    return [mentorship.match(student_id) for student_id in students]


class TestRaces:
    def test_the_last_place_goes_to_one_student(self, racing: Mentorship) -> None:
        for _ in range(ROUNDS):
            racing.list_partners(CLINIC)
            first, second = proposals(racing, 2)

            outcomes = at_once(lambda: approve(racing, first), lambda: approve(racing, second))  # noqa: B023

            assert outcomes == [PartnerFull.__name__, "ok"]
            for match in (first, second):
                racing.withdraw(match.student_id)

        assert racing.emitted().count("accepted") == ROUNDS

    def test_a_match_is_decided_once(self, racing: Mentorship) -> None:
        racing.list_partners(CLINIC)
        [match] = proposals(racing, 1)

        outcomes = at_once(lambda: approve(racing, match), lambda: decline(racing, match))

        assert outcomes == [AlreadyDecided.__name__, "ok"]
        assert len(racing.emitted()) == 2

    def test_a_new_goal_and_an_approval_do_not_block_each_other(self, racing: Mentorship) -> None:
        racing.list_partners(CLINIC)
        [match] = proposals(racing, 1)

        outcomes = at_once(lambda: approve(racing, match), lambda: racing.goal(match.student_id, HEALTH, version=2))

        assert set(outcomes) <= {"ok", AlreadyDecided.__name__}
        assert racing.parked() == []
        statuses = [each.status for each in racing.matches(match.student_id)]
        assert statuses.count(Status.ACCEPTED) == outcomes.count("ok") - 1

    def test_an_import_waits_for_decisions_and_goals(self, racing: Mentorship) -> None:
        hospital = partner("hospital", capacity=9)
        racing.list_partners(CLINIC, hospital)
        found = proposals(racing, 4)

        outcomes = at_once(
            lambda: racing.list_partners(hospital),
            lambda: approve(racing, found[0]),
            *(lambda match=match: racing.goal(match.student_id, version=2) for match in found),
        )

        assert set(outcomes) <= {"ok", "AlreadyDecided", "PartnerLeft"}
        assert racing.parked() == []
        accepted = [each for match in found for each in racing.matches(match.student_id)]
        assert all(each.status is not Status.ACCEPTED for each in accepted)
