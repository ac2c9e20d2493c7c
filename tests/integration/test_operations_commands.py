"""`signpost replay`, `rebuild` and `dead-letters` as somebody on duty types them, against a small house."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from services import replay_commands
from services.cli import app
from services.composition import SERVICES, consumer_groups
from shared.clock import SystemClock
from shared.messaging.replays import Replayer
from shared.messaging.tables import dead_letter_actions, inbox, replays
from shared.testing.databases import embedded_settings
from tests.support.canaries import Canaries
from tests.support.facts import House, corrupt


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    found = House(tmp_path, embedded_settings(tmp_path), SystemClock())
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))
    for name in ("SIGNPOST_DATABASE_URL", "SIGNPOST_DATABASE_URLS", "SIGNPOST_AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    found.tell_of_everything()
    yield found
    found.close()


@pytest.fixture
def carried_out(house: House) -> Iterator[None]:
    """What the roster's worker does with replays, meanwhile."""
    relay = house.embedded._relays[SERVICES.index("roster")]
    groups = consumer_groups()
    replayer = Replayer(house.database("roster"), relay._broker, address=str, reacts=groups)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            replayer.hand_over()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    stop.set()
    worker.join()


def signpost(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def applied(house: House, service: str, event_type: str) -> list[UUID]:
    with house.database(service).reading() as session:
        return list(session.scalars(select(inbox.c.event_id).where(inbox.c.type == event_type)))


RANGE = ("--since", "2020-01-01", "--until", "2100-01-01")


class TestReplay:
    @pytest.mark.usefixtures("carried_out")
    def test_hands_over_a_range_and_says_what_it_came_to(self, house: House) -> None:
        with house.database("mentorship").transaction() as uow:
            changed = inbox.c.type == "roster.student.changed.v1"
            uow.session.execute(inbox.delete().where(changed))

        done = signpost("replay", "--to", "mentorship", "--type", "roster.student.*", *RANGE)

        assert done.exit_code == 0, done.output
        assert "found        9  (roster 9)" in done.stdout
        assert "applied      7 before, skipped by the inbox" in done.stdout
        assert "handed over  9" in done.stdout
        assert "next: signpost dead-letters list --parked --service mentorship" in done.stdout
        assert len(applied(house, "mentorship", "roster.student.changed.v1")) == 2
        assert "done" in signpost("replays", "list").stdout

    @pytest.mark.usefixtures("carried_out")
    def test_takes_event_ids_of_whoever_published_them(self, house: House) -> None:
        [event] = applied(house, "mentorship", "roster.student.changed.v1")[:1]

        done = signpost("replay", str(event), "--to", "mentorship", "--again", "--reason", "lost")

        assert "found        1  (roster 1)" in done.stdout
        assert "applied      1 before, applied again" in done.stdout
        assert len(applied(house, "mentorship", "roster.student.changed.v1")) == 3

    def test_changes_nothing_in_a_dry_run(self, house: House) -> None:
        done = signpost("replay", "--to", "mentorship", "--type", "roster.student.*", *RANGE, "--dry-run")

        assert "found        9" in done.stdout
        assert "Nothing was handed over." in done.stdout
        with house.database("roster").reading() as session:
            assert session.execute(select(replays)).all() == []

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["--to", "nobody", str(uuid4())], 2, "'nobody' is no consumer group; there are roster, catalog"),
            (["--to", "plans"], 2, "Name event ids, or --type PATTERN"),
            (["--to", "plans", "--type", "roster.*"], 2, "say the range too: --since"),
            (["--to", "plans", "--type", "Roster", *RANGE], 2, "'Roster' is no pattern"),
            (["--to", "plans", "--type", "roster.horse.*", *RANGE], 1, "No event type fits 'roster.horse.*'"),
            (
                ["--to", "catalog", "--type", "plans.goal.set.v1", *RANGE],
                1,
                "catalog reacts to none of these types. To them react: mentorship, gateway",
            ),
            (["--to", "plans", "00000000-0000-4000-8000-000000000000"], 1, "No published event 00000000-"),
            (["--to", "plans", "--type", "roster.student.*", *RANGE, "--again"], 1, "Say why"),
        ],
    )
    @pytest.mark.usefixtures("house")
    def test_refuses_with_what_would_be_right(self, arguments: list[str], code: int, said: str) -> None:
        refused = signpost("replay", *arguments)

        assert refused.exit_code == code
        assert said in refused.output
        assert "Traceback" not in refused.output

    def test_refuses_an_event_of_a_type_the_group_does_not_react_to(self, house: House) -> None:
        [goal, *_] = applied(house, "mentorship", "plans.goal.set.v1")

        refused = signpost("replay", "--to", "plans", str(goal))

        assert refused.exit_code == 1
        assert "plans does not react to it. To it react: mentorship, gateway" in refused.output

    def test_says_that_no_worker_runs(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay_commands, "BEGUN_WITHIN_S", 0.1)

        left = signpost("replay", "--to", "mentorship", "--type", "roster.student.*", *RANGE)

        assert left.exit_code == 1
        assert "The worker of roster has not begun" in left.output
        with house.database("roster").reading() as session:
            [asked] = session.execute(select(replays.c.replay_id)).scalars()
        assert "Stopped after 0 of 9 events." in signpost("replays", "stop", str(asked)).stdout
        assert signpost("replays", "stop", str(asked)).exit_code == 1

    def test_says_whose_database_is_missing(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIGNPOST_DATABASE_URL", house.settings.database_url_for("plans"))  # as in plans-api

        refused = signpost("replay", "--to", "plans", "--type", "roster.student.*", *RANGE)

        assert refused.exit_code == 1
        assert "The outbox of roster is not in the database that the settings name for it." in refused.output
        assert "docker compose exec roster-api signpost" in refused.output
        assert "SIGNPOST_DATABASE_URLS" in refused.output

    @pytest.mark.usefixtures("carried_out")
    def test_needs_the_producers_database_alone(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIGNPOST_DATABASE_URL", house.settings.database_url_for("roster"))  # as in roster-api

        done = signpost("replay", "--to", "plans", "--type", "roster.student.*", *RANGE)

        assert "applied      not known: the inbox of plans is out of reach from here" in done.stdout
        assert "handed over  9" in done.stdout


class TestRebuild:
    @pytest.mark.usefixtures("house")
    def test_lists_every_projection(self) -> None:
        listed = signpost("rebuild", "--list").stdout

        for name in ("mentorship.students", "plans.courses", "notifications.recipients", "gateway.access"):
            assert name in listed

    def test_says_what_was_wrong(self, house: House) -> None:
        corrupt(house, "mentorship.students")

        looked = signpost("rebuild", "mentorship.students", "--dry-run")
        done = signpost("rebuild", "mentorship.students")
        again = signpost("rebuild", "mentorship.students", "--dry-run")

        wrong = "students: 4 rows; 1 were missing, 1 different, 1 without an event"
        assert wrong in looked.stdout
        assert "next: signpost rebuild mentorship.students" in looked.stdout
        assert wrong in done.stdout
        assert "Rebuilt and checked; writers waited" in done.stdout
        assert "It is as the events say." in again.stdout

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nobody.students", "'nobody' is no service"),
            ("mentorship", "mentorship has no projection ''; it has access, students, goals"),
            ("mentorship.horses", "mentorship has no projection 'horses'"),
        ],
    )
    @pytest.mark.usefixtures("house")
    def test_refuses_what_there_is_not(self, name: str, said: str) -> None:
        refused = signpost("rebuild", name)

        assert refused.exit_code == 2
        assert said in refused.output

    def test_takes_addresses_by_service(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIGNPOST_DATABASE_URL", house.settings.database_url_for("mentorship"))
        assert "The outbox of roster is not in the database" in signpost("rebuild", "mentorship.students").output

        roster = {"roster": house.settings.database_url_for("roster")}
        monkeypatch.setenv("SIGNPOST_DATABASE_URLS", json.dumps(roster))

        assert "Rebuilt and checked" in signpost("rebuild", "mentorship.students").stdout


class TestDeadLetters:
    @pytest.fixture
    def dead(self, house: House) -> House:
        with house.database("plans").transaction() as uow:
            failed = {"state": "dead", "error_class": "NotYetKnown", "error": "student is not known", "headers": {}}
            enrolled = inbox.c.type == "roster.student.enrolled.v1"
            uow.session.execute(update(inbox).where(enrolled).values(body=b"{}", **failed))
        return house

    @pytest.mark.usefixtures("dead")
    def test_are_listed_by_class(self) -> None:
        listed = signpost("dead-letters", "list").stdout

        assert "error class" in listed
        assert "NotYetKnown" in listed
        assert Canaries(names=["sealed"], addresses=[], numbers=[]).found_in(listed) == set()

    def test_are_decided_on_by_class(self, dead: House) -> None:
        put_back = signpost("dead-letters", "replay", "--class", "NotYetKnown", "--service", "plans")
        none_left = signpost(
            "dead-letters", "discard", "--class", "NotYetKnown", "--service", "plans", "--reason", "test"
        )

        assert put_back.stdout.startswith("5 put back;")
        assert none_left.exit_code == 1
        assert "No dead letters of class 'NotYetKnown'" in none_left.output
        with dead.database("plans").reading() as session:
            assert len(session.execute(select(dead_letter_actions)).all()) == 5

    @pytest.mark.usefixtures("dead")
    def test_are_named_by_ids_or_by_class_and_not_by_both(self) -> None:
        refused = signpost("dead-letters", "replay", str(uuid4()), "--class", "NotYetKnown")

        assert refused.exit_code == 2
        assert "one of both" in refused.output
