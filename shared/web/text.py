"""Text that no database can hold is refused at the door: it is nothing anybody means, and fails differently in each."""

import math
import re
from collections.abc import Iterable, Mapping

from shared.problems import InvalidInput, NotFound

# `\u0000` in a JSON text, not the backslash written out and followed by "u0000".
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def is_storable(text: str) -> bool:
    """False for a zero character, and for half of one: bytes in an address or a header that were no UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_path(parameters: Iterable[str]) -> None:
    """
    Raises:
        NotFound: Nothing can have such a name.
    """
    if not all(map(is_storable, parameters)):
        raise NotFound


def check_named(values: Mapping[str, str], names: Iterable[str], *, where: str) -> None:
    """
    Raises:
        InvalidInput: One of the values cannot be kept.
    """
    for name in names:
        if not is_storable(values.get(name, "")):
            raise InvalidInput(f"`{name[:40]}` in the {where} must be text without zero characters, in UTF-8.")


def check_body(body: bytes) -> None:
    """
    Raises:
        InvalidInput: A text in the JSON has a zero character.
    """
    if _ZERO.search(body):
        raise InvalidInput("A text in the body has a zero character (\\u0000); leave it out.")


def is_finite(value: object) -> bool:
    """Whether all numbers of a JSON value are numbers."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(is_finite, value.values()))
        case list():
            return all(map(is_finite, value))
        case _:
            return True
