"""Publishing rule sets, and which of them plans are checked against."""

from decimal import Decimal
from typing import Any

import pytest

from services.catalog.conflicts.tables import stored_conflicts
from services.catalog.courses.handlers import publish_catalog, retire_course
from services.catalog.imports import ImportRefused
from services.catalog.requirements.documents import load
from services.catalog.requirements.handlers import RequirementsPublication, publish_document, publish_requirements
from services.catalog.requirements.rules import Remark, RequirementSet
from services.catalog.requirements.tables import set_of, set_rows
from shared.database.database import Database
from shared.events.catalog import Requirement, RequirementsChanged


def rule_set(key: str, **facts: Any) -> RequirementSet:
    line = Requirement(id="science", title="Science", credits=Decimal(1), any_of=("1",))
    defaults = {"title": key, "unit": "credit", "total": Decimal(24), "requirements": (line,)}
    return RequirementSet(key=key, **{**defaults, **facts})


def publish(database: Database, *sets: RequirementSet, make_default: bool = False) -> RequirementsPublication:
    with database.transaction() as uow:
        return publish_requirements(sets, uow=uow, make_default=make_default)


def said(emitted: Any) -> list[tuple[str, bool]]:
    return [(each.key, each.is_default) for each in emitted() if isinstance(each, RequirementsChanged)]


class TestPublishRequirements:
    def test_makes_the_first_track_the_default(self, database: Database, emitted: Any) -> None:
        done = publish(database, rule_set("a/one"), rule_set("a/two"))

        assert done.default_key == "a/one"
        assert said(emitted) == [("a/one", True), ("a/two", False)]

    def test_keeps_all_of_a_set(self, database: Database) -> None:
        line = Requirement(
            id="x",
            title="X",
            credits=Decimal("0.50"),
            clusters={"Finance": ("1",)},
            cluster_credits=Decimal("1.50"),
            alternatives=(Requirement(id="x.1", title="Y", all_of=("2",)),),
        )
        rules = rule_set(
            "a",
            requirements=(line,),
            remarks=(Remark("k", "x", "note", "d", "w"),),
            course_sizes=(Decimal("0.50"),),
            places={"x": "rules.yaml, line 2"},
        )

        publish(database, rules)

        with database.reading() as session:
            assert set_of(set_rows(session)["a"]) == rules

    def test_says_nothing_the_second_time(self, database: Database, emitted: Any) -> None:
        publish(database, rule_set("a/one"), rule_set("a/two"))
        emitted()

        done = publish(database, rule_set("a/one"), rule_set("a/two"))

        assert done.changed_keys == ()
        assert emitted() == []

    def test_says_only_the_track_that_changed_with_its_next_version(self, database: Database, emitted: Any) -> None:
        publish(database, rule_set("a/one"), rule_set("a/two"))
        emitted()

        publish(database, rule_set("a/one"), rule_set("a/two", total=Decimal(26)))

        assert said(emitted) == [("a/two", False)]
        with database.reading() as session:
            assert {key: row.version for key, row in set_rows(session).items()} == {"a/one": 1, "a/two": 2}

    def test_says_nothing_if_only_places_moved(self, database: Database, emitted: Any) -> None:
        publish(database, rule_set("a", places={"science": "rules.yaml, line 1"}))
        emitted()

        publish(database, rule_set("a", places={"science": "rules.yaml, line 9"}))

        assert emitted() == []
        with database.reading() as session:
            assert set_of(set_rows(session)["a"]).places == {"science": "rules.yaml, line 9"}

    def test_leaves_the_default_with_the_rule_set_that_has_it(self, database: Database, emitted: Any) -> None:
        publish(database, rule_set("a/one"))
        emitted()

        assert publish(database, rule_set("b/one")).default_key == "a/one"
        assert said(emitted) == [("b/one", False)]

    def test_hands_the_default_over_when_told_to(self, database: Database, emitted: Any) -> None:
        publish(database, rule_set("a/one"))
        emitted()

        publish(database, rule_set("b/one"), make_default=True)

        assert sorted(said(emitted)) == [("a/one", False), ("b/one", True)]

    def test_keeps_a_track_that_left_the_file_and_says_so(self, database: Database) -> None:
        publish(database, rule_set("a/one"), rule_set("a/two"))

        assert publish(database, rule_set("a/one")).left_keys == ("a/two",)
        with database.reading() as session:
            assert set(set_rows(session)) == {"a/one", "a/two"}


class TestPublishDocument:
    YAML = b"""\
schema: ilp.requirements/v1
id: example
title: Example
unit: credit
total: 24
code_system: local
requirements:
  - {id: science, department: Science, credits: 1}
"""

    def test_resolves_the_file_against_the_catalog(self, database: Database, course: Any, emitted: Any) -> None:
        document = load(self.YAML, file="rules.yaml", limit=10_000)

        with database.transaction() as uow:
            publish_catalog([course("1")], uow=uow, school_year="2026-27", source="c.json")
            publish_document(document, uow=uow, file="rules.yaml")

        assert said(emitted) == [("example", True)]

    def test_is_refused_before_there_is_a_catalog(self, database: Database) -> None:
        document = load(self.YAML, file="rules.yaml", limit=10_000)

        with pytest.raises(ImportRefused, match="first run: signpost import catalog"), database.transaction() as uow:
            publish_document(document, uow=uow, file="rules.yaml")


class TestConflicts:
    def test_are_looked_for_again_when_a_named_course_is_retired(self, database: Database, course: Any) -> None:
        with database.transaction() as uow:
            publish_catalog([course("1"), course("2")], uow=uow, school_year="2026-27", source="c.json")
        publish(database, rule_set("a/one"), rule_set("a/two"))

        with database.transaction() as uow:
            retire_course("1", uow=uow, expected_version=1)

        with database.reading() as session:
            found = [(each.kind, each.scope) for each in stored_conflicts(session)]
        assert found == [("course_absent", "a/one, a/two"), ("out_of_reach", "a/one, a/two")]
