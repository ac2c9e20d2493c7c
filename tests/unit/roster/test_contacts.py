"""Contact points a person sets, beside those the source says."""

from typing import Any
from uuid import UUID

import pytest

from services.roster.imports.mirror import person_id_of
from services.roster.people.contacts import ContactMalformed, change_contact
from services.roster.people.rules import Digests, kind_of
from services.roster.people.schemas import ContactDocument
from shared.auth.keys import Keys
from shared.problems import NotFound, PreconditionFailed
from shared.sealing import Sealer
from tests.unit.roster.conftest import Package, Roster

G1, S1 = person_id_of("sis", "g1"), person_id_of("sis", "s1")


@pytest.fixture
def loaded(roster: Roster, package: Package) -> Roster:
    roster.take_in(package.write())
    return roster


def change(roster: Roster, person: UUID = G1, *, if_version: int | None = None, **contact: Any) -> ContactDocument:
    with roster.database.transaction() as uow:
        return change_contact(
            person,
            **{"email": None, "phone": None, "language": "en", **contact},
            if_version=if_version,
            region="US",
            time_zone="America/Chicago",
            sealer=Sealer.from_settings(roster.settings),
            uow=uow,
        )


class TestChangeContact:
    def test_sets_and_tells(self, loaded: Roster) -> None:
        changed = change(loaded, email="New@Example.ORG", phone="(605) 555-0123", language="Spanish")

        assert (changed.email, changed.phone, changed.language) == ("New@example.org", "+16055550123", "es")
        event = loaded.events("contact.changed")[-1]
        assert (event["person_id"], event["version"], event["language"]) == (str(G1), 2, "es")
        opened = Sealer.from_settings(loaded.settings).open(event["sealed_contact"])
        assert (opened["given_name"], opened["phone"]) == ("Given-g1", "+16055550123")

    def test_says_nothing_when_nothing_changes(self, loaded: Roster) -> None:
        recorded = len(loaded.events())

        change(loaded, email="g1@example.org")

        assert len(loaded.events()) == recorded

    @pytest.mark.parametrize("wrong", [{"email": "nobody"}, {"phone": "12"}, {"language": "Elvish"}])
    def test_refuses_what_is_malformed(self, loaded: Roster, wrong: dict[str, str]) -> None:
        with pytest.raises(ContactMalformed):
            change(loaded, **wrong)

    def test_refuses_a_stale_version(self, loaded: Roster) -> None:
        with pytest.raises(PreconditionFailed):
            change(loaded, email="x@example.org", if_version=7)

    def test_knows_nobody_else(self, loaded: Roster) -> None:
        with pytest.raises(NotFound):
            change(loaded, UUID(int=1))

    def test_moves_a_student_s_home_language_along(self, loaded: Roster) -> None:
        change(loaded, S1, language="es")

        assert loaded.events("student.changed")[0]["home_language"] == "es"


class TestImportsAfterAnEdit:
    def test_leave_it_while_the_source_says_the_same(self, loaded: Roster, package: Package) -> None:
        change(loaded, email="own@example.org")

        assert loaded.take_in(package.write()).state == "unchanged"

    def test_replace_it_once_the_source_says_something_new(self, loaded: Roster, package: Package) -> None:
        change(loaded, email="own@example.org")
        package.files["users"][2]["email"] = "newer@example.org"

        loaded.take_in(package.write())

        sealed = loaded.events("contact.changed")[-1]["sealed_contact"]
        assert Sealer.from_settings(loaded.settings).open(sealed)["email"] == "newer@example.org"


class TestKindOf:
    @pytest.mark.parametrize(
        ("roles", "kind"),
        [(["student", "staff"], "student"), (["teacher", "guardian"], "staff"), (["guardian"], "guardian"), ([], None)],
    )
    def test_is_one_of_several_roles(self, roles: list[str], kind: str | None) -> None:
        assert kind_of(roles) == kind


class TestDigests:
    def test_stay_when_a_key_is_added_and_show_when_one_is_retired(self) -> None:
        old, new = (Keys.generate().sealing_keys[0] for _ in range(2))
        digest = Digests([old]).of("Ann", "Lee")

        assert Digests([new, old]).of("Ann", "Lee") == digest
        assert not Digests([new]).is_comparable(digest)

    def test_tell_neighbouring_fields_apart(self) -> None:
        digests = Digests(Keys.generate().sealing_keys)

        assert digests.of("An", "nLee") != digests.of("Ann", "Lee")
