"""Court orders in the store: at once when they withhold, by two people when they give back, never by an import."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.roster.guardianships.court_orders import (
    ask_to_lift,
    bring_due_orders_into_force,
    confirm_order,
    file_order,
)
from services.roster.guardianships.rules import SamePerson
from services.roster.guardianships.tables import guardianships
from services.roster.guardianships.ticks import keep_orders_in_force
from services.roster.imports.mirror import person_id_of
from shared.auth.tables import relationships
from shared.events.roster import FULL_GUARDIAN_RIGHTS
from shared.messaging.worker.hosting import Tick
from shared.problems import NotFound
from tests.unit.roster.conftest import Package, Roster

TODAY = date(2026, 9, 15)
ANA, BEN = uuid4(), uuid4()
S1, S2, G1, G2 = (person_id_of("sis", key) for key in ("s1", "s2", "g1", "g2"))


@pytest.fixture
def loaded(roster: Roster, package: Package) -> Roster:
    roster.take_in(package.write())
    return roster


def file(roster: Roster, guardian: UUID = G1, student: UUID = S1, **order: Any) -> UUID:
    with roster.database.transaction() as uow:
        row = file_order(
            student_id=student,
            guardian_id=guardian,
            **{"document": "Docket 12", "barred": True, "rights": (), "begins_on": None, "ends_on": None, **order},
            by=ANA,
            today=TODAY,
            uow=uow,
        )
    order_id: UUID = row["order_id"]
    return order_id


def confirm(roster: Roster, order_id: UUID, by: UUID = BEN) -> None:
    with roster.database.transaction() as uow:
        confirm_order(order_id, by=by, today=TODAY, uow=uow)


def standing_of(roster: Roster, guardian: UUID = G1, student: UUID = S1) -> tuple[bool, list[str]]:
    (row,) = [
        row for row in roster.rows(guardianships) if (row["guardian_id"], row["student_id"]) == (guardian, student)
    ]
    return row["barred"], row["rights"]


class TestFiling:
    def test_bars_at_once_and_says_so(self, loaded: Roster) -> None:
        file(loaded)

        assert standing_of(loaded) == (True, [])
        (event,) = loaded.events("restricted")
        assert (event["guardian_id"], event["student_id"]) == (str(G1), str(S1))
        assert (event["barred"], event["rights"], event["version"]) == (True, [], 2)

    def test_holds_for_the_roster_s_own_routes_before_any_event_arrives(self, loaded: Roster) -> None:
        file(loaded)

        assert [(row["person_id"], row["barred"]) for row in loaded.rows(relationships)] == [(G1, True)]

    def test_touches_one_child_alone(self, loaded: Roster) -> None:
        file(loaded, guardian=G2)

        assert standing_of(loaded, G2, S1) == (True, [])
        assert standing_of(loaded, G2, S2) == (False, list(FULL_GUARDIAN_RIGHTS))

    def test_can_leave_some_rights(self, loaded: Roster) -> None:
        file(loaded, barred=False, rights=("plan.read",))

        assert standing_of(loaded) == (False, ["plan.read"])

    def test_says_nothing_when_a_second_order_takes_no_more(self, loaded: Roster) -> None:
        file(loaded)
        file(loaded, barred=False, rights=("notices",))

        assert len(loaded.events("restricted")) == 1

    def test_refuses_a_guardian_of_somebody_else(self, loaded: Roster) -> None:
        with pytest.raises(NotFound):
            file(loaded, guardian=G1, student=S2)


class TestLifting:
    def test_takes_two_people(self, loaded: Roster) -> None:
        order_id = file(loaded)
        confirm(loaded, order_id)
        with loaded.database.transaction() as uow:
            ask_to_lift(order_id, document="Docket 13", by=BEN, uow=uow)

        assert standing_of(loaded) == (True, [])
        with pytest.raises(SamePerson):
            confirm(loaded, order_id, by=BEN)
        confirm(loaded, order_id, by=ANA)

        assert standing_of(loaded) == (False, list(FULL_GUARDIAN_RIGHTS))
        assert [event["barred"] for event in loaded.events("restricted")] == [True, False]
        assert [event["version"] for event in loaded.events("restricted")] == [2, 3]

    def test_leaves_other_orders_in_force(self, loaded: Roster) -> None:
        first = file(loaded)
        file(loaded, barred=False, rights=("plan.read",))
        with loaded.database.transaction() as uow:
            ask_to_lift(first, document="Docket 13", by=ANA, uow=uow)
        confirm(loaded, first)

        assert standing_of(loaded) == (False, ["plan.read"])


class TestDates:
    def test_bring_an_order_into_force_and_out_of_it(self, loaded: Roster) -> None:
        order_id = file(loaded, begins_on=date(2026, 9, 16), ends_on=date(2026, 9, 17))
        confirm(loaded, order_id)
        tick = Tick(loaded.database, loaded.settings)

        assert standing_of(loaded) == (False, list(FULL_GUARDIAN_RIGHTS))
        assert keep_orders_in_force(tick) == 0

        loaded.clock.advance(days=1)
        assert keep_orders_in_force(tick) == 1
        assert standing_of(loaded) == (True, [])
        assert keep_orders_in_force(tick) == 0

        loaded.clock.advance(days=2)
        assert keep_orders_in_force(tick) == 1
        assert standing_of(loaded) == (False, list(FULL_GUARDIAN_RIGHTS))

    def test_do_not_end_an_order_only_one_person_has_seen(self, loaded: Roster) -> None:
        file(loaded, ends_on=date(2026, 9, 15))

        with loaded.database.transaction() as uow:
            assert bring_due_orders_into_force(uow, date(2026, 9, 30)) == 0

        assert standing_of(loaded) == (True, [])


class TestImports:
    def test_never_lift_an_order(self, loaded: Roster, package: Package) -> None:
        file(loaded)

        assert loaded.take_in(package.write()).state == "unchanged"
        assert standing_of(loaded) == (True, [])

    def test_carry_an_order_over_a_change_of_the_link(self, loaded: Roster, package: Package) -> None:
        file(loaded)
        package.files["roles"][2]["role"] = "relative"

        report = loaded.take_in(package.write())

        assert report.events == {"roster.guardianship.granted.v1": 1}
        granted = loaded.events("granted")[-1]
        assert (granted["relation"], granted["barred"], granted["rights"]) == ("relative", True, [])

    def test_grant_a_link_that_comes_back_with_its_order(self, loaded: Roster, package: Package, tmp_path: Any) -> None:
        file(loaded)
        row = package.files["users"][0]
        away = Package(tmp_path / "away", mode="delta").add("users", **{**row, "agentSourcedIds": "g2"})
        loaded.take_in(away.write())
        back = Package(tmp_path / "back", mode="delta").add("users", **row)

        loaded.take_in(back.write())

        granted = loaded.events("granted")[-1]
        assert (granted["guardian_id"], granted["barred"]) == (str(G1), True)

    def test_warn_of_a_new_guardian_beside_a_restricted_one_who_is_gone(
        self, loaded: Roster, package: Package, tmp_path: Any
    ) -> None:
        file(loaded)
        delta = Package(tmp_path / "renamed", mode="delta").guardian("g1-new")
        delta.add("users", **{**package.files["users"][0], "agentSourcedIds": "g1-new,g2"})

        report = loaded.take_in(delta.write())

        (warning,) = report.findings
        assert "a court order restricts a guardian this source no longer names" in warning.expected
