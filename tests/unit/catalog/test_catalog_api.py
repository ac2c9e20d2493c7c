"""The catalog over HTTP: who may read and change it, pages, tags and refusals."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.catalog.api import create_app
from services.catalog.courses.handlers import publish_catalog
from services.catalog.requirements.documents import load
from services.catalog.requirements.handlers import publish_document
from services.catalog.settings import CatalogSettings
from shared.database.database import Database
from shared.events.catalog import CourseChanged, CourseRetired
from shared.testing.databases import embedded_settings
from shared.testing.tokens import bearer

PERSON = UUID(int=7)
RULES = b"""\
schema: ilp.requirements/v1
id: example
title: Example
unit: credit
total: 24
code_system: local
tracks:
  work: {requirements: [{id: science, department: Science, credits: 1.5}]}
  college: {requirements: [{id: science, department: Science, credits: 99}]}
"""
BODY = {"title": "Robotics", "department": "Technology", "credits": 0.5, "grades": [10, 9]}


@dataclass
class Answer:
    status: int
    body: Any
    etag: str | None


Ask = Callable[..., Answer]


@pytest.fixture
def ask(database: Database, tmp_path: Path) -> Ask:
    """Sends one request to the service: ask("GET", "/v1/courses", role="student")."""
    settings = embedded_settings(tmp_path).specialized(CatalogSettings)

    def send(method: str, path: str, *, role: str | None = "student", headers: Any = None, **body: Any) -> Answer:
        async def go() -> Answer:
            async with TestClient(TestServer(create_app(settings))) as client:
                signed = bearer(settings, role, PERSON) if role else {}
                response = await client.request(method, path, headers={**signed, **(headers or {})}, **body)
                text = await response.text()
                return Answer(response.status, json.loads(text) if text else None, response.headers.get("ETag"))

        return asyncio.run(go())

    return send


@pytest.fixture
def filled(database: Database, course: Any) -> None:
    courses = [
        course("A-1", title="Biology", grades=(9,)),
        course("A-2", title="Chemistry 100%", grades=(10, 11), prerequisites=(("A-1",),)),
        course("B-1", title="Algebra", department="Mathematics", prerequisites=(("Z-9",),)),
    ]
    with database.transaction() as uow:
        publish_catalog(courses, uow=uow, school_year="2026-27", source="catalog.json")
        publish_document(load(RULES, file="rules.yaml", limit=10_000), uow=uow, file="rules.yaml")


def codes(answer: Answer) -> list[str]:
    return [each["code"] for each in answer.body["items"]]


@pytest.mark.usefixtures("filled")
class TestListCourses:
    @pytest.mark.parametrize("role", ["student", "guardian", "counselor", "teacher", "partner", "integrator"])
    def test_is_open_to_everyone_signed_in(self, ask: Ask, role: str) -> None:
        assert codes(ask("GET", "/v1/courses", role=role)) == ["A-1", "A-2", "B-1"]

    def test_is_closed_to_strangers(self, ask: Ask) -> None:
        assert ask("GET", "/v1/courses", role=None).status == 401

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("department=mathematics", ["B-1"]),
            ("grade=10", ["A-2", "B-1"]),
            ("grade=13", []),
            ("grade=-2", []),
            ("q=CHEM", ["A-2"]),
            ("q=b-1", ["B-1"]),
            ("q=0%25", ["A-2"]),
            ("q=_", []),
            ("q=a&grade=9&department=Science", ["A-1"]),
            ("retired=true", []),
        ],
    )
    def test_filters(self, ask: Ask, query: str, found: list[str]) -> None:
        assert codes(ask("GET", f"/v1/courses?{query}")) == found

    def test_comes_in_pages(self, ask: Ask) -> None:
        first = ask("GET", "/v1/courses?limit=2")
        second = ask("GET", f"/v1/courses?limit=2&cursor={first.body['next']}")

        assert (codes(first), codes(second)) == (["A-1", "A-2"], ["B-1"])
        assert second.body["next"] is None

    def test_is_not_sent_again_while_nothing_changed(self, ask: Ask) -> None:
        first = ask("GET", "/v1/courses")

        again = ask("GET", "/v1/courses", headers={"If-None-Match": first.etag})
        ask("PUT", "/v1/courses/C-1", role="district_admin", json=BODY)
        later = ask("GET", "/v1/courses", headers={"If-None-Match": first.etag})

        assert (again.status, again.body) == (304, None)
        assert later.status == 200

    @pytest.mark.parametrize("query", ["grade=ninth", "grade=99", "limit=0", "cursor=nonsense", "retired=perhaps"])
    def test_refuses_what_is_no_question(self, ask: Ask, query: str) -> None:
        answer = ask("GET", f"/v1/courses?{query}")

        assert (answer.status, answer.body["code"]) == (422, "invalid-input")


@pytest.mark.usefixtures("filled")
class TestReadCourse:
    def test_gives_the_facts_and_the_version_as_tag(self, ask: Ask) -> None:
        answer = ask("GET", "/v1/courses/A-2")

        assert answer.etag == '"1"'
        assert answer.body["prerequisites"] == [["A-1"]]
        assert answer.body["credits"] == 1.0
        assert ask("GET", "/v1/courses/A-2", headers={"If-None-Match": '"1"'}).status == 304

    def test_knows_no_other_codes(self, ask: Ask) -> None:
        assert ask("GET", "/v1/courses/nothing").status == 404


@pytest.mark.usefixtures("filled")
class TestPutCourse:
    def test_adds_a_course(self, ask: Ask, emitted: Any) -> None:
        emitted()

        answer = ask("PUT", "/v1/courses/C-1", role="district_admin", json=BODY)

        assert (answer.status, answer.etag) == (200, '"1"')
        assert answer.body["grades"] == [9, 10]
        assert [type(each) for each in emitted()] == [CourseChanged]

    def test_changes_a_course_that_was_read(self, ask: Ask) -> None:
        answer = ask("PUT", "/v1/courses/A-1", role="district_admin", json=BODY, headers={"If-Match": '"1"'})

        assert (answer.body["title"], answer.etag) == ("Robotics", '"2"')

    @pytest.mark.parametrize(("tag", "status"), [(None, 428), ('"9"', 412), ("yesterday", 422)])
    def test_refuses_to_overwrite_blindly(self, ask: Ask, emitted: Any, tag: str | None, status: int) -> None:
        emitted()
        headers = {"If-Match": tag} if tag else {}

        answer = ask("PUT", "/v1/courses/A-1", role="district_admin", json=BODY, headers=headers)

        assert answer.status == status
        assert emitted() == []

    @pytest.mark.parametrize("role", ["student", "guardian", "case_manager", "teacher", "ops"])
    def test_is_for_counselors_and_district_administrators(self, ask: Ask, role: str) -> None:
        assert ask("PUT", "/v1/courses/C-1", role=role, json=BODY).status == 404
        assert ask("GET", "/v1/courses/C-1").status == 404

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"credits": -1}, "/credits"),
            ({"credits": 0.125}, "/credits"),
            ({"grades": []}, "/grades"),
            ({"grades": [40]}, "/grades/0"),
            ({"title": " "}, "/title"),
            ({"terms": ["S3"]}, "/terms/0"),
            ({"prerequisites": [[]]}, "/prerequisites/0"),
            ({"prerequisites": [["a b"]]}, "/prerequisites/0/0"),
            ({"surprise": 1}, "/surprise"),
        ],
    )
    def test_points_at_what_is_wrong(self, ask: Ask, change: Any, pointer: str) -> None:
        answer = ask("PUT", "/v1/courses/C-1", role="district_admin", json={**BODY, **change})

        assert answer.status == 422
        assert answer.body["errors"][0]["pointer"] == pointer

    def test_refuses_a_code_that_could_be_none(self, ask: Ask) -> None:
        assert ask("PUT", "/v1/courses/a%20b", role="district_admin", json=BODY).status == 422

    def test_answers_a_repeated_request_the_same(self, ask: Ask, emitted: Any) -> None:
        emitted()
        headers = {"Idempotency-Key": "once"}

        first = ask("PUT", "/v1/courses/C-1", role="district_admin", json=BODY, headers=headers)
        second = ask("PUT", "/v1/courses/C-1", role="district_admin", json=BODY, headers=headers)

        assert first == second
        assert len(emitted()) == 1


@pytest.mark.usefixtures("filled")
class TestRetireCourse:
    def test_takes_a_course_off_the_list(self, ask: Ask, emitted: Any) -> None:
        emitted()

        answer = ask("POST", "/v1/courses/A-1/retire", role="district_admin", headers={"If-Match": '"1"'})

        assert answer.body["retired_at"] == answer.body["changed_at"]
        assert [type(each) for each in emitted()] == [CourseRetired]
        assert codes(ask("GET", "/v1/courses?retired=true")) == ["A-1"]
        assert ask("GET", "/v1/courses/A-1").status == 200

    def test_refuses_a_second_time(self, ask: Ask) -> None:
        ask("POST", "/v1/courses/A-1/retire", role="district_admin", headers={"If-Match": '"1"'})

        answer = ask("POST", "/v1/courses/A-1/retire", role="district_admin", headers={"If-Match": '"2"'})

        assert (answer.status, answer.body["code"]) == (409, "course-retired")

    def test_needs_the_version_that_was_read(self, ask: Ask) -> None:
        assert ask("POST", "/v1/courses/A-1/retire", role="district_admin").status == 428

    def test_is_for_counselors_and_district_administrators(self, ask: Ask) -> None:
        assert ask("POST", "/v1/courses/A-1/retire", role="teacher", headers={"If-Match": '"1"'}).status == 404


@pytest.mark.usefixtures("filled")
class TestRequirementSets:
    def test_lists_the_default_first(self, ask: Ask) -> None:
        items = ask("GET", "/v1/requirement-sets").body["items"]

        assert [(each["key"], each["is_default"]) for each in items] == [
            ("example/work", True),
            ("example/college", False),
        ]

    @pytest.mark.parametrize("path", ["example/work", "example%2Fwork"])
    def test_gives_one_with_its_lines(self, ask: Ask, path: str) -> None:
        answer = ask("GET", f"/v1/requirement-sets/{path}")

        assert answer.etag == '"1"'
        assert answer.body["total"] == 24.0
        (line,) = answer.body["requirements"]
        assert (line["id"], line["credits"], line["departments"]) == ("science", 1.5, ["Science"])

    def test_is_not_sent_again_while_nothing_changed(self, ask: Ask) -> None:
        assert ask("GET", "/v1/requirement-sets/example/work", headers={"If-None-Match": '"1"'}).status == 304

    def test_knows_no_others(self, ask: Ask) -> None:
        assert ask("GET", "/v1/requirement-sets/example").status == 404
        assert ask("GET", "/v1/requirement-sets/example/play").status == 404


@pytest.mark.usefixtures("filled")
class TestConflicts:
    def test_are_shown_to_staff(self, ask: Ask) -> None:
        answer = ask("GET", "/v1/catalog/conflicts", role="counselor")

        assert [(each["kind"], each["subject"]) for each in answer.body["items"]] == [
            ("course_absent", "B-1"),
            ("lines_exceed_total", "total"),
            ("out_of_reach", "science"),
        ]
        assert answer.body["items"][2]["where"] == "rules.yaml, line 9"

    def test_come_in_pages_and_by_severity(self, ask: Ask) -> None:
        first = ask("GET", "/v1/catalog/conflicts?limit=2", role="teacher")
        second = ask("GET", f"/v1/catalog/conflicts?limit=2&cursor={first.body['next']}", role="teacher")

        assert len(first.body["items"] + second.body["items"]) == 3
        assert ask("GET", "/v1/catalog/conflicts?severity=note", role="teacher").body["items"] == []

    @pytest.mark.parametrize("query", ["severity=awful", "cursor=WyJ4Il0"])
    def test_refuse_what_is_no_question(self, ask: Ask, query: str) -> None:
        assert ask("GET", f"/v1/catalog/conflicts?{query}", role="teacher").status == 422

    @pytest.mark.parametrize("role", ["student", "guardian", "partner", "integrator"])
    def test_are_not_shown_to_families_and_partners(self, ask: Ask, role: str) -> None:
        assert ask("GET", "/v1/catalog/conflicts", role=role).status == 404

    def test_are_not_sent_again_while_nothing_changed(self, ask: Ask) -> None:
        tag = ask("GET", "/v1/catalog/conflicts", role="teacher").etag

        assert ask("GET", "/v1/catalog/conflicts", role="teacher", headers={"If-None-Match": tag}).status == 304


class TestClusters:
    def test_are_the_sixteen(self, ask: Ask) -> None:
        answer = ask("GET", "/v1/clusters")

        assert len(answer.body["items"]) == 16
        assert ask("GET", "/v1/clusters", headers={"If-None-Match": answer.etag}).status == 304
