"""
A rule set's YAML, said in the lines that plans are checked against.

This module is the one place that knows the YAML: the published contract carries plain lines
(credits of fitting courses, named courses, one course of each group, clusters, alternatives).
What those lines cannot say is refused with its file and line; what a plan need not be checked
for (a waiver, a remark) is kept as a remark and shown with the conflicts.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from services.catalog.clusters.rules import cluster_named
from services.catalog.courses import values
from services.catalog.courses.rules import Alternatives, Course
from services.catalog.courses.values import Unreadable
from services.catalog.imports import Defect, ImportRefused, defect
from services.catalog.requirements.documents import Block, Items
from services.catalog.requirements.rules import Remark, RequirementSet
from shared.events.catalog import Requirement

SCHEMA = "ilp.requirements/v1"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
KNOWN = ("schema", "id", "title", "jurisdiction", "unit", "total", "code_system", "catalog", "tracks", "requirements")
WITHOUT_EFFECT = frozenset({"confidence", "cohort", "kind", "min_course_grade"})
# Read, kept and shown, but no plan is checked against them.
NOT_CHECKED = ("middle_school_credit_allowed", "recommended_sequence")
TRACK_KEYS = ("title", "requirements", "overrides", "extra")
LINE_KEYS = (
    *("id", "title", "area", "department", "departments", "credits", "any_of", "exclude", "all_of", "one_from_each"),
    *("plus_any", "same_language", "language_key", "clusters", "cluster_credits", "rule", "any", "disjoint_from"),
    *("waived_if", "note", "confidence"),
)
CLUSTER_RULE = re.compile(r"all listed courses of one cluster, or at least (\d+(?:\.\d+)?) credits in it")
# Plans tell languages by this much of a code; another key would be checked wrongly.
LANGUAGE_KEY = "first two digits of the code"
ACRONYMS = frozenset({"cte", "pe", "ap", "ib", "jrotc", "stem", "us"})
SMALL_WORDS = frozenset({"or", "and", "of", "in", "the"})

T = TypeVar("T")


def translate(document: Block, *, file: str, courses: Mapping[str, Course]) -> tuple[RequirementSet, ...]:
    """
    One requirement set per track, in the file's order; the first is meant as the default.

    Args:
        document: The loaded YAML.
        courses: The courses offered, by code: department names and ranges of codes are resolved against them.

    Raises:
        ImportRefused: With every line that cannot be read or expressed.
    """
    translation = _Translation(document, file, courses)
    sets = tuple(translation.sets())
    if translation.defects:
        raise ImportRefused(translation.defects)
    return sets


def title_of(name: str) -> str:
    """Words from a slug: "language_or_cte" reads "Language or CTE"."""
    words = [word for word in re.split(r"[_\-\s]+", name) if word]
    return " ".join(
        word.upper() if word in ACRONYMS else word if word in SMALL_WORDS and number else word[:1].upper() + word[1:]
        for number, word in enumerate(words)
    )


@dataclass
class _Translation:
    """One file on its way: what is wrong with it is collected, not raised at the first."""

    document: Block
    file: str
    courses: Mapping[str, Course]
    defects: list[Defect] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    lines_by_id: dict[str, Block] = field(default_factory=dict)

    def refuse(self, line: int, name: str, value: object, expected: str) -> None:
        self.defects.append(defect(self.file, f"line {line}", name, value, expected))

    def remark(self, kind: str, subject: str, detail: str, line: int, *, is_conflict: bool = False) -> None:
        where = f"{self.file}, line {line}"
        self.remarks.append(Remark(kind, subject, "conflict" if is_conflict else "note", detail, where))

    # The whole file

    def sets(self) -> Iterator[RequirementSet]:
        document = self.document
        self._check_head(document)
        rule_set = self.required(document, "id", _name)
        title = self.required(document, "title", _title)
        total = self.required(document, "total", values.credits_of)
        unit, sizes = self._unit(document)
        tracks = list(self._tracks(document))
        self.lines_by_id = {_id_of(line): line for _, _, lines in tracks for line in lines}
        about_file = self._not_checked(document)
        for name, track_title, lines in tracks:
            self.remarks, self.places = list(about_file), {}
            requirements = tuple(self._lines(lines))
            yield RequirementSet(
                key=f"{rule_set}/{name}" if name else str(rule_set),
                title=f"{title}: {track_title}" if name else str(title),
                unit=unit,
                total=total or Decimal(0),
                requirements=requirements,
                remarks=tuple(dict.fromkeys(self.remarks)),
                course_sizes=sizes,
                places=self.places,
            )

    def _check_head(self, document: Block) -> None:
        if document.get("schema") != SCHEMA:
            self.refuse(document.line_of("schema"), "schema", document.get("schema"), f"must be {SCHEMA}")
        if document.get("code_system") != "local":
            expected = "local: requirements must name courses by the codes of the imported catalog"
            self.refuse(document.line_of("code_system"), "code_system", document.get("code_system"), expected)
        if document.get("min_course_grade") is not None:
            line = document.line_of("min_course_grade")
            self.refuse(line, "min_course_grade", document["min_course_grade"], "no lowest grade: plans hold no marks")
        for key in document:
            if key not in KNOWN and key not in NOT_CHECKED and key not in WITHOUT_EFFECT:
                expected = "no rule of this kind can be checked yet; supported are " + ", ".join(KNOWN)
                self.refuse(document.line_of(key), key, None, expected)

    def _unit(self, document: Block) -> tuple[str, tuple[Decimal, ...]]:
        unit = document.get("unit")
        if isinstance(unit, Block):
            sizes = [
                self.read(unit, key, values.credits_of) for key in unit if key.startswith("per_") or "course" in key
            ]
            name = self.required(unit, "name", _title)
            return str(name), tuple(sorted({size for size in sizes if size is not None}))
        name = self.required(document, "unit", _title)
        return str(name), ()

    def _not_checked(self, document: Block) -> list[Remark]:
        self.remarks = []
        for key in NOT_CHECKED:
            if key in document:
                detail = f"{title_of(key)} is part of the rule set, but plans are not checked against it"
                self.remark("not_checked", key, detail, document.line_of(key))
        return self.remarks

    def _tracks(self, document: Block) -> Iterator[tuple[str, str, list[Block]]]:
        """Name, title and lines of each track; without tracks one nameless one."""
        tracks = document.get("tracks")
        if tracks is None:
            yield "", "", list(self._blocks(document, "requirements"))
            return
        if not isinstance(tracks, Block) or not tracks:
            self.refuse(
                document.line_of("tracks"), "tracks", tracks, "a mapping from a track's name to its requirements"
            )
            return
        for name, track in tracks.items():
            if not isinstance(track, Block) or not NAME.fullmatch(name):
                expected = "a track named in small letters, with requirements, overrides and extra"
                self.refuse(tracks.line_of(name), name, None, expected)
                continue
            for key in track.keys() - set(TRACK_KEYS):
                self.refuse(track.line_of(key), key, None, "a track has " + ", ".join(TRACK_KEYS))
            title = self.read(track, "title", _title) or title_of(name)
            yield name, title, self._merged(track)

    def _merged(self, track: Block) -> list[Block]:
        """A track's lines with its overrides put over them, and its extra ones."""
        lines = {_id_of(line) or str(index): line for index, line in enumerate(self._blocks(track, "requirements"))}
        for override in self._blocks(track, "overrides", optional=True):
            base = lines.get(_id_of(override))
            if base is None:
                expected = f"the id of a line it overrides: {', '.join(lines)}"
                self.refuse(override.line, "id", override.get("id"), expected)
                continue
            merged = Block(base | override)
            merged.line, merged.lines = override.line, base.lines | override.lines
            lines[_id_of(override)] = merged
        return [*lines.values(), *self._blocks(track, "extra", optional=True)]

    # Its lines

    def _lines(self, lines: Sequence[Block]) -> Iterator[Requirement]:
        ids = [_id_of(line) for line in lines]
        for line in lines:
            name = self.required(line, "id", _name)
            if name and ids.count(name) > 1:
                self.refuse(line.line_of("id"), "id", name, "each id once in a track")
            for other in self.read(line, "disjoint_from", _codes) or ():
                if other not in ids:
                    self.refuse(line.line_of("disjoint_from"), "disjoint_from", other, "the id of another line")
            yield self._line(line, name or "?")

    def _line(self, line: Block, name: str) -> Requirement:
        self.places[name] = f"{self.file}, line {line.line}"
        for key in line:
            if key not in LINE_KEYS:
                expected = f"a requirement cannot say this yet; it can say {', '.join(LINE_KEYS)}"
                self.refuse(line.line_of(key), f"{name}.{key}", None, expected)
        departments = self._departments(line)
        any_of = self.read(line, "any_of", _codes) or ()
        found = Requirement(
            id=name,
            title=self.read(line, "title", _title) or _own_title(name, line),
            credits=self.read(line, "credits", values.credits_of) or Decimal(0),
            any_of=any_of,
            # A line that lists its courses means those; its area is then a heading, not a rule.
            departments=() if any_of and "area" in line else departments,
            exclude=self.read(line, "exclude", _codes) or (),
            one_from_each=self._groups(line, departments),
            all_of=self.read(line, "all_of", _codes) or (),
            same_language=self._same_language(line),
            clusters=self._clusters(line, name),
            cluster_credits=self._cluster_credits(line),
            alternatives=tuple(self._alternatives(line, name)),
            disjoint_from=self.read(line, "disjoint_from", _codes) or (),
            note=self._note(line, name),
        )
        self._check_meaning(line, found)
        return found

    def _check_meaning(self, line: Block, found: Requirement) -> None:
        named = found.any_of or found.one_from_each or found.all_of
        if found.credits and not (named or found.departments):
            expected = "which courses count: say department, departments, any_of, one_from_each or all_of"
            self.refuse(line.line, found.id, f"{found.credits} credits", expected)
        elif not (found.credits or named or found.clusters or found.alternatives):
            self.refuse(
                line.line, found.id, None, "credits, named courses, clusters or alternatives; it asks for nothing"
            )

    def _departments(self, line: Block) -> tuple[str, ...]:
        named = self.read(line, "departments", _names) or ()
        if (single := self.read(line, "department", _title)) is not None:
            named = (single, *named)
        area = self.read(line, "area", _title)
        if area is None or named:
            return named
        known = sorted({course.department for course in self.courses.values()})
        fitting = [each for each in known if each.casefold() == area.replace("_", " ").casefold()]
        if not fitting and "any_of" not in line:
            expected = f"a department of the catalog ({', '.join(known)}); else say department or any_of"
            self.refuse(line.line_of("area"), "area", area, expected)
        return tuple(fitting)

    def _groups(self, line: Block, departments: Sequence[str]) -> Alternatives:
        groups = self.read(line, "one_from_each", _groups) or ()
        more = line.get("plus_any")
        if more is None:
            return groups
        if not isinstance(more, Block) or more.keys() - {"codes", "or_code_greater_than"}:
            expected = "a mapping with codes and or_code_greater_than"
            self.refuse(line.line_of("plus_any"), "plus_any", more, expected)
            return groups
        codes = self.read(more, "codes", _codes) or ()
        floor = self.read(more, "or_code_greater_than", _whole_number)
        if floor is not None:
            codes = tuple(dict.fromkeys((*codes, *self._codes_above(floor, departments))))
            detail = (
                f"courses of {' and '.join(departments)} with a code above {floor} were taken to be "
                f"{', '.join(codes)}; import the rules again when such courses come or go"
            )
            self.remark("range_resolved", _id_of(line), detail, more.line)
        return (*groups, codes)

    def _codes_above(self, floor: int, departments: Sequence[str]) -> Iterator[str]:
        for code, course in sorted(self.courses.items()):
            if course.department in departments and code.isascii() and code.isdigit() and int(code) > floor:
                yield code

    def _same_language(self, line: Block) -> bool:
        key = self.read(line, "language_key", _title)
        if key is not None and key != LANGUAGE_KEY:
            expected = f"{LANGUAGE_KEY!r}: plans know no other way to tell languages"
            self.refuse(line.line_of("language_key"), "language_key", key, expected)
        return bool(self.read(line, "same_language", _yes_or_no))

    def _clusters(self, line: Block, name: str) -> dict[str, tuple[str, ...]]:
        clusters = line.get("clusters")
        if clusters is None:
            return {}
        if not isinstance(clusters, Block) or not clusters:
            self.refuse(line.line_of("clusters"), "clusters", clusters, "a mapping from a cluster to its course codes")
            return {}
        for cluster in clusters:
            official = cluster_named(cluster)
            if official is None or official.name != cluster:
                meant = f"taken to be {official.name}" if official else "none of the sixteen career clusters"
                self.remark("cluster_name", name, f"the cluster {cluster!r} is {meant}", clusters.line_of(cluster))
        return {cluster: self.read(clusters, cluster, _codes) or () for cluster in clusters}

    def _cluster_credits(self, line: Block) -> Decimal | None:
        rule = self.read(line, "rule", _title)
        if rule is None:
            return self.read(line, "cluster_credits", values.credits_of)
        matched = CLUSTER_RULE.fullmatch(rule)
        if matched is None or "clusters" not in line:
            expected = (
                "only 'all listed courses of one cluster, or at least N credits in it' is understood, with clusters"
            )
            self.refuse(line.line_of("rule"), "rule", rule, expected)
            return None
        return values.credits_of(matched[1])

    def _alternatives(self, line: Block, name: str) -> Iterator[Requirement]:
        for number, each in enumerate(self._blocks(line, "any", optional=True), start=1):
            references = [key for key, value in each.items() if value == "satisfied"]
            if not references:
                yield self._line(each, f"{name}.{number}")
            elif len(each) > 1 or references[0] not in self.lines_by_id or references[0] == name:
                expected = "one other line of the file, such as {cte_cluster: satisfied}"
                self.refuse(each.line, f"{name}.any", ", ".join(each), expected)
            elif "any" in self.lines_by_id[references[0]]:
                self.refuse(each.line, f"{name}.any", references[0], "a line that itself has no alternatives")
            else:
                yield self._line(self.lines_by_id[references[0]], references[0])

    def _note(self, line: Block, name: str) -> str | None:
        said: list[str] = []
        if (waiver := self.read(line, "waived_if", _remark)) is not None:
            said.append(f"Waived if: {waiver}")
            detail = f"{name} is waived if: {waiver}; nobody's plan says so, so it is asked of everybody"
            self.remark("waiver_not_checked", name, detail, line.line_of("waived_if"))
        if (note := self.read(line, "note", _remark)) is not None:
            said.append(note)
            self.remark("source_remark", name, f"the rule set remarks on {name}: {note}", line.line_of("note"))
        return " ".join(said) or None

    # Single values

    def _blocks(self, parent: Block, key: str, *, optional: bool = False) -> Iterator[Block]:
        items = parent.get(key)
        if items is None and optional:
            return
        if not isinstance(items, Items) or not items:
            self.refuse(parent.line_of(key), key, items, "a list of requirements, each a mapping")
            return
        for item in items:
            if isinstance(item, Block):
                yield item
            else:
                self.refuse(items.line, key, item, "a mapping such as {id: math, department: Mathematics, credits: 3}")

    def read(self, block: Block, key: str, reader: Callable[[Any], T]) -> T | None:
        """The value of a key; None where it is absent, or wrong and reported."""
        if key not in block:
            return None
        try:
            return reader(block[key])
        except Unreadable as error:
            self.refuse(block.line_of(key), key, block[key], f"must be {error}")
            return None

    def required(self, block: Block, key: str, reader: Callable[[Any], T]) -> T | None:
        if key not in block:
            self.refuse(block.line, key, None, "missing")
        return self.read(block, key, reader)


def _id_of(line: Block) -> str:
    """The id as far as it can be read; whether it is right is checked with the line."""
    stated = line.get("id")
    return stated if isinstance(stated, str) else ""


def _own_title(name: str, line: Block) -> str:
    """What students read when the file gives no title: its one department, else words from its id."""
    department = line.get("department")
    return department if isinstance(department, str) and "any_of" not in line else title_of(name)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Unreadable("a name of small letters, digits, dots, dashes and underscores")
    return value


def _title(value: Any) -> str:
    return values.text_of(value, longest=120)


def _remark(value: Any) -> str:
    return values.text_of(value, longest=500)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("true or false")
    return value


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable("a whole number")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Unreadable("a list of names")
    return tuple(_title(each) for each in value)


def _codes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Unreadable("a list of codes")
    return tuple(dict.fromkeys(values.code_of(each) for each in value))


def _groups(value: Any) -> Alternatives:
    if not isinstance(value, list) or not all(isinstance(each, list) and each for each in value):
        raise Unreadable("a list of lists of course codes: one course of each")
    return values.alternatives_of(value)
