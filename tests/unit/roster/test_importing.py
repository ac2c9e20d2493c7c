"""Applying imports: whole or not at all, again without effect, and never another source's people."""

import zipfile
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.roster.guardianships.tables import guardianships
from services.roster.imports import handlers
from services.roster.imports.mirror import person_id_of
from services.roster.imports.rules import ImportNotParked, RosterMoved
from services.roster.imports.tables import roster_imports
from services.roster.people.tables import people
from services.roster.students.tables import students
from shared.events.roster import SealedContact
from shared.problems import NotFound
from shared.sealing import Sealer
from tests.unit.roster.conftest import Package, Roster

S1, S2, G1, G2 = (person_id_of("sis", key) for key in ("s1", "s2", "g1", "g2"))


@pytest.fixture
def large(tmp_path: Path) -> Package:
    """A hundred students with a guardian each."""
    package = Package(tmp_path / "large").school()
    for number in range(100):
        package.student(f"s{number}", agentSourcedIds=f"g{number}").guardian(f"g{number}")
    return package


def without_people(package: Package, count: int) -> Package:
    for number in range(count):
        for key in (f"s{number}", f"g{number}"):
            package.without("users", sourcedId=key).without("roles", userSourcedId=key)
    return package


class TestFirstImport:
    def test_tells_of_everybody_once(self, roster: Roster, package: Package) -> None:
        report = roster.take_in(package.born("s1", "2011-02-28").write())

        assert report.state == "applied"
        assert report.events == {
            "roster.contact.changed.v1": 4,
            "roster.student.enrolled.v1": 2,
            "roster.guardianship.granted.v1": 3,
        }
        enrolled = {event["student_id"]: event for event in roster.events("student.enrolled")}[str(S1)]
        assert (enrolled["grade"], enrolled["graduation_year"], enrolled["home_language"]) == (9, 2030, "en")
        # Midnight in Chicago, which keeps standard time in February.
        assert enrolled["rights_transfer_at"] == "2029-02-28T00:00:00-06:00"
        assert {event["version"] for event in roster.events()} == {1}

    def test_grants_what_either_record_states(self, roster: Roster, package: Package) -> None:
        package.files["users"][1]["agentSourcedIds"] = ""
        package.files["users"][3]["agentSourcedIds"] = "s2,s1"

        roster.take_in(package.write())

        assert {(row["guardian_id"], row["student_id"]) for row in roster.rows(guardianships)} == {
            (G1, S1),
            (G2, S1),
            (G2, S2),
        }

    def test_keeps_names_and_addresses_sealed(self, roster: Roster, package: Package) -> None:
        roster.take_in(package.write())

        everything = repr([roster.rows(people), roster.rows(students), roster.events(), roster.rows(roster_imports)])
        assert "Given-s1" not in everything
        assert "g1@example.org" not in everything
        sealed = {event["person_id"]: event for event in roster.events("contact.changed")}[str(G1)]["sealed_contact"]
        contact = SealedContact.model_validate(Sealer.from_settings(roster.settings).open(sealed))
        assert (contact.given_name, contact.email) == ("Given-g1", "g1@example.org")

    def test_shows_how_far_it_is(self, roster: Roster, package: Package) -> None:
        steps: dict[str, tuple[int, int]] = {}

        roster.take_in(package.write(), progress=lambda step, done, total: steps.update({step: (done, total)}))

        assert {"reading users.csv", "comparing people", "settling people", "settling relations"} <= set(steps)
        assert all(done == total for done, total in steps.values())

    def test_leaves_nothing_when_the_last_row_is_wrong(self, roster: Roster, large: Package) -> None:
        large.student("late", grades="")

        (error,) = roster.refusal(large.write())

        assert (error.file, error.column) == ("users.csv", "grades")
        assert roster.rows(people) == roster.rows(students) == roster.events() == roster.rows(roster_imports) == []


