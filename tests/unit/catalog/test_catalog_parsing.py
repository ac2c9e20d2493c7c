"""Whole catalog files: read, or refused with everything that is wrong."""

import json
from typing import Any

import pytest

from services.catalog.courses.parsing import CatalogFile, parse_catalog
from services.catalog.imports import ImportRefused

GOOD = {"code": "MA-1", "title": "Algebra", "department": "Mathematics", "grades": [9], "credits": 1}
HEADER = "code,title,department,grades,credits,terms,prerequisites,tags"


def parse_json(*courses: Any, **beside: Any) -> CatalogFile:
    return parse(json.dumps({"courses": list(courses), **beside}))


def parse_csv(*lines: str, header: str = HEADER) -> CatalogFile:
    return parse("\n".join([header, *lines]), file="catalog.csv")


def parse(text: str, file: str = "catalog.json") -> CatalogFile:
    return parse_catalog(text.encode(), file=file, limit=100_000)


def refusal(text: str | bytes, file: str = "catalog.json") -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ImportRefused) as refused:
        parse_catalog(content, file=file, limit=100_000)
    return [str(each) for each in refused.value.defects]


def refusal_of(*courses: Any) -> list[str]:
    return refusal(json.dumps({"courses": list(courses)}))


class TestJson:
    def test_reads_every_field(self) -> None:
        read = parse_json(
            {
                **GOOD,
                "term": "quarter",
                "prerequisites_cnf": [["A-1", "A-2"], ["B-1"]],
                "min_grades": [{"codes": ["A-1"], "grade": "C"}],
                "corequisite": [["C-1"]],
                "pre_or_corequisite": [["D-1", "D-2"]],
                "tags": ["AP"],
                "repeatable": 2,
            },
            school_year="2026-27",
        )

        (course,) = read.courses
        assert read.school_year == "2026-27"
        assert course.terms == ("S1", "S2")
        assert course.prerequisites == (("A-1", "A-2"), ("B-1",))
        assert course.minimum_grades[0].grade == "C"
        assert course.corequisites == (("C-1",), ("D-1", "D-2"))
        assert (course.tags, course.repeatable) == (("AP",), 2)
        assert course.origin == "catalog.json, courses[0]"

    def test_keeps_what_it_does_not_know_as_remarks(self) -> None:
        (course,) = parse_json(
            {**GOOD, "audition": True, "share": 0.5, "repeatable": {"max": 2, "yearly": True}}
        ).courses

        assert course.repeatable == 2
        assert course.remarks == {"audition": True, "share": "0.5", "repeatable": {"max": 2, "yearly": True}}

    def test_names_index_field_value_and_what_would_be_right(self) -> None:
        assert refusal_of(GOOD, {**GOOD, "code": "MA-2", "credits": "lots"}) == [
            "catalog.json, courses[1]: credits 'lots': must be a number from 0 to 1000 with at most two decimals, "
            "such as 0.5"
        ]

    def test_reports_every_defect_of_every_course(self) -> None:
        found = refusal_of({"title": "?"}, {**GOOD, "grades": [], "title": 7}, "no course")

        assert len(found) == 7
        assert found[0].startswith("catalog.json, courses[0]: code: missing; every course needs code, title")
        assert found[-1].startswith("catalog.json, courses[2]: course 'no course': an object with code")

    def test_refuses_a_code_twice_and_says_where_the_other_is(self) -> None:
        assert refusal_of(GOOD, {**GOOD, "title": "Again"}) == [
            "catalog.json, courses[1]: code 'MA-1': each course once; MA-1 is already at courses[0]"
        ]

    def test_refuses_two_names_for_one_field(self) -> None:
        assert refusal_of({**GOOD, "prerequisites": [], "prerequisites_cnf": []}) == [
            "catalog.json, courses[0]: prerequisites_cnf []: say prerequisites once"
        ]

    def test_refuses_remarks_without_end(self) -> None:
        assert "at most 2000 characters" in refusal_of({**GOOD, "note": "x" * 3000})[0]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ('{"courses": [', "line 1, column 14: JSON: readable JSON"),
            ('{"courses": [{"credits": NaN}]}', "NaN is none"),
            ("[" * 50_000, "nested less deeply"),
            ("{}", 'an object with a list "courses"'),
            ("[]", 'an object with a list "courses"'),
            ('{"courses": []}', "an empty catalog would retire every course"),
            ('{"courses": [], "school_year": "2026"}', "must be a school year such as 2026-27"),
        ],
    )
    def test_refuses_what_is_no_catalog(self, text: str, complaint: str) -> None:
        assert complaint in "; ".join(refusal(text))

    def test_refuses_bytes_that_are_not_utf8_and_says_on_which_line(self) -> None:
        assert refusal(b'{"courses":\n"\xff"}') == [
            "catalog.json, line 2: encoding b'\\xff\"}': save the file as UTF-8; this byte is not"
        ]

    def test_refuses_a_file_beyond_the_limit(self) -> None:
        assert refusal("x" * 100_001) == ["catalog.json, whole file: size 100001: at most 100000 bytes are read"]


