"""What an operator sees: progress aside, plain lines, and what to type next."""

from pathlib import Path
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner, Result

from services.roster.commands import import_app, roster_app
from services.roster.imports.mirror import person_id_of
from tests.unit.roster.conftest import Package

app = typer.Typer()
app.add_typer(import_app, name="import")
app.add_typer(roster_app, name="roster")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    for name in ("SIGNPOST_DATABASE_URL", "SIGNPOST_AMQP_URL"):
        monkeypatch.delenv(name, raising=False)


def signpost(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class TestImport:
    def test_says_what_was_taken_in(self, package: Package) -> None:
        result = signpost("import", "oneroster", package.write())

        assert result.exit_code == 0
        assert "students: 2 added, 0 changed, 0 removed, 0 unchanged" in result.stdout
        assert "Applied as import " in result.stdout

    def test_says_that_there_is_nothing_new(self, package: Package) -> None:
        signpost("import", "oneroster", package.write())

        result = signpost("import", "oneroster", package.write())

        assert result.exit_code == 0
        assert "0 events" in result.stdout
        assert "The roster says all of this already." in result.stdout

    def test_names_each_error_on_a_line_and_fails(self, package: Package) -> None:
        package.files["users"][0]["grades"] = ""
        package.files["users"][3]["email"] = "g2 at home"

        result = signpost("import", "oneroster", package.write())

        assert result.exit_code == 1
        lines = result.stderr.splitlines()
        assert any(line.startswith("error: users.csv:2:grades '' -> a grade such as 09") for line in lines)
        assert any(line.startswith("warning: users.csv:5:email 'g2 at home' -> ") for line in lines)
        assert "Refused: 1 error(s), 1 warning(s). Nothing was changed." in result.stderr

    def test_fails_on_a_path_that_is_not_there(self) -> None:
        assert signpost("import", "edfi", "/nowhere/at/all").exit_code == 2

    def test_takes_a_caseload_file(self, package: Package, tmp_path: Path) -> None:
        signpost("import", "oneroster", package.write())
        path = tmp_path / "caseload.csv"
        path.write_text(
            "student_sourced_id,staff_sourced_id,relation,given_name,family_name\ns1,c1,counselor,Ann,Lee\n"
        )

        assert "caseloads: 1 added" in signpost("import", "caseload", path).stdout


class TestParked:
    @pytest.fixture
    def import_id(self, package: Package) -> str:
        signpost("import", "oneroster", package.write())
        smaller = package.without("users", sourcedId="s2").without("roles", userSourcedId="s2").write()
        result = signpost("import", "oneroster", smaller)
        assert "Parked, nothing was changed." in result.stdout
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("Next: signpost import confirm ")]
        return line.rpartition(" ")[2]

    def test_is_shown_and_confirmed(self, import_id: str) -> None:
        assert f"{import_id}  " in signpost("roster", "imports").stdout

        result = signpost("import", "confirm", import_id)

        assert "students: 0 added, 0 changed, 1 removed" in result.stdout
        assert f"Confirmed as import {import_id}." in result.stdout

    def test_is_rejected_once(self, import_id: str) -> None:
        assert "rejected" in signpost("roster", "reject", import_id).stdout

        again = signpost("roster", "reject", import_id)

        assert again.exit_code == 1
        assert "rejected already" in again.stderr

    def test_is_not_found_under_another_id(self) -> None:
        assert signpost("roster", "confirm", uuid4()).exit_code == 1


class TestRestrictions:
    @pytest.fixture(autouse=True)
    def loaded(self, package: Package) -> None:
        signpost("import", "oneroster", package.write())

    def test_take_two_people(self) -> None:
        filed = signpost("roster", "restrict", "s1", "g1", "--document", "Docket 12")
        order_id = filed.stdout.partition(":")[0]

        assert filed.exit_code == 0
        assert "barred" in signpost("roster", "restrictions").stdout
        alone = signpost("roster", "confirm-restriction", order_id)
        assert (alone.exit_code, "another district administrator" in alone.stderr) == (1, True)
        second = signpost("roster", "confirm-restriction", order_id, "--by", uuid4())
        assert second.stdout == f"{order_id}: confirmed\n"
        assert "None waits." in signpost("roster", "restrictions").stdout
        assert "lifting" in signpost("roster", "lift-restriction", order_id, "--document", "Docket 13").stdout
        assert "lifted" in signpost("roster", "confirm-restriction", order_id, "--by", uuid4()).stdout

    def test_are_taken_from_a_file_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "restrictions.csv"
        path.write_text("student_sourced_id,guardian_sourced_id,document\ns1,g1,A\ns2,g2,B\n")
        assert signpost("roster", "restrict", "--from", path).exit_code == 0
        assert len(signpost("roster", "restrictions").stdout.splitlines()) == 2

        path.write_text("student_sourced_id,guardian_sourced_id,document\ns1,g2,C\ns9,g2,D\n")
        refused = signpost("roster", "restrict", "--from", path)

        assert refused.exit_code == 1
        assert "'s9'" in refused.stderr
        assert len(signpost("roster", "restrictions").stdout.splitlines()) == 2

    def test_are_filed_by_signpost_id_too_leaving_some_rights(self) -> None:
        student, guardian = person_id_of("sis", "s1"), person_id_of("sis", "g1")

        signpost("roster", "restrict", student, guardian, "--document", "D", "--leave", "plan.read")

        assert "leaves plan.read" in signpost("roster", "restrictions").stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("s1", "g1"), "--document"),
            (("s1", "g1", "--document", "D", "--leave", "everything"), "--leave must be one of"),
            (("s1", "g1", "--document", "D", "--begins-on", "soon"), "'soon' is no date"),
            (("s2", "g1", "--document", "D"), "no such import, order, or link"),
        ],
    )
    def test_are_refused_with_what_would_be_right(self, arguments: tuple[str, ...], says: str) -> None:
        result = signpost("roster", "restrict", *arguments)

        assert result.exit_code == 1
        assert says in result.stderr