class TestSecondImport:
    def test_changes_nothing(self, roster: Roster, package: Package) -> None:
        roster.take_in(package.write())
        before = (roster.rows(people), roster.rows(students), roster.rows(guardianships), roster.events())

        report = roster.take_in(package.write())

        assert (report.state, report.import_id, report.event_count) == ("unchanged", None, 0)
        assert (roster.rows(people), roster.rows(students), roster.rows(guardianships), roster.events()) == before

    def test_tells_of_what_changed_and_nothing_else(self, roster: Roster, package: Package) -> None:
        roster.take_in(package.write())
        recorded = len(roster.events())
        package.files["users"][0] |= {"grades": "10", "givenName": "Renamed"}
        package.files["users"][2]["sms"] = "605 555 0123"

        report = roster.take_in(package.write())

        assert report.events == {"roster.contact.changed.v1": 2, "roster.student.changed.v1": 1}
        new = roster.events()[recorded:]
        assert {event["version"] for event in new} == {2}
        (student,) = [event for event in new if event["type"] == "roster.student.changed.v1"]
        assert student["grade"] == 10
        assert Sealer.from_settings(roster.settings).open(student["sealed_name"])["given_name"] == "Renamed"

    def test_revokes_a_link_the_source_took_back(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        large.files["users"][0]["agentSourcedIds"] = ""

        report = roster.take_in(large.write())

        assert report.events == {"roster.guardianship.revoked.v1": 1}

    def test_enrolls_again_who_comes_back(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        kept = {name: list(rows) for name, rows in large.files.items()}
        roster.take_in(without_people(large, 1).write())
        large.files = kept

        report = roster.take_in(large.write())

        student = str(person_id_of("sis", "s0"))
        assert report.counts["students"].added == 1
        told = [event for event in roster.events("roster.student") if event["student_id"] == student]
        assert [(event["type"].split(".")[2], event["version"]) for event in told] == [
            ("enrolled", 1),
            ("withdrawn", 2),
            ("enrolled", 3),
        ]

    def test_keeps_the_guardians_of_a_student_who_left(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        without_people(large, 1)

        report = roster.take_in(large.write())

        assert report.events == {"roster.student.withdrawn.v1": 1, "roster.contact.removed.v1": 2}


class TestSources:
    def test_never_removes_people_of_another_source(self, roster: Roster, package: Package, tmp_path: Path) -> None:
        roster.take_in(package.write())
        other = Package(tmp_path / "other", system="charter").school().student("s9")

        report = roster.take_in(other.write())

        assert report.counts["people"].removed == report.counts["students"].removed == 0
        assert {row["source"] for row in roster.rows(students)} == {"sis", "charter"}

    def test_keeps_the_same_id_of_two_sources_apart(self, roster: Roster, package: Package, tmp_path: Path) -> None:
        roster.take_in(package.write())
        other = Package(tmp_path / "other", system="charter").school().student("s1")

        roster.take_in(other.write())

        assert len(roster.rows(students)) == 3

    def test_can_be_named(self, roster: Roster, package: Package) -> None:
        assert roster.take_in(package.write(), source="north").source == "north"


class TestDelta:
    @pytest.fixture
    def delta(self, tmp_path: Path) -> Package:
        return Package(tmp_path / "delta", mode="delta")

    def test_adds_to_what_was_sent_earlier(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.write())

        report = roster.take_in(delta.student("s3", agentSourcedIds="g1").write())

        assert report.events == {
            "roster.contact.changed.v1": 1,
            "roster.student.enrolled.v1": 1,
            "roster.guardianship.granted.v1": 1,
        }

    def test_takes_a_birth_date_by_itself(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.write())

        report = roster.take_in(delta.born("s1", "2010-01-01").write())

        assert report.events == {"roster.student.changed.v1": 1}
        assert roster.events("student.changed")[0]["rights_transfer_at"].startswith("2028-01-01T00:00")

    def test_takes_a_role_by_itself(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.person("t1", "teacher", agentSourcedIds="s1").write())
        delta.add("roles", sourcedId="r9", userSourcedId="t1", roleType="secondary", role="guardian", orgSourcedId="hs")

        report = roster.take_in(delta.write())

        assert report.events == {"roster.guardianship.granted.v1": 1}

    def test_replaces_the_links_a_row_states_and_no_others(
        self, roster: Roster, package: Package, delta: Package
    ) -> None:
        roster.take_in(package.write())
        row = package.files["users"][0]

        report = roster.take_in(delta.add("users", **{**row, "agentSourcedIds": "g2", "status": "active"}).write())

        assert report.events == {"roster.guardianship.revoked.v1": 1}
        assert roster.events("revoked")[0]["guardian_id"] == str(G1)

    def test_removes_only_what_it_names(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.write())
        delta.add("users", **{**package.files["users"][1], "status": "tobedeleted"})

        report = roster.take_in(delta.write())

        assert report.counts["students"].removed == 1
        assert roster.events("withdrawn")[0]["student_id"] == str(S2)

    def test_is_harmless_when_replayed(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.write())
        roster.take_in(delta.student("s3", agentSourcedIds="g1").write())

        assert roster.take_in(delta.write()).state == "unchanged"

    def test_says_which_reference_nobody_knows(self, roster: Roster, package: Package, delta: Package) -> None:
        roster.take_in(package.write())

        report = roster.take_in(delta.student("s3", agentSourcedIds="g1,g9").write())

        assert [(finding.column, finding.value) for finding in report.findings] == [("agentSourcedIds", "g9")]

    def test_refuses_a_student_whose_school_nobody_knows(self, roster: Roster, delta: Package) -> None:
        (error,) = roster.refusal(delta.student("s3").write())

        assert (error.file, error.line, error.value) == ("users.csv", 2, "s3")

    def test_replaces_roles_held_in_users_of_1_1(self, roster: Roster, tmp_path: Path) -> None:
        package = Package(tmp_path / "old", version="1.1").school().school("hs2").student("s1", org="hs,hs2")
        roster.take_in(package.write())
        delta = Package(tmp_path / "new", version="1.1", mode="delta").student("s1", org="hs2")

        report = roster.take_in(delta.write())

        assert report.events == {"roster.student.changed.v1": 1}


class TestParking:
    def test_parks_a_bulk_file_that_would_remove_too_many(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        before = (roster.rows(people), roster.rows(students), roster.events())

        report = roster.take_in(without_people(large, 6).write())

        assert report.state == "parked"
        assert report.reason is not None
        assert "6 of 100 students" in report.reason
        assert (roster.rows(people), roster.rows(students), roster.events()) == before

    def test_applies_one_at_the_share(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())

        assert roster.take_in(without_people(large, 5).write()).state == "applied"

    def test_parks_a_file_that_lost_a_column_of_links(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        for row in large.files["users"]:
            row.pop("agentSourcedIds", None)

        report = roster.take_in(large.write())

        assert report.state == "parked"
        assert "guardianships" in str(report.reason)

    def test_parks_the_same_file_once(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        first = roster.take_in(without_people(large, 50).write())

        second = roster.take_in(large.write())

        assert second.import_id == first.import_id
        assert [row["state"] for row in roster.rows(roster_imports)].count("parked") == 1

    def test_keeps_the_parked_content_sealed(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        roster.take_in(without_people(large, 50).write())

        (parked,) = [row for row in roster.rows(roster_imports) if row["state"] == "parked"]
        assert "PK" not in parked["sealed_content"][:4]
        assert len(parked["digest"]) == 64

    def test_applies_it_once_confirmed(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        parked = roster.take_in(without_people(large, 50).write())
        admin = uuid4()

        with roster.database.transaction() as uow:
            report = handlers.confirm_import(_id(parked), uow=uow, settings=roster.settings, by=admin)

        assert (report.state, report.counts["students"].removed) == ("confirmed", 50)
        (row,) = [row for row in roster.rows(roster_imports) if row["import_id"] == parked.import_id]
        assert (row["state"], row["decided_by"], row["sealed_content"]) == ("confirmed", admin, None)
        assert roster.take_in(large.write()).state == "unchanged"

    def test_cannot_be_decided_twice(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        parked = roster.take_in(without_people(large, 50).write())
        with roster.database.transaction() as uow:
            handlers.reject_import(_id(parked), uow=uow, by=None)

        with pytest.raises(ImportNotParked), roster.database.transaction() as uow:
            handlers.confirm_import(_id(parked), uow=uow, settings=roster.settings, by=None)

        assert len([row for row in roster.rows(students) if row["is_enrolled"]]) == 100

    def test_refuses_to_remove_more_than_was_shown(self, roster: Roster, large: Package, tmp_path: Path) -> None:
        roster.take_in(large.write())
        parked = roster.take_in(without_people(large, 50).write())
        newer = Package(tmp_path / "newer", mode="delta").student("late")
        roster.take_in(newer.write(), source="sis")
        self._park_again(roster, parked)

        with pytest.raises(RosterMoved), roster.database.transaction() as uow:
            handlers.confirm_import(_id(parked), uow=uow, settings=roster.settings, by=None)

    def test_is_overtaken_by_a_later_import_of_the_source(self, roster: Roster, large: Package) -> None:
        roster.take_in(large.write())
        kept = {name: list(rows) for name, rows in large.files.items()}
        parked = roster.take_in(without_people(large, 50).write())
        large.files = kept
        roster.take_in(large.student("new").write())

        with pytest.raises(ImportNotParked), roster.database.transaction() as uow:
            handlers.confirm_import(_id(parked), uow=uow, settings=roster.settings, by=None)

    def test_knows_no_other_import(self, roster: Roster) -> None:
        with pytest.raises(NotFound), roster.database.transaction() as uow:
            handlers.reject_import(uuid4(), uow=uow, by=None)

    @staticmethod
    def _park_again(roster: Roster, parked: handlers.ImportReport) -> None:
        """What was overtaken is parked anew, as if the newer import had come from elsewhere."""
        with roster.database.transaction() as uow:
            content = Sealer.from_settings(roster.settings).seal({"zip": _zip_of(roster)})
            uow.session.execute(
                roster_imports.update()
                .where(roster_imports.c.import_id == parked.import_id)
                .values(state="parked", sealed_content=content)
            )


def _id(report: handlers.ImportReport) -> UUID:
    assert report.import_id is not None
    return report.import_id


def _zip_of(roster: Roster) -> str:
    import base64
    import io

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((roster.settings.home.parent / "large").iterdir()):
            archive.write(path, path.name)
    return base64.b64encode(packed.getvalue()).decode()