class TestOwnCsv:
    def test_reads_the_documented_columns(self) -> None:
        read = parse_csv(
            "MA-310,Algebra II,Mathematics,10-12,1.0,S1 S2,MA-210|MA-215; MA-110,Accelerated",
            '"AR-1","Drawing, first steps",Arts,9 10,0.5,,,',
        )

        first, second = read.courses
        assert first.grades == (10, 11, 12)
        assert first.terms == ("S1", "S2")
        assert first.prerequisites == (("MA-210", "MA-215"), ("MA-110",))
        assert first.tags == ("Accelerated",)
        assert (second.title, second.terms, second.prerequisites) == ("Drawing, first steps", (), ())
        assert second.origin == "catalog.csv, line 3"

    def test_needs_only_the_five_required_columns(self) -> None:
        (course,) = parse_csv("MA-1,Algebra,Mathematics,9,1", header="code,title,department,grades,credits").courses

        assert course.code == "MA-1"

    def test_skips_blank_lines_and_counts_quoted_line_breaks(self) -> None:
        read = parse_csv('MA-1,"Algebra\nfor all",Mathematics,9,1,,,', "", ",,,,,,,", "MA-2,More,Mathematics,9,1,,,")

        assert [course.origin for course in read.courses] == ["catalog.csv, line 2", "catalog.csv, line 6"]
        assert read.courses[0].title == "Algebra for all"

    def test_says_which_columns_it_does_not_read(self) -> None:
        read = parse_csv("MA-1,Algebra,Mathematics,9,1,somebody", header="code,title,department,grades,credits,Room")

        assert read.notes == ("column 'Room' of catalog.csv is not read",)

    def test_reads_a_byte_order_mark_as_nothing(self) -> None:
        read = parse_catalog(f"\ufeff{HEADER}\nMA-1,A,M,9,1,,,".encode(), file="c.csv", limit=1000)

        assert read.courses[0].code == "MA-1"


class TestBadCsv:
    def test_names_line_column_and_value(self) -> None:
        assert refusal(f"{HEADER}\nMA-1,Algebra,Mathematics,9,1,,,\nMA-2,More,Mathematics,ninth,1,,,\n", "c.csv") == [
            "c.csv, line 3: grades ['ninth']: must be at least one grade level from -3 to 13, such as [9, 10] or 9-12"
        ]

    def test_names_all_cells_of_a_line(self) -> None:
        found = refusal(f'{HEADER}\nMA 2,,Mathematics,ninth,-1,S3,"[1",x\n', "c.csv")

        fields = [each.removeprefix("c.csv, line 2: ").split(" ")[0].rstrip(":") for each in found]
        assert sorted(fields) == ["code", "credits", "grades", "prerequisites", "terms", "title"]

    def test_counts_the_values_of_a_line(self) -> None:
        (only,) = refusal(f"{HEADER}\nMA-1,Algebra, for all,Mathematics,9,1,,,\n", "c.csv")

        assert only == "c.csv, line 2: columns 9: 8 values, as the header has; quote commas"

    def test_refuses_a_header_without_the_required_columns(self) -> None:
        (only,) = refusal("code,name\nMA-1,Algebra\n", "c.csv")

        assert only.startswith("c.csv, line 1: header 'code,name': a header line with code, title")
        assert only.endswith("not right: title, department, grades, credits")

    def test_refuses_a_column_twice(self) -> None:
        assert "not right: code" in refusal(f"{HEADER},Course Code\n", "c.csv")[0]

    def test_refuses_an_open_quote(self) -> None:
        (only,) = refusal(f'{HEADER}\nMA-1,"Algebra,Mathematics,9,1,,,\n', "c.csv")

        assert only.startswith("c.csv, line 2: CSV: comma separated values with closed quotes")

    @pytest.mark.parametrize("text", ["", "\n\n", f"{HEADER}\n"])
    def test_refuses_an_empty_file(self, text: str) -> None:
        assert refusal(text, "c.csv")
