"""A projection is what its events say, whatever happened to it, and serves until it is so again; on both grounds."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from services.composition import SERVICES
from services.mentorship.matches.tables import matches
from services.plans.catalog.tables import catalog_revision
from shared.messaging.dead_letters import list_dead_letters
from shared.messaging.periodic import Tick
from shared.messaging.rebuild import CannotRebuild
from shared.messaging.relay import as_message
from shared.messaging.retention import remove_old
from shared.messaging.tables import inbox, kept_events, outbox, outbox_losses
from shared.testing import FakeClock
from shared.testing.databases import embedded_settings, postgres_urls
from tests.support.deployment import REPOSITORY
from tests.support.facts import PROJECTIONS, House, corrupt, id_of, wrong


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    if request.param == "sqlite":
        yield from _opened(House(tmp_path, embedded_settings(tmp_path), clock))
        return
    with postgres_urls(request.getfixturevalue("postgres_server"), list(SERVICES)) as url:
        small = embedded_settings(tmp_path, database_url=url, db_pool_size=2)
        yield from _opened(House(tmp_path, small, clock))


def _opened(house: House) -> Iterator[House]:
    try:
        yield house
    finally:
        house.close()


class Interrupted(Exception):
    """What ended the rebuild in a test."""


class TestRebuild:
    def test_repairs_rows_that_are_lost_altered_or_made_up(self, house: House) -> None:
        house.tell_of_everything()
        for name, (_, projection) in PROJECTIONS.items():
            before = house.contents(name)
            assert wrong(house.rebuild(name, dry_run=True)) == (0, 0, 0), name
            corrupt(house, name)

            looked = house.rebuild(name, dry_run=True)
            assert house.contents(name) != before, name
            outcome = house.rebuild(name)

            tables = len(projection.tables)
            assert wrong(looked) == wrong(outcome) == (tables, tables, tables), name
            assert house.contents(name) == before, name

    def test_serves_the_old_contents_until_the_new_are_complete(self, house: House) -> None:
        house.tell_of_everything()
        corrupt(house, "mentorship.students")
        before, seen = house.contents("mentorship.students"), []

        house.rebuild("mentorship.students", report=lambda *_: seen.append(house.contents("mentorship.students")))

        assert seen == [before] * len(seen) != []
        assert house.contents("mentorship.students") != before

    def test_leaves_the_old_contents_when_it_is_interrupted(self, house: House) -> None:
        house.tell_of_everything()
        corrupt(house, "plans.courses")
        before = house.contents("plans.courses")

        def interrupt(step: str, done: int, total: int) -> None:
            if step.startswith("replaced"):  # in the transaction, that is
                raise Interrupted

        with pytest.raises(Interrupted):
            house.rebuild("plans.courses", report=interrupt)

        assert house.contents("plans.courses") == before
        assert wrong(house.rebuild("plans.courses")) == (1, 1, 1)
        assert wrong(house.rebuild("plans.courses")) == (0, 0, 0)

    def test_leaves_the_old_contents_when_it_is_killed(self, house: House) -> None:
        house.tell_of_everything()
        corrupt(house, "mentorship.students")
        before = house.contents("mentorship.students")

        _kill_in_the_middle(house, "mentorship.students")

        assert house.contents("mentorship.students") == before
        assert wrong(house.rebuild("mentorship.students")) == (1, 1, 1)

    def test_loses_nothing_that_arrives_meanwhile(self, house: House) -> None:
        house.tell_of_everything()
        corrupt(house, "mentorship.students")
        told = []

        def tell_more(step: str, done: int, total: int) -> None:
            if step.startswith("reading") and not told:
                told.append(house.tell(("changed", 0), ("enrolled", 7), ("withdrawn", 3)))
                house.drain()

        house.rebuild("mentorship.students", report=tell_more)

        assert told
        rows = {row["student_id"]: row for row in house.contents("mentorship.students")["students"]}
        assert rows[id_of("student", 0)]["version"] == house.versions[str(id_of("student", 0))]
        assert rows[id_of("student", 7)]["is_enrolled"]
        assert not rows[id_of("student", 3)]["is_enrolled"]
        assert wrong(house.rebuild("mentorship.students", dry_run=True)) == (0, 0, 0)

    def test_comes_out_right_while_somebody_writes_all_the_time(self, house: House) -> None:
        house.tell_of_everything()
        stop, rounds = threading.Event(), 0

        def write() -> None:
            nonlocal rounds
            while not stop.is_set():
                house.tell(("changed", 0), ("withdrawn", 1), ("enrolled", 1), ("changed", 3))
                house.drain()
                rounds += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(5):
                begun = rounds
                corrupt(house, "mentorship.students")
                house.rebuild("mentorship.students")
                while rounds < begun + 1 and writer.is_alive():
                    stop.wait(0.01)
        finally:
            stop.set()
            writer.join()
        house.drain()

        assert rounds >= 5
        for name in ("mentorship.students", "plans.students", "mentorship.access"):
            assert wrong(house.rebuild(name, dry_run=True)) == (0, 0, 0), name
        assert list_dead_letters(house.database("mentorship"), include_parked=True) == []

    def test_leaves_out_what_the_service_has_not_applied(self, house: House) -> None:
        house.tell_of_everything()
        [unheard] = house.tell(("goal", 3))
        corrupt(house, "mentorship.goals")

        outcome = house.rebuild("mentorship.goals")

        assert outcome.left_out == 1
        goals = house.contents("mentorship.goals")["goals"]
        assert id_of("student", 3) not in {row["student_id"] for row in goals}
        house.drain()
        with house.database("mentorship").reading() as session:  # so that what follows from it still follows
            student = matches.c.student_id == id_of("student", 3)
            assert len(session.execute(select(matches).where(student)).all()) == 1
        assert unheard

    def test_has_plans_audited_again_when_courses_were_wrong(self, house: House) -> None:
        house.tell_of_everything()

        def revision() -> int:
            with house.database("plans").reading() as session:
                return session.execute(select(catalog_revision.c.revision)).scalar_one()

        before = revision()
        house.rebuild("plans.courses")
        assert revision() == before
        corrupt(house, "plans.courses")
        house.rebuild("plans.courses")

        assert revision() == before + 1

    def test_stops_at_an_event_that_cannot_be_applied(self, house: House) -> None:
        house.tell_of_everything()
        before = house.contents("plans.students")
        with house.database("roster").transaction() as uow:
            enrolled = outbox.c.type == "roster.student.enrolled.v1"
            uow.session.execute(update(outbox).where(enrolled).values(body=b"{}"))

        with pytest.raises(CannotRebuild, match=r"roster\.student\.enrolled\.v1: Unreadable"):
            house.rebuild("plans.students")

        assert house.contents("plans.students") == before


class TestRetention:
    def test_keeps_what_projections_need(self, house: House, clock: FakeClock) -> None:
        house.tell_of_everything()
        before = {name: house.contents(name) for name in PROJECTIONS}
        clock.advance(days=31)
        house.tell(("changed", 0))
        house.drain()

        for service in SERVICES:
            tick = Tick(house.database(service), house.settings)
            while remove_old(tick, portion=7):
                pass

        with house.database("roster").reading() as session:
            left = [row.subject for row in session.execute(select(outbox))]
            kept = session.execute(select(kept_events.c.type, kept_events.c.subject)).all()
        assert left == [str(id_of("student", 0))]
        assert len(kept) == len(set(kept)) < sum(house.versions.values())
        for name, contents in before.items():
            assert wrong(house.rebuild(name, dry_run=True)) == (0, 0, 0), name
            if "students" not in contents and "relationships" not in contents:
                corrupt(house, name)
                house.rebuild(name)
                assert house.contents(name) == contents, name

    def test_keeps_the_newest_whatever_the_portions(self, house: House, clock: FakeClock) -> None:
        house.tell(("enrolled", 0), *[("changed", 0)] * 9, ("withdrawn", 0))
        house.drain()
        clock.advance(days=31)

        while remove_old(Tick(house.database("roster"), house.settings), portion=2):
            pass

        with house.database("roster").reading() as session:
            rows = session.execute(select(kept_events.c.type, kept_events.c.subject_version)).all()
        assert sorted(map(tuple, rows)) == [
            ("roster.student.changed.v1", 10),
            ("roster.student.enrolled.v1", 1),
            ("roster.student.withdrawn.v1", 11),
        ]

    def test_counts_what_the_inbox_has_forgotten_as_applied(self, house: House, clock: FakeClock) -> None:
        house.tell_of_everything()
        before = house.contents("plans.students")
        clock.advance(days=91)
        for service in ("roster", "plans"):
            while remove_old(Tick(house.database(service), house.settings)):
                pass
        with house.database("plans").reading() as session:
            assert session.execute(select(inbox)).all() == []

        corrupt(house, "plans.students")
        house.rebuild("plans.students")

        assert house.contents("plans.students") == before

    def test_that_kept_nothing_makes_a_rebuild_refuse(self, house: House, clock: FakeClock) -> None:
        house.tell_of_everything()
        before = house.contents("plans.students")
        with house.database("roster").transaction() as uow:
            uow.session.execute(outbox_losses.insert().values(removed_to=17, noted_at=clock.now()))

        with pytest.raises(CannotRebuild, match="first 17 positions of the outbox of roster"):
            house.rebuild("plans.students")

        assert house.contents("plans.students") == before


class TestProjections:
    def test_are_made_of_events_that_are_kept(self) -> None:
        for name, (_, projection) in PROJECTIONS.items():
            for event_type, reaction in projection.reactions.items():
                assert reaction.contract.is_kept, f"{event_type} of {name}"

    def test_have_one_column_as_their_key(self) -> None:
        assert all(len(table.primary_key) == 1 for _, each in PROJECTIONS.values() for table in each.tables)


SUBJECTS = {
    "student": ("enrolled", "changed", "withdrawn"),
    "guardianship": ("granted", "restricted", "revoked"),
    "caseload": ("assigned", "ended"),
    "contact": ("contact", "contact_removed"),
    "course": ("course", "retired"),
    "rules": ("rules",),
    "goal": ("goal", "goal_taken_over"),
}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Facts about few subjects, each begun before anything else is said of it."""
    facts = [("enrolled", 0), ("enrolled", 1)]
    for kinds in SUBJECTS.values():
        for number in range(2):
            later = draw(st.lists(st.sampled_from(kinds), max_size=4))
            facts += [(kind, number) for kind in ([kinds[0], *later] if later or kinds[0] == "enrolled" else [])]
    return facts


