"""Caseload files: who is responsible for whom, where the roster's source cannot say it."""

from pathlib import Path

import pytest

from services.roster.caseloads.tables import caseloads
from services.roster.imports.mirror import person_id_of
from services.roster.people.tables import people
from tests.unit.roster.conftest import Package, Roster

HEADER = "student_sourced_id,staff_sourced_id,relation"
NAMED = f"{HEADER},given_name,family_name,email"


@pytest.fixture
def caseload(tmp_path: Path) -> Path:
    return tmp_path / "caseload.csv"


@pytest.fixture
def loaded(roster: Roster, package: Package) -> Roster:
    """A roster with students s1 and s2 and, on staff, c1."""
    roster.take_in(package.person("c1", "counselor").write())
    return roster


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


class TestCaseloadFile:
    def test_assigns_staff_who_are_on_the_roster(self, loaded: Roster, caseload: Path) -> None:
        report = loaded.take_in(write(caseload, HEADER, "s1,c1,counselor", "s2,c1,case_manager"), "caseload")

        assert report.events == {"roster.caseload.assigned.v1": 2}
        assigned = {(event["student_id"], event["relation"]) for event in loaded.events("assigned")}
        assert assigned == {
            (str(person_id_of("sis", "s1")), "counselor"),
            (str(person_id_of("sis", "s2")), "case_manager"),
        }

    def test_creates_staff_whom_it_names_and_nobody_knows(self, loaded: Roster, caseload: Path) -> None:
        write(caseload, NAMED, "s1,x1,counselor,Ann,Lee,ann@example.org", "s2,x1,counselor,Ann,Lee,ann@example.org")

        report = loaded.take_in(caseload, "caseload")

        assert report.events == {"roster.caseload.assigned.v1": 2, "roster.contact.changed.v1": 1}
        (created,) = [row for row in loaded.rows(people) if row["source"] == "caseload"]
        assert (created["kind"], created["sourced_id"]) == ("staff", "x1")

    def test_takes_the_roster_s_word_for_staff_it_knows(self, loaded: Roster, caseload: Path) -> None:
        loaded.take_in(write(caseload, NAMED, "s1,c1,counselor,Other,Name,other@example.org"), "caseload")

        assert [row for row in loaded.rows(people) if row["source"] == "caseload"] == []

    def test_says_nothing_new_the_second_time(self, loaded: Roster, caseload: Path) -> None:
        write(caseload, NAMED, "s1,x1,counselor,Ann,Lee,ann@example.org", "s2,c1,counselor,,,")
        loaded.take_in(caseload, "caseload")

        assert loaded.take_in(caseload, "caseload").state == "unchanged"

    def test_ends_what_it_no_longer_lists(self, loaded: Roster, caseload: Path, tmp_path: Path) -> None:
        students = [f"n{number}" for number in range(40)]
        more = Package(tmp_path / "more", mode="delta")
        for student in students:
            more.student(student)
        loaded.take_in(more.write())
        loaded.take_in(write(caseload, HEADER, *(f"{student},c1,counselor" for student in students)), "caseload")

        report = loaded.take_in(
            write(caseload, HEADER, *(f"{student},c1,counselor" for student in students[1:])), "caseload"
        )

        assert report.events == {"roster.caseload.ended.v1": 1}

    def test_is_parked_when_it_would_end_too_many(self, loaded: Roster, caseload: Path) -> None:
        loaded.take_in(write(caseload, HEADER, "s1,c1,counselor", "s2,c1,counselor"), "caseload")

        report = loaded.take_in(write(caseload, HEADER, "s1,c1,counselor"), "caseload")

        assert report.state == "parked"
        assert len([row for row in loaded.rows(caseloads) if row["is_active"]]) == 2

    def test_survives_the_next_import_of_the_roster(self, loaded: Roster, caseload: Path, package: Package) -> None:
        loaded.take_in(write(caseload, HEADER, "s1,c1,counselor"), "caseload")

        assert loaded.take_in(package.write()).state == "unchanged"

    @pytest.mark.parametrize(
        ("line", "column", "value", "expected"),
        [
            ("s9,c1,counselor", "student_sourced_id", "s9", "of an enrolled student"),
            ("s1,c9,counselor", "staff_sourced_id", "c9", "given_name and family_name to add them"),
            ("s1,g1,counselor", "staff_sourced_id", "g1", "of somebody on staff"),
            ("s1,c1,coach", "relation", "coach", "one of counselor, case_manager, teacher"),
            (",c1,counselor", "student_sourced_id", "", "is required"),
            ("s 1,c1,counselor", "student_sourced_id", "s 1", "1 to 255 characters"),
        ],
    )
    def test_refuses_precisely(
        self, loaded: Roster, caseload: Path, line: str, column: str, value: str, expected: str
    ) -> None:
        (error,) = loaded.refusal(write(caseload, HEADER, "s2,c1,counselor", line), "caseload")

        assert (error.file, error.line, error.column, error.value) == ("caseload.csv", 3, column, value)
        assert expected in error.expected
        assert loaded.rows(caseloads) == []

    def test_refuses_one_id_with_two_names(self, loaded: Roster, caseload: Path) -> None:
        write(caseload, NAMED, "s1,x1,counselor,Ann,Lee,", "s2,x1,counselor,Bob,Ray,")

        (error,) = loaded.refusal(caseload, "caseload")

        assert (error.line, error.column, error.expected) == (
            3,
            "staff_sourced_id",
            "the same name and email as on line 2",
        )

    def test_refuses_a_date_that_is_none(self, loaded: Roster, caseload: Path) -> None:
        (error,) = loaded.refusal(write(caseload, f"{HEADER},begins_on", "s1,c1,counselor,9/1/2026"), "caseload")

        assert (error.column, error.value) == ("begins_on", "9/1/2026")

    def test_refuses_an_id_that_two_sources_use(self, loaded: Roster, caseload: Path, tmp_path: Path) -> None:
        loaded.take_in(Package(tmp_path / "other", system="charter").school().student("s1").write())

        (error,) = loaded.refusal(write(caseload, HEADER, "s1,c1,counselor"), "caseload")

        assert error.expected == "an id only one source uses; 2 sources do"


