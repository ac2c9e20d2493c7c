"""Reading one value of a course, from JSON or from a CSV cell. Each says what would have been right."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from services.catalog.courses.rules import HIGHEST_GRADE, LOWEST_GRADE, Alternatives
from shared.events.catalog import MinimumGrade

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
GRADE_RANGE = re.compile(r"\s*(-?\d{1,2})\s*-\s*(-?\d{1,2})\s*")
TERMS = ("S1", "S2", "YEAR")
# A course of one quarter or semester fits in either half of the year.
TERM_WORDS = {"quarter": ("S1", "S2"), "semester": ("S1", "S2"), "year": ("YEAR",), "any": ()}
HUNDREDTH = Decimal("0.01")
MOST_CREDITS = Decimal(1000)  # some districts count ten to a year-long course and 230 to a diploma
NOTHING = frozenset({"", "none", "null", "n/a", "-"})


class Unreadable(ValueError):
    """A value that cannot be what it is meant to be; the message says what would be right."""


def code_of(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not CODE.fullmatch(text):
        raise Unreadable("a course code of 1 to 40 letters, digits, dots, dashes or underscores")
    return text


def text_of(value: Any, *, longest: int) -> str:
    """Words with single spaces; line breaks and control characters are not words."""
    if not isinstance(value, str) or not value.strip():
        raise Unreadable("a text")
    text = " ".join(value.split())
    if len(text) > longest or not text.isprintable():
        raise Unreadable(f"a text of at most {longest} printable characters")
    return text


def credits_of(value: Any) -> Decimal:
    expected = "a number from 0 to 1000 with at most two decimals, such as 0.5"
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable(expected)
    try:
        number = Decimal(str(value).strip())
        if not number.is_finite() or not 0 <= number <= MOST_CREDITS or number != number.quantize(HUNDREDTH):
            raise Unreadable(expected)
    except InvalidOperation:
        raise Unreadable(expected) from None
    return number.quantize(HUNDREDTH)


def grades_of(value: Any) -> tuple[int, ...]:
    expected = f"at least one grade level from {LOWEST_GRADE} to {HIGHEST_GRADE}, such as [9, 10] or 9-12"
    levels: set[int] = set()
    for item in _items(value, expected):
        try:
            levels.add(int(str(item)) if not isinstance(item, bool) else HIGHEST_GRADE + 1)
        except ValueError:
            raise Unreadable(expected) from None
    if not levels or min(levels) < LOWEST_GRADE or max(levels) > HIGHEST_GRADE:
        raise Unreadable(expected)
    return tuple(sorted(levels))


def terms_of(value: Any) -> tuple[str, ...]:
    terms: list[str] = []
    expected = "S1, S2 or YEAR, or one of " + ", ".join(TERM_WORDS)
    for item in [value] if isinstance(value, str) else _items(value, expected):
        word = str(item).strip()
        if word.upper() in TERMS:
            terms.append(word.upper())
        elif word.casefold() in TERM_WORDS:
            terms += TERM_WORDS[word.casefold()]
        else:
            raise Unreadable(expected)
    return tuple(term for term in TERMS if term in terms)


def tags_of(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text_of(item, longest=60) for item in _items(value, "a list of labels, such as AP")))


def alternatives_of(value: Any) -> Alternatives:
    """A flat list means any one of it; a list of lists means one of each."""
    expected = "course codes: a list means any one of it, a list of lists one of each"
    items = list(_items(value, expected))
    if items and not any(isinstance(item, list) for item in items):
        items = [items]
    if not all(isinstance(item, list) and item for item in items):
        raise Unreadable(expected + "; do not mix the two, and leave no list empty")
    return tuple(tuple(dict.fromkeys(code_of(code) for code in item)) for item in items)


def minimum_grades_of(value: Any) -> tuple[MinimumGrade, ...]:
    expected = 'a list such as [{"codes": ["4301"], "grade": "B"}] with a letter from A to F'
    found: list[MinimumGrade] = []
    for item in _items(value, expected):
        letter = item.get("grade") if isinstance(item, dict) else None
        codes = item.get("codes") if isinstance(item, dict) else None
        if not isinstance(letter, str) or not re.fullmatch(r"[A-F][+-]?", letter) or not codes:
            raise Unreadable(expected)
        found.append(MinimumGrade(codes=tuple(code_of(code) for code in _items(codes, expected)), grade=letter))
    return tuple(found)


def repeatable_of(value: Any) -> int:
    count = str(value.get("max") if isinstance(value, dict) else value)
    if not re.fullmatch(r"[1-9]|1\d|20", count):
        raise Unreadable("how often it may count: a whole number from 1 to 20")
    return int(count)


def _items(value: Any, expected: str) -> Iterable[Any]:
    if not isinstance(value, list):
        raise Unreadable(expected)
    return value


def cell_list(cell: str) -> list[Any]:
    """
    A cell such as `[10, 11]`, `[[4504],[4701]]`, `None` or nothing, as nested lists of strings.

    Raises:
        Unreadable: Brackets that do not match, or deeper than two levels.
    """
    if cell.strip().casefold() in NOTHING:
        return []
    unbalanced = Unreadable("a list in brackets, such as [4301, 4304], with each bracket closed")
    levels: list[list[Any]] = [[]]
    for part in re.findall(r"[\[\],]|[^\[\],]+", cell.strip()):
        if part == "[" and len(levels) <= 2:
            levels.append([])
        elif part == "]" and len(levels) > 1:
            closed = levels.pop()
            levels[-1].append(closed)
        elif part in ("[", "]"):
            raise unbalanced
        elif part != "," and (word := part.strip(" \t'\"")):
            levels[-1].append(word)
    if len(levels) != 1 or len(levels[0]) != 1 or not isinstance(levels[0][0], list):
        raise unbalanced
    inner: list[Any] = levels[0][0]
    return inner


def grades_cell(cell: str) -> list[Any]:
    """`[9, 10]`, `9-12` or `9 10`."""
    if cell.strip().startswith("["):
        return cell_list(cell)
    if span := GRADE_RANGE.fullmatch(cell):
        return list(range(int(span[1]), int(span[2]) + 1))
    return re.split(r"[\s,;|]+", cell.strip())


def alternatives_cell(cell: str) -> list[Any]:
    """`[4301, 4304]` or `[[4504], [4701]]`, or our own spelling: `4301|4304; 7201`."""
    if cell.strip().startswith("[") or cell.strip().casefold() in NOTHING:
        return cell_list(cell)
    return [[code.strip() for code in group.split("|")] for group in cell.split(";") if group.strip()]


def words_cell(cell: str) -> list[Any]:
    """`AP, Dual Credit` or `AP; Dual Credit`."""
    if cell.strip().casefold() in NOTHING:
        return []
    return [word for word in (part.strip() for part in re.split(r"[,;|]", cell)) if word]


Reader = Callable[[Any], Any]
