"""Dead letters by class and replays over HTTP, as every service has them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select, update

from services.roster.api import create_app
from services.roster.settings import RosterSettings
from shared.clock import SystemClock
from shared.database.database import Database
from shared.events.roster import StudentWithdrawn
from shared.messaging.tables import dead_letter_actions, inbox, outbox, replays
from shared.testing.databases import sqlite_database
from shared.testing.tokens import bearer

Ask = Callable[..., tuple[int, Any]]
OPERATOR = uuid4()
NOW = SystemClock().now()
RANGE = {"since": (NOW - timedelta(days=1)).isoformat(), "until": (NOW + timedelta(days=1)).isoformat()}


@pytest.fixture
def roster(tmp_path: Path) -> Iterator[Database]:
    database = sqlite_database("roster", tmp_path)
    yield database
    database.dispose()


@pytest.fixture
def ask(roster: Database, tmp_path: Path) -> Ask:
    settings = RosterSettings(home=tmp_path, database_url=None, amqp_url=None)

    async def send(method: str, path: str, body: Any) -> tuple[int, Any]:
        async with TestClient(TestServer(create_app(settings))) as client:
            response = await client.request(method, path, headers=bearer(settings, "ops", OPERATOR), json=body)
            return response.status, json.loads(await response.read())

    return lambda method, path, body=None: asyncio.run(send(method, path, body))


@pytest.fixture
def published(roster: Database) -> list[UUID]:
    """Three withdrawals that were published."""
    with roster.transaction() as uow:
        ids = [uow.emit(StudentWithdrawn(student_id=uuid4(), withdrawn_on=NOW.date()), version=2).id for _ in range(3)]
    with roster.transaction() as uow:
        uow.session.execute(update(outbox).values(published_at=uow.clock.now()))
    return ids


class TestReplays:
    @pytest.mark.usefixtures("published")
    def test_are_asked_for_shown_and_stopped(self, ask: Ask) -> None:
        status, asked = ask("POST", "/v1/roster/replays", {"to": "plans", "type": "roster.student.*", **RANGE})
        assert (status, asked["state"], asked["found"], asked["sent"]) == (202, "running", 3, 0)
        assert asked["actor"] == str(OPERATOR)

        shown = ask("GET", f"/v1/roster/replays/{asked['replay_id']}")
        listed = ask("GET", "/v1/roster/replays")
        assert shown == (200, asked)
        assert listed == (200, {"items": [asked]})

        status, stopped = ask("POST", f"/v1/roster/replays/{asked['replay_id']}/stop")
        assert (status, stopped["state"]) == (200, "stopped")
        assert ask("POST", f"/v1/roster/replays/{asked['replay_id']}/stop")[0] == 404

    def test_are_only_counted_in_a_dry_run(self, ask: Ask, roster: Database, published: list[UUID]) -> None:
        body = {"to": "plans", "event_ids": [str(published[0])], "dry_run": True}

        status, looked = ask("POST", "/v1/roster/replays", body)

        assert (status, looked["state"], looked["found"], looked["replay_id"]) == (200, "dry_run", 1, None)
        with roster.reading() as session:
            assert session.execute(select(replays)).all() == []

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ({"to": "plans"}, 422, "name event_ids, or since and until"),
            ({"to": "plans", "type": "Roster", **RANGE}, 422, "an event type, or a pattern"),
            ({"to": "plans", "type": "plans.*", **RANGE}, 422, "roster publishes no event of type 'plans.*'"),
            ({"to": "plans", "again": True, **RANGE}, 422, "Say why"),
            ({"to": "plans", "since": RANGE["until"], "until": RANGE["since"]}, 422, "`since` must be before `until`"),
            ({"to": "plans", "event_ids": [str(uuid4())]}, 404, "No published event fits."),
        ],
    )
    @pytest.mark.usefixtures("published")
    def test_are_refused_with_what_would_be_right(
        self, ask: Ask, roster: Database, body: dict[str, Any], status: int, said: str
    ) -> None:
        refused = ask("POST", "/v1/roster/replays", body)

        assert refused[0] == status
        assert said in json.dumps(refused[1])
        with roster.reading() as session:
            assert session.execute(select(replays)).all() == []


class TestDeadLetters:
    @pytest.fixture(autouse=True)
    def letters(self, roster: Database) -> None:
        row = {"consumer": "roster", "type": "a.b.c.v1", "state": "dead", "attempts": 3, "headers": {}, "body": b"{}"}
        with roster.transaction() as uow:
            for error_class in ("NotYetKnown", "NotYetKnown", "ValueError"):
                each = {"event_id": uuid4(), "received_at": NOW, "error_class": error_class, "error": error_class}
                uow.session.execute(inbox.insert().values({**row, **each}))

    def test_are_counted_by_class(self, ask: Ask) -> None:
        status, classes = ask("GET", "/v1/roster/dead-letters/classes")

        assert status == 200
        counted = [(each["error_class"], each["state"], each["count"]) for each in classes["items"]]
        assert counted == [("NotYetKnown", "dead", 2), ("ValueError", "dead", 1)]

    def test_are_decided_on_by_class(self, ask: Ask, roster: Database) -> None:
        put_back = ask("POST", "/v1/roster/dead-letters/replay", {"error_class": "NotYetKnown"})
        unreasoned = ask("POST", "/v1/roster/dead-letters/discard", {"error_class": "ValueError"})
        given_up = ask("POST", "/v1/roster/dead-letters/discard", {"error_class": "ValueError", "reason": "a test"})

        assert put_back == (200, {"count": 2, "more": False})
        assert unreasoned[0] == 422
        assert given_up == (200, {"count": 1, "more": False})
        with roster.reading() as session:
            actions = session.execute(select(dead_letter_actions.c.action, dead_letter_actions.c.actor)).all()
        assert sorted(map(tuple, actions)) == [("discard", str(OPERATOR)), *[("replay", str(OPERATOR))] * 2]

    def test_are_named_by_ids_or_by_class(self, ask: Ask) -> None:
        status, refused = ask("POST", "/v1/roster/dead-letters/replay", {})

        assert status == 422
        assert "name event_ids or an error_class" in json.dumps(refused)