class TestOtherCaseloads:
    def test_come_from_agents_who_are_counselors(self, roster: Roster, package: Package) -> None:
        package.person("c1", "counselor").files["users"][0]["agentSourcedIds"] = "g1,g2,c1"

        report = roster.take_in(package.write())

        assert report.events["roster.caseload.assigned.v1"] == 1
        assert roster.events("assigned")[0]["relation"] == "counselor"
        assert report.events["roster.guardianship.granted.v1"] == 3

    def test_come_from_classes_while_both_are_in_them(self, roster: Roster, package: Package) -> None:
        package.person("t1", "teacher").add(
            "classes", sourcedId="k1", title="Art", courseSourcedId="c", classType="scheduled"
        )
        package.files["classes"][0] |= {"schoolSourcedId": "hs", "termSourcedIds": "t"}
        for key, user, role, begins, ends in (
            ("e1", "t1", "teacher", "2026-08-15", "2027-05-30"),
            ("e2", "s1", "student", "2026-09-01", ""),
            ("e3", "s2", "student", "2025-09-01", "2026-05-30"),
        ):
            package.add(
                "enrollments",
                sourcedId=key,
                classSourcedId="k1",
                schoolSourcedId="hs",
                userSourcedId=user,
                role=role,
                beginDate=begins,
                endDate=ends,
            )

        roster.take_in(package.write())

        (event,) = roster.events("assigned")
        assert (event["relation"], event["begins_on"], event["ends_on"]) == ("teacher", "2026-09-01", "2027-05-30")
