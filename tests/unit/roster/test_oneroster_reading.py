"""OneRoster packages made up to be wrong in one way at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.roster.imports.findings import Finding, Findings, ImportRefused
from services.roster.imports.oneroster import read_oneroster
from services.roster.imports.package import open_package
from services.roster.imports.progress import silent
from services.roster.imports.snapshot import Snapshot
from tests.unit.roster.conftest import Package


@contextmanager
def reading(path: Path) -> Iterator[tuple[Snapshot, list[Finding]]]:
    findings = Findings()
    with (
        open_package(path, max_bytes=10_000_000, findings=findings) as package,
        read_oneroster(package, source=None, region="US", findings=findings, progress=silent) as snapshot,
    ):
        yield snapshot, findings.listed()


def warnings_of(path: Path) -> list[Finding]:
    with reading(path) as (_, findings):
        return findings


def errors_of(path: Path) -> list[Finding]:
    findings = Findings()
    with pytest.raises(ImportRefused), open_package(path, max_bytes=10_000_000, findings=findings) as package:
        read_oneroster(package, source=None, region="US", findings=findings, progress=silent)
    return [finding for finding in findings.listed() if finding.severity == "error"]


class TestManifest:
    def test_has_nothing_to_say_about_a_right_package(self, package: Package) -> None:
        with reading(package.write()) as (snapshot, findings):
            assert findings == []
            assert snapshot.source == "sis"
            assert snapshot.modes["people"] == "bulk"

    def test_refuses_a_package_without_one(self, package: Package) -> None:
        path = package.write()
        (path / "manifest.csv").unlink()

        (error,) = errors_of(path)

        assert (error.file, error.value) == ("manifest.csv", "missing")

    @pytest.mark.parametrize(
        ("change", "column", "value"),
        [
            ({"oneroster.version": "1.0"}, "oneroster.version", "1.0"),
            ({"manifest.version": "2.0"}, "manifest.version", "2.0"),
            ({"file.users": "absent"}, "file.users", "absent"),
            ({"file.users": ""}, "file.users", ""),
            ({"file.users": "full"}, "file.users", "full"),
            ({"file.results": "bulk"}, "file.results", "bulk"),
            ({"file.grades": "absent"}, "propertyName", "file.grades"),
        ],
    )
    def test_refuses_a_wrong_property(self, package: Package, change: dict[str, str], column: str, value: str) -> None:
        errors = errors_of(package.write(package.manifest() | change))

        assert (column, value) in {(error.column, error.value) for error in errors}
        assert {error.file for error in errors} == {"manifest.csv"}

    def test_refuses_a_missing_property(self, package: Package) -> None:
        manifest = package.manifest()
        del manifest["file.results"]

        (error,) = errors_of(package.write(manifest))

        assert (error.column, error.value) == ("file.results", "missing")

    def test_refuses_the_same_property_twice(self, package: Package) -> None:
        path = package.write()
        with (path / "manifest.csv").open("a") as file:
            file.write("file.users,bulk\r\n")

        (error,) = errors_of(path)

        assert (error.column, error.value) == ("propertyName", "file.users")
        assert error.expected.startswith("each property once; first on line ")

    def test_reports_every_error_at_once(self, package: Package) -> None:
        errors = errors_of(package.write(package.manifest() | {"file.users": "", "file.orgs": "x", "file.x": "y"}))

        assert {error.column for error in errors} == {"file.users", "file.orgs", "propertyName"}

    def test_survives_an_empty_mode_of_a_file_that_is_not_read(self, package: Package) -> None:
        findings = warnings_of(package.write(package.manifest() | {"file.scoreScales": ""}))

        assert [(finding.severity, finding.column) for finding in findings] == [("warning", "file.scoreScales")]

    def test_takes_a_system_named_absent_for_unnamed(self, package: Package) -> None:
        with reading(package.write(package.manifest() | {"source.systemCode": "absent"})) as (snapshot, findings):
            assert snapshot.source == "oneroster"
            assert findings[0].column == "source.systemCode"

    def test_reads_a_file_whose_name_is_in_the_wrong_case(self, package: Package) -> None:
        path = package.write()
        (path / "users.csv").rename(path / "Users.csv")

        with reading(path) as (snapshot, findings):
            assert snapshot.count("people") == 4
            assert findings[0].expected == "the exact name users.csv; read as that"

    def test_leaves_out_a_file_it_does_not_know(self, package: Package) -> None:
        path = package.write()
        (path / "lunches.csv").write_text("x\n")

        (warning,) = warnings_of(path)

        assert (warning.severity, warning.file) == ("warning", "lunches.csv")


class TestRows:
    @pytest.mark.parametrize("key", ["has space", "é", "x" * 256, "semi;colon"])
    def test_refuses_a_sourced_id_outside_the_alphabet(self, package: Package, key: str) -> None:
        errors = errors_of(package.student(key).write())

        assert ("users.csv", "sourcedId") in {(error.file, error.column) for error in errors}

    def test_refuses_a_sourced_id_used_twice(self, package: Package) -> None:
        package.add("users", **package.files["users"][0])

        (error,) = errors_of(package.write())

        assert (error.file, error.line, error.column, error.value) == ("users.csv", 6, "sourcedId", "s1")
        assert error.expected == "each sourcedId once in the file; first on line 2"

    def test_survives_statuses_in_a_bulk_file(self, package: Package) -> None:
        package.files["users"][0] |= {"status": "active", "dateLastModified": "2023-05-01"}

        with reading(package.write()) as (snapshot, findings):
            assert snapshot.count("people") == 4
            assert {finding.column for finding in findings} == {"status", "dateLastModified"}

    def test_takes_inactive_for_deleted(self, package: Package) -> None:
        package.files["users"][1]["status"] = "inactive"

        with reading(package.write()) as (snapshot, _):
            assert list(snapshot.deleted("people")) == ["s2"]

    def test_refuses_a_status_that_is_none(self, package: Package) -> None:
        package.files["users"][0]["status"] = "gone"

        (error,) = errors_of(package.write())

        assert (error.value, error.expected) == ("gone", "active or tobedeleted")

    def test_requires_a_status_in_a_delta(self, tmp_path: Path) -> None:
        package = Package(tmp_path / "delta", mode="delta").school().student("s1")
        package.files["users"][0]["status"] = ""

        (error,) = errors_of(package.write())

        assert (error.column, error.value, error.expected) == ("status", "", "active or tobedeleted")

    @pytest.mark.parametrize("text", ["1/05/2010", "2010-13-01", "2010-02-30", "20100501", "May 2010"])
    def test_refuses_a_birth_date_it_would_have_to_guess(self, package: Package, text: str) -> None:
        (error,) = errors_of(package.born("s1", text).write())

        assert (error.file, error.line, error.column) == ("demographics.csv", 2, "birthDate")
        assert (error.value, error.expected) == (text, "a date YYYY-MM-DD")

    def test_takes_the_day_of_a_date_time(self, package: Package) -> None:
        with reading(package.born("s1", "2010-05-01T00:00:00.000Z").write()) as (snapshot, findings):
            assert next(snapshot.birth_dates()).born_on.isoformat() == "2010-05-01"
            assert [finding.severity for finding in findings] == ["warning"]

    def test_reads_a_word_in_the_wrong_case(self, package: Package) -> None:
        package.files["roles"][0]["role"] = "Student"

        with reading(package.write()) as (snapshot, findings):
            assert next(role for role in snapshot.roles() if role.person == "s1").role == "student"
            assert findings[0].expected == "student, in exactly this spelling; read as that"

    def test_refuses_a_role_that_is_none(self, package: Package) -> None:
        package.files["roles"][0]["role"] = "wizard"

        (error,) = errors_of(package.write())

        assert (error.file, error.line, error.column, error.value) == ("roles.csv", 2, "role", "wizard")
        assert "counselor" in error.expected

    def test_knows_no_counselor_in_1_1(self, tmp_path: Path) -> None:
        package = Package(tmp_path / "old", version="1.1").school().person("c1", "counselor")

        (error,) = errors_of(package.write())

        assert (error.file, error.column, error.value) == ("users.csv", "role", "counselor")

    def test_accepts_an_extended_word_in_1_2(self, package: Package) -> None:
        package.person("x1", "ext:registrar")

        with reading(package.write()) as (snapshot, findings):
            assert next(role for role in snapshot.roles() if role.person == "x1").role == "staff"
            assert findings == []

    @pytest.mark.parametrize("text", ["9", "Grade 9", "9th"])
    def test_normalises_grades_and_says_so(self, package: Package, text: str) -> None:
        package.files["users"][0]["grades"] = text

        with reading(package.write()) as (snapshot, findings):
            assert next(person for person in snapshot.people() if person.key == "s1").grade == 9
            assert [(finding.column, finding.value) for finding in findings] == [("grades", text)]

    def test_leaves_out_malformed_contact_points(self, package: Package) -> None:
        package.files["users"][2] |= {"email": "g1 at home", "sms": "12", "phone": "(605) 555-0123"}

        with reading(package.write()) as (snapshot, findings):
            guardian = next(person for person in snapshot.people() if person.key == "g1")
            assert (guardian.email, guardian.phone) == (None, "+16055550123")
            assert {(finding.line, finding.column, finding.value) for finding in findings} == {
                (4, "email", "g1 at home"),
                (4, "sms", "12"),
            }

    def test_prefers_the_number_for_messages(self, package: Package) -> None:
        package.files["users"][2] |= {"sms": "605 555 0199", "phone": "605 555 0123"}

        with reading(package.write()) as (snapshot, _):
            assert next(person for person in snapshot.people() if person.key == "g1").phone == "+16055550199"

    def test_reads_the_home_language_from_metadata(self, package: Package) -> None:
        package.extra_columns["users"] = ("metadata.homeLanguage",)
        package.files["users"][0]["metadata.homeLanguage"] = "Spanish"
        package.files["users"][1]["metadata.homeLanguage"] = "Elvish"

        with reading(package.write()) as (snapshot, findings):
            assert {person.key: person.language for person in snapshot.people()}["s1"] == "es"
            assert [(finding.column, finding.value) for finding in findings] == [("metadata.homeLanguage", "Elvish")]


class TestReferences:
    def test_refuses_a_student_at_a_school_that_is_not_there(self, package: Package) -> None:
        package.files["roles"][0]["orgSourcedId"] = "elsewhere"

        (error,) = errors_of(package.write())

        assert (error.file, error.column, error.value) == ("roles.csv", "orgSourcedId", "elsewhere")

    def test_leaves_out_a_link_to_nobody(self, package: Package) -> None:
        package.files["users"][1]["agentSourcedIds"] = "g2,g9"

        (warning,) = warnings_of(package.write())

        assert (warning.line, warning.column, warning.value) == (3, "agentSourcedIds", "g9")

    def test_says_that_a_teacher_named_as_agent_gains_nothing(self, package: Package) -> None:
        package.person("t1", "teacher").files["users"][0]["agentSourcedIds"] = "t1"

        (warning,) = warnings_of(package.write())

        assert (warning.column, warning.value) == ("agentSourcedIds", "t1 (teacher)")

    def test_says_that_somebody_has_no_role(self, package: Package) -> None:
        package.without("roles", userSourcedId="g1")
        package.files["users"][0]["agentSourcedIds"] = "g2"

        (warning,) = warnings_of(package.write())

        assert (warning.file, warning.value) == ("users.csv", "g1")

    def test_says_that_a_user_has_two_primary_roles_at_a_school(self, package: Package) -> None:
        package.add("roles", sourcedId="r9", userSourcedId="s1", roleType="primary", role="student", orgSourcedId="hs")

        (warning,) = warnings_of(package.write())

        assert (warning.file, warning.column, warning.expected) == (
            "roles.csv",
            "roleType",
            "one primary role at each org",
        )

    def test_says_that_enrollments_point_nowhere(self, package: Package) -> None:
        package.add("classes", sourcedId="c1", title="Art", courseSourcedId="k1", classType="scheduled")
        package.files["classes"][0] |= {"schoolSourcedId": "hs", "termSourcedIds": "t1"}
        package.add("enrollments", sourcedId="e1", classSourcedId="c9", schoolSourcedId="hs", userSourcedId="s9")
        package.files["enrollments"][0]["role"] = "student"

        found = {(finding.file, finding.column, finding.value) for finding in warnings_of(package.write())}

        assert found == {
            ("classes.csv", "courseSourcedId", "k1"),
            ("classes.csv", "termSourcedIds", "t1"),
            ("enrollments.csv", "classSourcedId", "c9"),
            ("enrollments.csv", "userSourcedId", "s9"),
        }
