"""
A catalog file, read into courses or refused with every reason.

JSON: an object with "courses", each an object with code, title, department, grades and credits, and
where they apply terms, prerequisites (or prerequisites_cnf), minimum_grades (or min_grades),
corequisites (or corequisite, pre_or_corequisite), tags, repeatable. What else it says about a course
is kept as a remark. "school_year" beside "courses" is optional.

CSV, comma separated, UTF-8, a header line, one course per line:

    code,title,department,grades,credits,terms,prerequisites,tags
    MA-310,Algebra II,Mathematics,10-12,1.0,S1 S2,MA-210|MA-215; MA-110,Accelerated

grades are a range or a list; prerequisites separate alternatives by | and what is needed besides by ;
(each cell may also be a list in brackets: [4301,4304] is any one, [[4504],[4701]] one of each).
terms, prerequisites, corequisites, tags and repeatable may be left out.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from services.catalog.courses import values
from services.catalog.courses.rules import Course, is_school_year
from services.catalog.courses.values import Reader, Unreadable
from services.catalog.imports import Defect, ImportRefused, decoded, defect

READERS: Mapping[str, Reader] = {
    "code": values.code_of,
    "title": partial(values.text_of, longest=200),
    "department": partial(values.text_of, longest=100),
    "grades": values.grades_of,
    "credits": values.credits_of,
    "terms": values.terms_of,
    "prerequisites": values.alternatives_of,
    "minimum_grades": values.minimum_grades_of,
    "corequisites": values.alternatives_of,
    "tags": values.tags_of,
    "repeatable": values.repeatable_of,
}
REQUIRED = ("code", "title", "department", "grades", "credits")
JSON_NAMES = {
    "prerequisites_cnf": "prerequisites",
    "min_grades": "minimum_grades",
    "term": "terms",
    "corequisite": "corequisites",
    "pre_or_corequisite": "corequisites",
}
COLUMN_NAMES = {"course name": "title", "course code": "code", "grade levels": "grades"}
CELLS: Mapping[str, Callable[[str], Any]] = {
    "grades": values.grades_cell,
    "terms": lambda cell: [term for term in cell.replace("|", " ").replace(",", " ").split() if term],
    "prerequisites": values.alternatives_cell,
    "corequisites": values.alternatives_cell,
    "tags": values.words_cell,
}
LONGEST_REMARK, LONGEST_KEY = 2000, 60


@dataclass(frozen=True)
class CatalogFile:
    """What a catalog file says. `notes` tell what of it was not read."""

    courses: tuple[Course, ...]
    school_year: str | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Reading:
    """One file on its way in: its courses so far, and all that is wrong with it."""

    file: str
    courses: list[Course] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    def refuse(self, where: str, name: str, value: object, expected: str) -> None:
        self.defects.append(defect(self.file, where, name, value, expected))

    def add(self, where: str, found: Mapping[str, Any], remarks: Mapping[str, Any]) -> None:
        facts = dict(self._facts(where, found))
        code = facts.get("code")
        if code in self.places:
            self.refuse(where, "code", code, f"each course once; {code} is already at {self.places[code]}")
        elif len(facts) == len(found) and all(name in facts for name in REQUIRED):
            self.places[facts["code"]] = where
            self.courses.append(Course(**facts, remarks=remarks, origin=f"{self.file}, {where}"))
        elif code:
            self.places[code] = where

    def _facts(self, where: str, found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in REQUIRED:
            if name not in found:
                self.refuse(where, name, None, "missing; every course needs " + ", ".join(REQUIRED))
        for name, value in found.items():
            try:
                yield name, READERS[name](value)
            except Unreadable as error:
                self.refuse(where, name, value, f"must be {error}")

    def finished(self, *, school_year: str | None = None, notes: tuple[str, ...] = ()) -> CatalogFile:
        if not self.courses and not self.defects:
            self.refuse(
                "whole file", "courses", None, "at least one course; an empty catalog would retire every course"
            )
        if self.defects:
            raise ImportRefused(self.defects)
        return CatalogFile(tuple(self.courses), school_year, notes)


def parse_catalog(content: bytes, *, file: str, limit: int) -> CatalogFile:
    """
    The courses of a JSON or CSV catalog, told apart by their first character.

    Args:
        file: Name to call the file by in messages.
        limit: Most bytes read.

    Raises:
        ImportRefused: With every defect found, not the first alone.
    """
    text = decoded(content, file=file, limit=limit)
    return _parse_json(text, file) if text.lstrip()[:1] in ("{", "[") else _parse_csv(text, file)


def _parse_json(text: str, file: str) -> CatalogFile:
    reading = _Reading(file)
    document = _json_document(text, reading)
    courses = document.get("courses") if isinstance(document, dict) else None
    if not isinstance(courses, list):
        reading.refuse("whole file", "courses", None, 'an object with a list "courses"')
        raise ImportRefused(reading.defects)
    for index, item in enumerate(courses):
        where = f"courses[{index}]"
        if isinstance(item, dict):
            _add_json_course(reading, where, item)
        else:
            reading.refuse(where, "course", item, "an object with " + ", ".join(REQUIRED))
    year = document.get("school_year")
    if year is not None and not (isinstance(year, str) and is_school_year(year)):
        reading.refuse("whole file", "school_year", year, "must be a school year such as 2026-27")
    return reading.finished(school_year=year)


def _json_document(text: str, reading: _Reading) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        reading.refuse(f"line {error.lineno}, column {error.colno}", "JSON", None, f"readable JSON; here: {error.msg}")
    except RecursionError:
        reading.refuse("whole file", "JSON", None, "lists and objects nested less deeply")
    except ValueError as error:
        reading.refuse("whole file", "JSON", None, str(error))
    raise ImportRefused(reading.defects)


def _no_number(constant: str) -> None:
    raise ValueError(f"numbers only; {constant} is none")


def _add_json_course(reading: _Reading, where: str, item: Mapping[str, Any]) -> None:
    found: dict[str, Any] = {}
    remarks: dict[str, Any] = {}
    for key, value in item.items():
        name = JSON_NAMES.get(key, key)
        if name not in READERS:
            remarks[key] = value
        elif name == "corequisites" and isinstance(found.get(name), list) and isinstance(value, list):
            found[name] = found[name] + value
        elif name in found:
            reading.refuse(where, key, value, f"say {name} once")
        else:
            found[name] = value
    repeats = found.get("repeatable")
    if isinstance(repeats, dict) and repeats.keys() - {"max"}:  # such as "in separate years": kept, not checked
        remarks["repeatable"] = repeats
    readable = json.loads(json.dumps(remarks, default=str))
    if len(json.dumps(readable)) > LONGEST_REMARK:
        reading.refuse(
            where, "remarks", ", ".join(remarks), f"at most {LONGEST_REMARK} characters beyond the known fields"
        )
    reading.add(where, found, readable)


def _parse_csv(text: str, file: str) -> CatalogFile:
    reading = _Reading(file)
    rows = _csv_rows(text, reading)
    header = next(rows, (1, []))[1]
    columns = [COLUMN_NAMES.get(name, name) for name in (" ".join(cell.split()).casefold() for cell in header)]
    known = [name for name in columns if name in READERS and name != "minimum_grades"]
    missing = [name for name in REQUIRED if name not in known]
    doubled = sorted({name for name in known if known.count(name) > 1})
    if missing or doubled:
        wanted = f"a header line with {', '.join(REQUIRED)}, each once"
        reading.refuse("line 1", "header", ",".join(header), f"{wanted}; not right: {', '.join(missing + doubled)}")
        raise ImportRefused(reading.defects)
    for line, cells in rows:
        where = f"line {line}"
        if len(cells) != len(columns):
            reading.refuse(where, "columns", len(cells), f"{len(columns)} values, as the header has; quote commas")
            continue
        row = {name: cell for name, cell in zip(columns, cells, strict=True) if name in known}
        reading.add(where, dict(_cell_values(reading, where, row)), {})
    unread = [cell.strip() for cell, name in zip(header, columns, strict=True) if name not in known]
    return reading.finished(notes=tuple(f"column {name!r} of {file} is not read" for name in unread))


def _csv_rows(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not blank, with the number of the line it begins on."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        reading.refuse(f"line {line}", "CSV", None, f"comma separated values with closed quotes; here: {error}")
        raise ImportRefused(reading.defects) from None


def _cell_values(reading: _Reading, where: str, row: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, cell in row.items():
        if not cell.strip() and name not in REQUIRED:
            continue
        try:
            yield name, CELLS.get(name, str.strip)(cell)
        except Unreadable as error:
            reading.refuse(where, name, cell, f"must be {error}")