class TestAnyHistory:
    @settings(
        max_examples=int(os.environ.get("SIGNPOST_REBUILD_EXAMPLES", "12")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(facts=histories(), randomness=st.randoms(use_true_random=False))
    def test_comes_to_the_same_in_any_order_and_rebuilt(
        self, facts: list[tuple[str, int]], randomness: object, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        from random import Random

        assert isinstance(randomness, Random)
        folder, clock = tmp_path_factory.mktemp("history"), FakeClock()
        house = House(folder, embedded_settings(folder), clock)
        house.tell(*facts)
        messages = []
        for producer in ("roster", "catalog", "plans"):
            with house.database(producer).transaction() as uow:
                messages += [as_message(row) for row in uow.session.execute(select(outbox))]
                uow.session.execute(update(outbox).values(published_at=clock.now()))
        messages += randomness.sample(messages, len(messages) // 3)
        randomness.shuffle(messages)

        for service, consumer in zip(SERVICES, house.embedded._consumers, strict=True):
            for begin in range(0, len(messages), 5):
                reactions = consumer._reactions
                consumer.apply([each for each in messages[begin : begin + 5] if each.event_type in reactions])
            for _ in range(3):
                clock.advance(hours=1)
                consumer.retry_due()
            assert list_dead_letters(house.database(service), include_parked=True) == []

        for name in PROJECTIONS:
            assert wrong(house.rebuild(name, dry_run=True)) == (0, 0, 0), name
        house.close()


_KILLED = """
import sys
from shared.database.database import Database
from shared.messaging.rebuild import rebuild
from shared.settings import Settings
from tests.support.facts import INBOX_DAYS, PROJECTIONS

service, projection = PROJECTIONS[sys.argv[1]]
settings = Settings()
databases = {each: Database.open(settings, each) for each in (service, *projection.producers)}

def hang(step, done, total):
    if step.startswith("replaced"):
        print("there", flush=True)
        sys.stdin.read()

rebuild(projection, live=databases[service], group=service, sources=databases, inbox_days=INBOX_DAYS, report=hang)
"""


def _kill_in_the_middle(house: House, name: str) -> None:
    """A rebuild in a process of its own, killed with rows replaced and nothing committed."""
    environment = os.environ | {"SIGNPOST_HOME": str(house.settings.home), "PYTHONPATH": str(REPOSITORY)}
    if house.settings.database_url:
        environment["SIGNPOST_DATABASE_URL"] = house.settings.database_url
    else:
        environment.pop("SIGNPOST_DATABASE_URL", None)
    command = [sys.executable, "-c", _KILLED, name]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "there\n"
        killed.send_signal(signal.SIGKILL)
