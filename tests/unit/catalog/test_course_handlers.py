"""Publishing a catalog and changing single courses: what is stored and what is said."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.catalog.conflicts.tables import stored_conflicts
from services.catalog.courses.handlers import (
    CatalogPublication,
    CourseIsRetired,
    publish_catalog,
    put_course,
    retire_course,
)
from services.catalog.courses.rules import Course
from services.catalog.courses.tables import course_of, course_row, offered_courses
from services.catalog.tables import revision
from shared.database.database import Database
from shared.events.catalog import CatalogPublished, CourseChanged, CourseRetired
from shared.problems import NotFound, PreconditionFailed, PreconditionRequired
from shared.testing import FakeClock


def publish(database: Database, courses: Sequence[Course], year: str = "2026-27") -> CatalogPublication:
    with database.transaction() as uow:
        return publish_catalog(courses, uow=uow, school_year=year, source="catalog.json")


def stored(database: Database, code: str) -> tuple[Course, int]:
    with database.reading() as session:
        row = course_row(session, code)
        assert row is not None
        return course_of(row), row.version


def kinds(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        return [(each.kind, each.subject) for each in stored_conflicts(session)]


class TestPublishCatalog:
    def test_says_every_course_and_then_the_catalog(self, database: Database, course: Any, emitted: Any) -> None:
        done = publish(database, [course("2"), course("1")])

        changed, other, published = emitted()
        assert isinstance(changed, CourseChanged)
        assert isinstance(other, CourseChanged)
        assert (changed.code, other.code) == ("2", "1")
        assert isinstance(published, CatalogPublished)
        assert (published.course_count, published.changed_codes) == (2, ("2", "1"))
        assert done.changed_anything

    def test_keeps_every_fact(self, database: Database, course: Any) -> None:
        full = course(
            "1",
            terms=("S1",),
            prerequisites=(("2", "3"),),
            corequisites=(("4",),),
            tags=("AP",),
            repeatable=2,
            remarks={"audition": True},
            origin="catalog.json, courses[0]",
        )

        publish(database, [full])

        assert stored(database, "1") == (full, 1)
        assert stored(database, "1")[0].origin == full.origin

    def test_changes_and_says_nothing_the_second_time(self, database: Database, course: Any, emitted: Any) -> None:
        publish(database, [course("1"), course("2", prerequisites=(("9",),))])
        emitted()
        with database.reading() as session:
            before = revision(session)

        again = publish(database, [course("1"), course("2", prerequisites=(("9",),))])

        assert not again.changed_anything
        assert emitted() == []
        with database.reading() as session:
            assert revision(session) == before

    def test_says_only_what_changed(self, database: Database, course: Any, emitted: Any) -> None:
        publish(database, [course("1"), course("2")])
        emitted()

        publish(database, [course("1"), course("2", title="Renamed")])

        changed, published = emitted()
        assert changed.title == "Renamed"
        assert published.changed_codes == ("2",)
        assert [stored(database, code)[1] for code in ("1", "2")] == [1, 2]

    def test_retires_what_is_no_longer_listed(self, database: Database, course: Any, emitted: Any) -> None:
        publish(database, [course("1"), course("2")])
        emitted()

        publish(database, [course("1")])

        retired, published = emitted()
        assert isinstance(retired, CourseRetired)
        assert retired.code == "2"
        assert published.retired_codes == ("2",)
        with database.reading() as session:
            assert [row.code for row in session.execute(offered_courses())] == ["1"]

    def test_offers_a_retired_course_again_with_a_later_version(
        self, database: Database, course: Any, emitted: Any
    ) -> None:
        publish(database, [course("1"), course("2")])
        publish(database, [course("1")])
        emitted()

        publish(database, [course("1"), course("2")])

        assert emitted()[0].code == "2"
        assert stored(database, "2")[1] == 3

    def test_publishes_the_same_courses_for_a_new_year(self, database: Database, course: Any, emitted: Any) -> None:
        publish(database, [course("1")])
        emitted()

        publish(database, [course("1")], year="2027-28")

        (published,) = emitted()
        assert (published.school_year, published.changed_codes) == ("2027-28", ())

    def test_keeps_nothing_of_a_catalog_that_fails_midway(self, database: Database, course: Any, emitted: Any) -> None:
        def fail() -> None:
            raise RuntimeError("the machine goes down")

        with pytest.raises(RuntimeError), database.transaction() as uow:
            publish_catalog([course("1")], uow=uow, school_year="2026-27", source="c.json", advance=fail)

        assert emitted() == []
        with database.reading() as session:
            assert session.execute(offered_courses()).all() == []

    def test_stores_conflicts_and_drops_those_that_are_gone(self, database: Database, course: Any) -> None:
        publish(database, [course("1", prerequisites=(("9",),))])
        assert kinds(database) == [("course_absent", "1")]

        publish(database, [course("1")])
        assert kinds(database) == []

    def test_points_conflicts_into_the_newest_file(self, database: Database, course: Any) -> None:
        publish(database, [course("1", prerequisites=(("9",),), origin="old.csv, line 2")])

        publish(database, [course("1", prerequisites=(("9",),), origin="new.csv, line 7")])

        with database.reading() as session:
            assert [each.where for each in stored_conflicts(session)] == ["new.csv, line 7"]


class TestPutCourse:
    def test_adds_a_course(self, database: Database, course: Any, emitted: Any) -> None:
        with database.transaction() as uow:
            version = put_course(course("1"), uow=uow, expected_version=None)

        assert version == 1
        assert [each.code for each in emitted()] == ["1"]

    def test_replaces_the_facts_of_the_version_that_was_read(
        self, database: Database, course: Any, emitted: Any
    ) -> None:
        publish(database, [course("1")])
        emitted()

        with database.transaction() as uow:
            version = put_course(course("1", title="Better"), uow=uow, expected_version=1)

        assert version == 2
        assert [each.title for each in emitted()] == ["Better"]

    def test_says_nothing_if_nothing_changed(self, database: Database, course: Any, emitted: Any) -> None:
        publish(database, [course("1")])
        emitted()

        with database.transaction() as uow:
            assert put_course(course("1"), uow=uow, expected_version=1) == 1

        assert emitted() == []

    @pytest.mark.parametrize(("expected", "refusal"), [(None, PreconditionRequired), (7, PreconditionFailed)])
    def test_refuses_to_overwrite_what_was_not_read(
        self, database: Database, course: Any, emitted: Any, expected: int | None, refusal: type[Exception]
    ) -> None:
        publish(database, [course("1")])
        emitted()

        with pytest.raises(refusal), database.transaction() as uow:
            put_course(course("1", title="Mine"), uow=uow, expected_version=expected)

        assert emitted() == []

    def test_refuses_a_version_of_a_course_that_is_not_there(self, database: Database, course: Any) -> None:
        with pytest.raises(PreconditionFailed, match="There is no course 1"), database.transaction() as uow:
            put_course(course("1"), uow=uow, expected_version=3)

    def test_looks_for_conflicts(self, database: Database, course: Any) -> None:
        with database.transaction() as uow:
            put_course(course("1", prerequisites=(("9",),)), uow=uow, expected_version=None)

        assert kinds(database) == [("course_absent", "1")]


class TestRetireCourse:
    def test_says_so_and_finds_who_still_names_it(
        self, database: Database, course: Any, emitted: Any, clock: FakeClock
    ) -> None:
        publish(database, [course("1"), course("2", prerequisites=(("1",),))])
        emitted()

        with database.transaction() as uow:
            version = retire_course("1", uow=uow, expected_version=1)

        assert version == 2
        assert [type(each) for each in emitted()] == [CourseRetired]
        assert kinds(database) == [("course_absent", "2")]
        with database.reading() as session:
            row = course_row(session, "1")
            assert row is not None
            assert row.retired_at == clock.now()

    @pytest.mark.parametrize(
        ("code", "expected", "refusal"),
        [("9", 1, NotFound), ("1", None, PreconditionRequired), ("1", 2, PreconditionFailed)],
    )
    def test_refuses(
        self, database: Database, course: Any, code: str, expected: int | None, refusal: type[Exception]
    ) -> None:
        publish(database, [course("1")])

        with pytest.raises(refusal), database.transaction() as uow:
            retire_course(code, uow=uow, expected_version=expected)

    def test_refuses_a_second_time(self, database: Database, course: Any) -> None:
        publish(database, [course("1")])
        with database.transaction() as uow:
            retire_course("1", uow=uow, expected_version=1)

        with pytest.raises(CourseIsRetired, match="since 2026-11-12"), database.transaction() as uow:
            retire_course("1", uow=uow, expected_version=2)
