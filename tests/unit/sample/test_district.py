"""The sample district as a whole: the same from the same seed, whole in itself, and of the size asked for."""

import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import phonenumbers
import pytest
from typer import Typer
from typer.testing import CliRunner

from services.sample.commands import sample
from services.sample.people import MOST_STUDENTS, families
from services.sample.writing import WrongSize, write_district
from tests.unit.sample.conftest import STUDENTS, Table

ROSTER_FILES = (
    "academicSessions classes courses demographics enrollments orgs roles userProfiles users".split()  # noqa: SIM905
)
# column -> files it points into, of every reference in the roster package
REFERENCES = {
    ("orgs", "parentSourcedId"): "orgs",
    ("academicSessions", "parentSourcedId"): "academicSessions",
    ("courses", "schoolYearSourcedId"): "academicSessions",
    ("courses", "orgSourcedId"): "orgs",
    ("classes", "courseSourcedId"): "courses",
    ("classes", "schoolSourcedId"): "orgs",
    ("classes", "termSourcedIds"): "academicSessions",
    ("users", "agentSourcedIds"): "users",
    ("users", "primaryOrgSourcedId"): "orgs",
    ("roles", "userSourcedId"): "users",
    ("roles", "orgSourcedId"): "orgs",
    ("demographics", "sourcedId"): "users",
    ("enrollments", "classSourcedId"): "classes",
    ("enrollments", "schoolSourcedId"): "orgs",
    ("enrollments", "userSourcedId"): "users",
}

Read = Callable[[str], Table]


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def roles(table: Read) -> dict[str, str]:
    return {row["userSourcedId"]: row["role"] for row in table("oneroster/roles")}


