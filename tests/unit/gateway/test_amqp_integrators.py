"""Integrators on the broker: names, patterns, addresses, and what the disclosure log says of them."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from services.gateway.integrators import rules, tables
from services.gateway.integrators.commands import app
from services.gateway.worker import GatewayService
from shared.auth.tables import disclosure_log
from shared.events.contract import contracts
from shared.events.patterns import near
from shared.events.plans import PlanApproved
from shared.events.roster import ContactRemoved
from shared.testing import Embedded, FakeClock

STUDENT = UUID(int=7)


class TestNames:
    @pytest.mark.parametrize("name", ["state", "state-reports", "a2"])
    def test_are_small_and_plain(self, name: str) -> None:
        assert rules.checked_name(name) == name

    @pytest.mark.parametrize("name", ["", "a", "State", "1st", "a.b", "a b", "a" * 41, "a#", "ä" * 3])
    def test_are_refused_otherwise(self, name: str) -> None:
        with pytest.raises(rules.NameRefused):
            rules.checked_name(name)

    def test_of_users_tell_virtual_hosts_apart(self) -> None:
        assert rules.user_of("q", "/") == "q"
        assert rules.user_of("q", "district") == "q@district"


class TestPatterns:
    def test_reach_the_types_they_fit(self) -> None:
        reached = rules.types_of(["plans.plan.*"], known=contracts())

        assert reached == {each for each in contracts() if each.startswith("plans.plan.")}

    @pytest.mark.parametrize("pattern", ["*", "roster.*", "roster.*.revoked.v1", "*.guardianship.*"])
    def test_reach_no_court_order_by_a_wildcard(self, pattern: str) -> None:
        assert not [each for each in rules.types_of([pattern], known=contracts()) if "guardianship" in each]

    def test_reach_court_orders_by_name(self) -> None:
        reached = rules.types_of(["roster.guardianship.*"], known=contracts())

        assert "roster.guardianship.revoked.v1" in reached

    def test_are_kept_once(self) -> None:
        assert rules.checked_patterns(["plans.*", "plans.*"], known=contracts()) == ["plans.*"]

    @pytest.mark.parametrize("pattern", ["plan.plan.*", "*.guardianship.*", "plans.plan", "plans..*", "#", "x" * 200])
    def test_that_fit_nothing_are_refused(self, pattern: str) -> None:
        with pytest.raises(rules.NothingMatches, match="fits no event"):
            rules.checked_patterns([pattern], known=contracts())

    @pytest.mark.parametrize(
        ("meant", "hint"),
        [
            ("plan.plan.*", "plans.plan.*"),
            ("plans.plan.aproved.v1", "plans.plan.approved.v1"),
            ("roster.guardian.*", "roster.guardianship.*"),
        ],
    )
    def test_near_misses_are_told(self, meant: str, hint: str) -> None:
        with pytest.raises(rules.NothingMatches, match="Did you mean") as refused:
            rules.checked_patterns([meant], known=contracts())

        assert hint in str(refused.value)

    def test_nothing_is_near_nonsense(self) -> None:
        assert near("zzz", contracts().keys()) == []


def test_an_address_hides_nothing_of_ours() -> None:
    made = rules.address(
        "amqps://signpost:secret@broker.example:5671/other", user="q@d/1", password="p", virtual_host="d/1"
    )

    assert made == "amqps://q%40d%2F1:p@broker.example:5671/d%2F1"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Embedded]:
    with Embedded(tmp_path, [GatewayService], clock=FakeClock()) as embedded:
        yield embedded


class TestDisclosure:
    def test_is_written_for_each_student_whose_event_an_integrator_is_given(self, gateway: Embedded) -> None:
        database = gateway.databases["gateway"]
        ids = {name: uuid4() for name in ("plans", "catalog", "stream")}
        with database.transaction() as uow:
            for name, integrator_id in ids.items():
                tables.insert(
                    uow.session,
                    name,
                    integrator_id=integrator_id,
                    events=[] if name == "stream" else [f"{name}.*"],
                    reads_stream=name == "stream",
                    at=uow.clock.now(),
                )
        with database.transaction() as uow:
            uow.emit(PlanApproved(plan_id=uuid4(), student_id=STUDENT, version=1, actor_id=uuid4()), version=1)
            uow.emit(ContactRemoved(person_id=uuid4()), version=1)
        gateway.drain()

        with database.reading() as session:
            rows = session.execute(select(disclosure_log)).all()
        assert {(row.person_id, row.student_id, row.role, row.resource, row.reason) for row in rows} == {
            (ids["plans"], STUDENT, "integrator", "events", "amqp"),
            (ids["stream"], STUDENT, "integrator", "events", "amqp"),
        }
        assert len(rows) == 2


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["add", "a1", "--events", "plans.*"], ["show", "a1"], ["rotate", "a1"], ["remove", "a1", "-y"]],
)
def test_without_a_broker_the_other_ways_are_told(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGNPOST_AMQP_URL", raising=False)
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))

    said = CliRunner().invoke(app, arguments)

    assert said.exit_code == 1
    assert "docs/how-to/read-the-event-feed.md" in said.output
    assert "signpost webhooks add" in said.output


def test_says_what_is_missing_in_a_command() -> None:
    said = CliRunner().invoke(app, ["add", "a1"])

    assert said.exit_code == 2
    assert "--events" in said.output
    assert "--stream" in said.output
