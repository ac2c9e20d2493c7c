"""The packages of other products: each goes in, or is refused saying what would be right."""

from pathlib import Path

import pytest

from services.roster.guardianships.tables import guardianships
from services.roster.imports.mirror import person_id_of
from services.roster.students.tables import students
from tests.unit.roster.conftest import Roster, errors_and_warnings


@pytest.fixture
def samples(shared_data: Path) -> Path:
    return shared_data / "oneroster_samples"


class TestMoodleMinimal12:
    @pytest.mark.parametrize("form", ["moodle_v1p2_minimal", "moodle_v1p2_minimal.zip"])
    def test_goes_in_as_a_delta(self, roster: Roster, samples: Path, form: str) -> None:
        report = roster.take_in(samples / form)

        assert (report.state, report.source, report.counts["students"].added) == ("applied", "DataGen", 1)
        (student,) = roster.rows(students)
        # Born in April 2010 and without a grade: sixteen when the school year 2026 starts.
        assert (student["grade"], student["graduation_year"]) == (11, 2028)
        assert {finding.column for finding in report.findings} == {"enabledUser", "grades"}

    def test_says_nothing_new_as_a_zip_after_the_folder(self, roster: Roster, samples: Path) -> None:
        roster.take_in(samples / "moodle_v1p2_minimal")

        again = roster.take_in(samples / "moodle_v1p2_minimal.zip")

        assert (again.state, again.event_count) == ("unchanged", 0)


class TestMoodleFull11:
    def test_goes_in_with_its_defects_reported(self, roster: Roster, samples: Path) -> None:
        report = roster.take_in(samples / "moodle_v1p1_full")

        assert (report.state, report.source) == ("applied", "oneroster")
        assert report.counts["students"].added == 3
        (guardianship,) = roster.rows(guardianships)
        assert guardianship["guardian_id"] == person_id_of("oneroster", "usr-222-1234561")
        assert guardianship["relation"] == "parent"

    def test_names_each_defect_where_it_is(self, roster: Roster, samples: Path) -> None:
        found = errors_and_warnings(roster.take_in(samples / "moodle_v1p1_full").findings)

        assert found["classes.csv", 2, "classType"].value == "Scheduled"
        assert found["classes.csv", 2, "courseSourcedId"].value == "crs-222-2023-456-12345"
        assert found["academicSessions.csv", 4, "status"].value == "inactive"
        assert found["users.csv", 6, "sms"].value == "603121567"
        assert found["users.csv", 3, "agentSourcedIds"].value == "usr-222-123456 (teacher)"
        assert found["manifest.csv", 18, "source.systemName"].value == "absent"

    def test_makes_nobody_a_guardian_who_is_only_a_teacher(self, roster: Roster, samples: Path) -> None:
        roster.take_in(samples / "moodle_v1p1_full")

        teacher = person_id_of("oneroster", "usr-222-123456")
        assert teacher not in {row["guardian_id"] for row in roster.rows(guardianships)}


class TestMoodleMalformed12:
    def test_survives_every_listed_defect(self, roster: Roster, samples: Path) -> None:
        report = roster.take_in(samples / "moodle_v1p2_full_malformed.zip")

        assert (report.state, report.counts["students"].added) == ("applied", 3)
        found = errors_and_warnings(report.findings)
        assert {finding.severity for finding in report.findings} == {"warning"}
        assert found["users.csv", 1, "prefferedGivenName"].expected == "preferredGivenName; read as that"
        assert found["roles.csv", 1, "dataLastModified"].expected == "dateLastModified; read as that"
        assert found["users.csv", 2, "dateLastModified"].value == "1/05/2023"
        assert found["users.csv", 2, "status"].value == "active"
        assert found["manifest.csv", 21, "file.scoreScales"].value == ""
        assert found["userprofiles.csv", None, ""].expected == "the exact name userProfiles.csv; read as that"

    def test_links_a_teacher_who_is_a_guardian_too(self, roster: Roster, samples: Path) -> None:
        roster.take_in(samples / "moodle_v1p2_full_malformed.zip")

        teacher = person_id_of("oneroster", "usr-222-123456")
        links = [row for row in roster.rows(guardianships) if row["guardian_id"] == teacher]
        assert len(links) == 2
        assert {row["ends_on"].isoformat() for row in links} == {"2025-09-23"}


class TestOat11:
    def test_is_refused_for_students_without_grade_or_birth_date(self, roster: Roster, samples: Path) -> None:
        errors = roster.refusal(samples / "oat_v1p1_base")

        assert [(error.file, error.line, error.column) for error in errors] == [
            ("users.csv", 2, "grades"),
            ("users.csv", 3, "grades"),
        ]
        assert "a birth date" in errors[0].expected
        assert roster.rows(students) == []

    def test_goes_in_once_the_grades_are_there(self, roster: Roster, samples: Path, tmp_path: Path) -> None:
        for source in (samples / "oat_v1p1_base").iterdir():
            (tmp_path / source.name).write_bytes(source.read_bytes())
        users = tmp_path / "users.csv"
        header, *rows = users.read_text().rstrip().splitlines()
        graded = [header + ",grades"] + [row + ("," * (header.count(",") - row.count(","))) + ",10" for row in rows]
        users.write_text("\n".join(graded))

        report = roster.take_in(tmp_path)

        found = errors_and_warnings(report.findings)
        assert report.counts["students"].added == 2
        assert found["users.csv", 1, "agents"].expected == "agentSourcedIds; read as that"
        assert found["users.csv", 1, "userId"].expected == "userIds; read as that"
        assert found["classes.csv", 2, "termSourcedIds"].value == "1"
        assert found["users.csv", 1, ""].expected.startswith("the columns in this order")
        assert ("users.csv", 1, "ext_imagineLearning_ssoId") in found


class TestMicrosoftSds:
    def test_goes_in_with_the_relation_of_each_guardian(self, roster: Roster, samples: Path) -> None:
        report = roster.take_in(samples / "microsoft_sds_v2p1")

        assert (report.state, report.source, report.counts["students"].added) == ("applied", "microsoft-sds", 4)
        relations = {(row["guardian_id"], row["student_id"]): row["relation"] for row in roster.rows(guardianships)}
        assert relations == {
            (person_id_of("microsoft-sds", guardian), person_id_of("microsoft-sds", student)): relation
            for student, guardian, relation in (
                ("114001", "114002", "guardian"),
                ("114003", "114002", "relative"),
                ("114004", "114005", "guardian"),
            )
        }

    def test_gives_students_their_teachers(self, roster: Roster, samples: Path) -> None:
        roster.take_in(samples / "microsoft_sds_v2p1")

        assigned = {(event["staff_id"], event["student_id"]) for event in roster.events("caseload.assigned")}
        assert (str(person_id_of("microsoft-sds", "114007")), str(person_id_of("microsoft-sds", "114001"))) in assigned
        assert len(assigned) == 4


class TestEverySample:
    @pytest.mark.parametrize(
        "name",
        ["moodle_v1p1_full", "moodle_v1p2_full_malformed", "moodle_v1p2_minimal", "microsoft_sds_v2p1"],
    )
    def test_says_nothing_new_the_second_time(self, roster: Roster, samples: Path, name: str) -> None:
        roster.take_in(samples / name)
        recorded = len(roster.events())

        again = roster.take_in(samples / name)

        assert (again.state, again.event_count) == ("unchanged", 0)
        assert len(roster.events()) == recorded