class TestSeed:
    def test_gives_the_same_bytes_again(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_district(tmp_path / name, students=60, seed=3)

        assert digest(tmp_path / "one") == digest(tmp_path / "two")

    def test_gives_another_district_for_another_seed(self, tmp_path: Path) -> None:
        for seed in (3, 4):
            write_district(tmp_path / str(seed), students=60, seed=seed)

        one, other = digest(tmp_path / "3"), digest(tmp_path / "4")
        fixed = {"catalog.json", "requirements.yaml"}
        assert {name for name in one if one[name] == other[name]} >= fixed
        for changed in ("oneroster/users.csv", "plans.json", "partners.csv", "oneroster/demographics.csv"):
            assert one[changed] != other[changed]

    def test_replaces_an_earlier_district(self, tmp_path: Path) -> None:
        write_district(tmp_path / "one", students=60, seed=3)
        write_district(tmp_path / "one", students=20, seed=3)
        write_district(tmp_path / "two", students=20, seed=3)

        assert digest(tmp_path / "one") == digest(tmp_path / "two")


class TestSize:
    @pytest.mark.parametrize("students", [1, 2, 37])
    def test_is_as_asked(self, tmp_path: Path, students: int) -> None:
        written = write_district(tmp_path, students=students, seed=1)

        plans = json.loads((tmp_path / "plans.json").read_text())["plans"]
        assert (written.students, len(plans)) == (students, students)

    @pytest.mark.parametrize("students", [0, -1, MOST_STUDENTS + 1])
    def test_has_bounds(self, tmp_path: Path, students: int) -> None:
        with pytest.raises(WrongSize, match="1 to 100000"):
            write_district(tmp_path, students=students, seed=1)

    def test_makes_families_only_as_they_are_wanted(self) -> None:
        first = next(families(students=MOST_STUDENTS, seed=1, school_year=2026))

        assert first.students[0].key == "st-000001"

    def test_of_a_thousand_students(self, table: Read, roles: dict[str, str]) -> None:
        count = Counter(roles.values())

        assert count["student"] == STUDENTS
        assert 1100 < count["parent"] + count["guardian"] < 1900
        assert 4 <= count["counselor"] <= 6
        assert Counter(row["type"] for row in table("oneroster/orgs")) == {"district": 1, "school": 2}
        assert len(table("partners")) == 40
        assert 3 <= len(table("restrictions")) <= 12


class TestRosterPackage:
    def test_points_to_nothing_outside(self, table: Read) -> None:
        keys = {name: {row["sourcedId"] for row in table(f"oneroster/{name}")} for name in ROSTER_FILES}

        for (file, column), target in REFERENCES.items():
            for row in table(f"oneroster/{file}"):
                wanted = {key for key in row[column].split(",") if key}
                assert wanted <= keys[target], f"{file}.{column} of {row['sourcedId']}"

    def test_has_each_key_once(self, table: Read) -> None:
        for name in ROSTER_FILES:
            keys = [row["sourcedId"] for row in table(f"oneroster/{name}")]
            assert len(keys) == len(set(keys))
            assert all(re.fullmatch(r"[0-9A-Za-z.\-_/@]{1,255}", key) for key in keys)

    def test_is_bulk(self, table: Read) -> None:
        manifest = {row["propertyName"]: row["value"] for row in table("oneroster/manifest")}
        bulk = {name.removeprefix("file.") for name, mode in manifest.items() if mode == "bulk"}

        assert bulk == set(ROSTER_FILES)
        assert sum(name.startswith("file.") for name in manifest) == 21
        assert manifest["oneroster.version"] == "1.2"
        for name in ROSTER_FILES:
            assert all(row["status"] == row["dateLastModified"] == "" for row in table(f"oneroster/{name}"))

    def test_links_students_and_guardians_both_ways(self, table: Read, roles: dict[str, str]) -> None:
        agents = {
            row["sourcedId"]: set(filter(None, row["agentSourcedIds"].split(","))) for row in table("oneroster/users")
        }

        for person, others in agents.items():
            assert all(person in agents[other] for other in others)
            if roles[person] == "student":
                assert 1 <= len(others) <= 2

    def test_reaches_every_guardian(self, table: Read, roles: dict[str, str]) -> None:
        guardians = [row for row in table("oneroster/users") if roles[row["sourcedId"]] in ("parent", "guardian")]

        sms_only = [row for row in guardians if not row["email"]]
        assert all(row["email"] or row["sms"] for row in guardians)
        assert 0.05 < len(sms_only) / len(guardians) < 0.3
        assert all(row["email"].endswith("@example.net") for row in guardians if row["email"])

    def test_uses_telephone_numbers_of_nobody(self, table: Read) -> None:
        numbers = {row["sms"] for row in table("oneroster/users") if row["sms"]}
        numbers |= {row["contact_phone"] for row in table("partners")}

        assert all(re.fullmatch(r"\+1[2-9]\d\d55501\d\d", number) for number in numbers)
        assert all(phonenumbers.is_possible_number(phonenumbers.parse(number)) for number in numbers)

    def test_has_families_of_all_kinds(self, table: Read, roles: dict[str, str]) -> None:
        users = {row["sourcedId"]: row for row in table("oneroster/users")}
        languages = {key: row["metadata.homeLanguage"] for key, row in users.items()}
        children: dict[str, int] = defaultdict(int)
        mixed = 0
        for key, row in users.items():
            guardians = row["agentSourcedIds"].split(",")
            if roles[key] == "student":
                children[guardians[0]] += 1
                mixed += len({languages[guardian] for guardian in guardians}) == 2

        assert set(languages.values()) == {"en", "es"}
        assert 0.2 < sum(languages[key] == "es" for key in roles if roles[key] == "student") / STUDENTS < 0.4
        assert mixed > 10
        assert sum(count > 1 for count in children.values()) > 50

    def test_fits_age_to_grade(self, table: Read) -> None:
        grades = {row["sourcedId"]: int(row["grades"]) for row in table("oneroster/users") if row["grades"]}

        assert set(grades.values()) == {9, 10, 11, 12}
        for row in table("oneroster/demographics"):
            year, month, _ = map(int, row["birthDate"].split("-"))
            turned = 2026 - year - (month >= 9)
            assert turned == grades[row["sourcedId"]] + 5

    def test_begins_with_a_family_that_shows_all(self, table: Read) -> None:
        users = {row["sourcedId"]: row for row in table("oneroster/users")}
        one, two = (users[key] for key in users["st-000001"]["agentSourcedIds"].split(","))

        assert users["st-000001"]["grades"] == "10"
        assert (one["metadata.homeLanguage"], bool(one["email"])) == ("en", True)
        assert (two["metadata.homeLanguage"], two["email"], bool(two["sms"])) == ("es", "", True)


class TestFilesBesideTheRoster:
    def test_give_every_student_one_counselor_of_the_own_school(self, table: Read, roles: dict[str, str]) -> None:
        school = {row["sourcedId"]: row["primaryOrgSourcedId"] for row in table("oneroster/users")}
        rows = table("caseload")
        counselors = [row for row in rows if row["relation"] == "counselor"]

        assert len({row["student_sourced_id"] for row in counselors}) == len(counselors) == STUDENTS
        for row in rows:
            assert row["relation"] in ("counselor", "case_manager")
            assert school[row["student_sourced_id"]] == school[row["staff_sourced_id"]]
            assert (roles[row["staff_sourced_id"]] == "counselor") == (row["relation"] == "counselor")

    def test_bar_one_of_two_guardians(self, table: Read) -> None:
        agents = {row["sourcedId"]: row["agentSourcedIds"].split(",") for row in table("oneroster/users")}

        for row in table("restrictions"):
            guardians = agents[row["student_sourced_id"]]
            assert len(guardians) == 2
            assert row["guardian_sourced_id"] in guardians
            assert row["document"]

    def test_say_where_everything_is(self, district: Path) -> None:
        facts = json.loads((district / "district.json").read_text())

        assert (facts["students"], facts["time_zone"]) == (STUDENTS, "America/Chicago")
        assert all((district / name).exists() for name in facts["files"].values())


class TestNames:
    def test_are_nobodys_in_the_real_sample_rosters(self, table: Read, shared_data: Path) -> None:
        real: set[tuple[str, str]] = set()
        for name in ("Student.xml", "Contact.xml"):
            for _, element in ElementTree.iterparse(shared_data / "edfi_grand_bend" / name):
                if element.tag.endswith("}Name"):
                    words = {child.tag.rpartition("}")[2]: (child.text or "").casefold() for child in element}
                    real.add((words.get("FirstName", ""), words.get("LastSurname", "")))
        made = {(row["givenName"].casefold(), row["familyName"].casefold()) for row in table("oneroster/users")}

        assert len(real) > 1000
        assert not {family for _, family in made} & {family for _, family in real}


class TestCommand:
    def test_writes_a_district(self, tmp_path: Path) -> None:
        app = Typer()
        app.command()(sample)

        result = CliRunner().invoke(app, ["--students", "20", "--seed", "5", "--out", str(tmp_path / "made")])

        assert result.exit_code == 0
        assert "20 students" in result.output
        assert (tmp_path / "made" / "oneroster" / "manifest.csv").exists()

    def test_refuses_a_size(self, tmp_path: Path) -> None:
        app = Typer()
        app.command()(sample)

        assert CliRunner().invoke(app, ["--students", "0", "--out", str(tmp_path)]).exit_code == 2
