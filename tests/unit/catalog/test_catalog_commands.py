"""`signpost import catalog|requirements` and `signpost catalog conflicts` as a person uses them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from services.catalog.commands import catalog_app, import_catalog, import_requirements
from services.catalog.courses.tables import catalogs
from shared.database.database import Database
from shared.testing.databases import embedded_settings

COURSES = [
    {"code": "A-1", "title": "Biology", "department": "Science", "grades": [9], "credits": 1},
    {
        "code": "A-2",
        "title": "Zoology",
        "department": "Science",
        "grades": [10],
        "credits": 1,
        "prerequisites": [["X-9"]],
    },
]
RULES = """\
schema: ilp.requirements/v1
id: example
title: Example
unit: credit
total: 24
code_system: local
requirements: [{id: science, department: Science, credits: 2}]
"""


@pytest.fixture
def signpost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `signpost ...` in a home of its own."""
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    app, importing = typer.Typer(), typer.Typer()
    importing.command("catalog")(import_catalog)
    importing.command("requirements")(import_requirements)
    app.add_typer(importing, name="import")
    app.add_typer(catalog_app, name="catalog")

    def run(*words: Any) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "catalog.json").write_text(json.dumps({"courses": COURSES}))
    (folder / "rules.yaml").write_text(RULES)
    return folder


class TestImportCatalog:
    def test_says_what_came_in_what_conflicts_and_what_to_do_next(self, signpost: Any, folder: Path) -> None:
        result = signpost("import", "catalog", folder / "catalog.json", "--school-year", "2026-27")

        assert result.exit_code == 0
        assert "catalog.json: 2 courses for 2026-27: 2 new or changed, 0 retired." in result.output
        assert "names X-9 as prerequisite, which is not in the catalog" in result.output
        assert "1 conflicts and 0 notes." in result.output
        assert "Next: signpost import requirements PATH" in result.output

    def test_changes_nothing_the_second_time(self, signpost: Any, folder: Path) -> None:
        signpost("import", "catalog", folder)

        result = signpost("import", "catalog", folder)

        assert "catalog.json: 2 courses, as they were already; nothing changed." in result.output

    def test_takes_the_json_of_a_folder_before_its_csv(self, signpost: Any, folder: Path) -> None:
        (folder / "catalog_raw.csv").write_text("code\n")

        assert signpost("import", "catalog", folder).exit_code == 0

    def test_takes_the_only_file_of_a_folder(self, signpost: Any, folder: Path) -> None:
        (folder / "catalog.json").unlink()
        (folder / "ours.csv").write_text("code,title,department,grades,credits\nA-1,Biology,Science,9,1\n")

        assert "ours.csv: 1 courses" in signpost("import", "catalog", folder).output

    @pytest.mark.parametrize(("names", "held"), [((), "none"), (("a.csv", "b.json"), "a.csv, b.json")])
    def test_does_not_guess_between_files(self, signpost: Any, folder: Path, names: Any, held: str) -> None:
        (folder / "catalog.json").unlink()
        for name in names:
            (folder / name).write_text("")

        result = signpost("import", "catalog", folder)

        assert result.exit_code == 1
        assert f"found: {held}" in result.output

    def test_refuses_a_bad_file_with_every_reason_and_changes_nothing(self, signpost: Any, folder: Path) -> None:
        signpost("import", "catalog", folder)
        (folder / "catalog.json").write_text(json.dumps({"courses": [{"code": "A-1"}, {}]}))

        result = signpost("import", "catalog", folder)

        assert result.exit_code == 1
        assert "catalog.json, courses[0]: title: missing" in result.output
        assert "catalog.json, courses[1]: code: missing" in result.output
        assert "Nothing was imported." in result.output
        assert "1 conflicts" in signpost("catalog", "conflicts").output

    def test_shows_the_first_fifty_reasons_and_counts_the_others(self, signpost: Any, folder: Path) -> None:
        (folder / "catalog.json").write_text(json.dumps({"courses": ["?"] * 60}))

        assert "... and 10 more." in signpost("import", "catalog", folder).output

    def test_refuses_what_is_no_school_year(self, signpost: Any, folder: Path) -> None:
        result = signpost("import", "catalog", folder, "--school-year", "2026")

        assert result.exit_code == 2

    def test_takes_the_school_year_of_the_file(self, signpost: Any, folder: Path, tmp_path: Path) -> None:
        (folder / "catalog.json").write_text(json.dumps({"courses": COURSES, "school_year": "2031-32"}))

        signpost("import", "catalog", folder)

        database = Database.open(embedded_settings(tmp_path / "home"), "catalog")
        with database.reading() as session:
            assert [row.school_year for row in session.execute(catalogs.select())] == ["2031-32"]
        database.dispose()


class TestImportRequirements:
    def test_needs_a_catalog_first(self, signpost: Any, folder: Path) -> None:
        result = signpost("import", "requirements", folder / "rules.yaml")

        assert result.exit_code == 1
        assert "first run: signpost import catalog PATH" in result.output

    def test_says_what_plans_are_checked_against(self, signpost: Any, folder: Path) -> None:
        signpost("import", "catalog", folder)

        result = signpost("import", "requirements", folder)

        assert result.exit_code == 0
        assert "rules.yaml: published example. Plans are checked against example." in result.output
        assert "Next: signpost catalog conflicts --notes" in result.output

    def test_changes_nothing_the_second_time(self, signpost: Any, folder: Path) -> None:
        signpost("import", "catalog", folder)
        signpost("import", "requirements", folder)

        assert "nothing changed" in signpost("import", "requirements", folder).output

    def test_names_the_line_it_cannot_express(self, signpost: Any, folder: Path) -> None:
        signpost("import", "catalog", folder)
        (folder / "rules.yaml").write_text(RULES.replace("credits: 2", "credits: 2, tag: lab"))

        result = signpost("import", "requirements", folder / "rules.yaml")

        assert result.exit_code == 1
        assert "rules.yaml, line 7: science.tag: a requirement cannot say this yet; it can say id" in result.output


class TestConflicts:
    def test_lists_notes_when_asked(self, signpost: Any, folder: Path) -> None:
        (folder / "catalog.json").write_text(json.dumps({"courses": [{**COURSES[0], "credits": 0}]}))
        signpost("import", "catalog", folder)

        assert "0 conflicts and 1 notes (--notes lists them)." in signpost("catalog", "conflicts").output
        assert "A-1 Biology is worth 0 credits" in signpost("catalog", "conflicts", "--notes").output
