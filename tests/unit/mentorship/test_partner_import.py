"""Importing partners: their files, and what becomes of matches."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from typer import Typer
from typer.testing import CliRunner

from services.mentorship.commands import import_partners
from services.mentorship.matches.handlers import approve_match
from services.mentorship.matches.repository import Match
from services.mentorship.matches.rules import Status
from services.mentorship.partners.rules import COLUMNS
from services.mentorship.partners.tables import partners
from services.mentorship.relationship_files.tables import relationship_entries, relationship_files
from tests.unit.mentorship.conftest import Mentorship, partner

CLINIC = partner()

Proposed = Callable[[], tuple[UUID, Match]]


def kinds(mentorship: Mentorship) -> list[str]:
    with mentorship.database.reading() as session:
        return list(session.execute(select(relationship_entries.c.kind).order_by("position")).scalars())


def rows(mentorship: Mentorship) -> list[object]:
    with mentorship.database.reading() as session:
        tables = (partners, relationship_files, relationship_entries)
        return [session.execute(select(table)).all() for table in tables]


class TestImportPartners:
    def test_opens_a_file_for_each_new_partner(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(CLINIC, partner("bank"))

        assert kinds(mentorship) == ["file_opened", "file_opened"]

    def test_seals_contact_details(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(CLINIC)

        with mentorship.database.reading() as session:
            row = session.execute(select(partners)).one()

        assert "example.org" not in str(row)
        assert mentorship.sealer.open(row.sealed_contact)["email"] == "clinic@example.org"

    def test_changes_nothing_the_second_time(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(CLINIC, partner("bank"))
        before = rows(mentorship)

        plan = mentorship.list_partners(CLINIC, partner("bank"))

        assert plan.is_empty
        assert rows(mentorship) == before

    def test_notes_leaving_and_coming_back(self, mentorship: Mentorship) -> None:
        mentorship.list_partners(CLINIC, partner("bank"))

        mentorship.list_partners(CLINIC)
        mentorship.list_partners(CLINIC, partner("bank"))

        assert kinds(mentorship)[2:] == ["partner_left", "partner_returned"]

    def test_ends_the_matches_of_who_left(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(CLINIC)
        student_id, match = proposed()
        with mentorship.database.transaction() as uow:
            approve_match(match.match_id, CLINIC.partner_id, by=UUID(int=7), uow=uow)

        mentorship.list_partners(replace(CLINIC, is_active=False))

        assert mentorship.match(student_id).end_reason == "partner_left"
        assert mentorship.emitted() == ["proposed", "accepted", "ended"]

    def test_proposes_others_where_all_candidates_left(self, mentorship: Mentorship, proposed: Proposed) -> None:
        mentorship.list_partners(CLINIC)
        student_id, _ = proposed()
        hospital = partner("hospital")

        mentorship.list_partners(hospital)

        by_status = {match.status: match for match in mentorship.matches(student_id)}
        assert by_status[Status.ENDED].end_reason == "partner_left"
        assert by_status[Status.PROPOSED].candidate_ids == (hospital.partner_id,)

    def test_keeps_a_proposal_with_a_candidate_left(self, mentorship: Mentorship, proposed: Proposed) -> None:
        hospital = partner("hospital")
        mentorship.list_partners(CLINIC, hospital)
        student_id, _ = proposed()

        mentorship.list_partners(hospital)

        assert mentorship.match(student_id).status is Status.PROPOSED

    def test_proposes_to_who_waited(self, mentorship: Mentorship, proposed: Proposed) -> None:
        student_id, waiting = proposed()
        assert waiting.status is Status.NO_FIT

        mentorship.list_partners(CLINIC)

        assert mentorship.match(student_id).candidate_ids == (CLINIC.partner_id,)
        assert mentorship.match(student_id).version == 1
        assert mentorship.emitted() == ["proposed"]

    def test_proposes_nobody_to_who_left_while_waiting(self, mentorship: Mentorship, proposed: Proposed) -> None:
        student_id, _ = proposed()
        mentorship.withdraw(student_id)

        mentorship.list_partners(CLINIC)

        assert mentorship.emitted() == []


class TestCommand:
    @pytest.fixture
    def run(self, mentorship: Mentorship, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, str]]:
        monkeypatch.setenv("SIGNPOST_HOME", str(mentorship.settings.home))
        monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)
        app = Typer()
        app.command()(import_partners)

        def invoke(path: Path) -> tuple[int, str]:
            result = CliRunner().invoke(app, [str(path)])
            return result.exit_code, result.output

        return invoke

    def test_imports_a_file(self, run: Callable[[Path], tuple[int, str]], tmp_path: Path) -> None:
        path = tmp_path / "partners.csv"
        path.write_text(",".join(COLUMNS) + "\nclinic,Clinic,Ana,a@example.org,,Health Science,en;es,3,true\n")

        (first_code, first), (second_code, second) = run(path), run(path)

        assert (first_code, second_code) == (0, 0)
        assert first.endswith("partners.csv: 1 partners added, 0 changed, 0 left, 0 unchanged\n")
        assert second.endswith("partners.csv: 0 partners added, 0 changed, 0 left, 1 unchanged\n")

    def test_refuses_a_file_and_says_where(self, run: Callable[[Path], tuple[int, str]], tmp_path: Path) -> None:
        path = tmp_path / "partners.csv"
        path.write_text(",".join(COLUMNS) + "\nclinic,Clinic,Ana,a@example.org,,Health Science,en;es,[red]x,true\n")

        code, output = run(path)

        assert code == 1
        assert "partners.csv, line 2, column capacity: '[red]x' is not right" in output
        assert "Nothing was imported." in output

    def test_says_that_the_database_is_away(
        self, run: Callable[[Path], tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SIGNPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/{service}")
        path = tmp_path / "partners.csv"
        path.write_text(",".join(COLUMNS) + "\nclinic,Clinic,Ana,a@example.org,,Health Science,en;es,3,true\n")

        code, output = run(path)

        assert code == 1
        assert "mentorship database is away" in output
